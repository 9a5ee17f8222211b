"""`ngatu models`: which models are here, better ones, and whether their runtimes agree."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Detection models: list, get, export, check, train, validate.")
Kind = Literal["onnx", "openvino"]
SIZE = typer.Option(min=32, help="of the network's input, pixels")


@app.command("list")
def list_(*, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show the models of this machine; the first runs where none is named."""
    from ngatu.recorded import model_folder
    from vision.detection.model_verbs import listed

    models = listed(model_folder())
    if as_json:
        found = [{"path": str(m.path), "megabytes": m.megabytes, "chosen": m.chosen, "hint": m.hint} for m in models]
        print(json.dumps({"models": found}))
        return
    for model in models:
        print(f"{'*' if model.chosen else ' '} {model.megabytes:7.1f} MB  {model.path}  {model.hint or ''}".rstrip())
    if not models:
        print(f"none in {model_folder()}: YOLOv3-tiny comes at first use, a better one with `ngatu models get`")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="official weights, as ultralytics names them")] = "yolo11n",
    size: Annotated[int, SIZE] = 640,
    kind: Annotated[Kind, typer.Option("--format", help="what to export them to")] = "onnx",
) -> None:
    """Fetch official weights and export them; they run from then on where no model is named."""
    from ngatu.recorded import model_folder
    from vision.detection.model_verbs import get as fetch

    for path in fetch(name, model_folder(), size=size, formats=(kind,)):
        print(path)


@app.command()
def export(
    weights: Annotated[Path, typer.Argument(help="a .pt file")],
    to: Annotated[Path, typer.Option(help="the folder that the model goes into")] = Path(),
    size: Annotated[int, SIZE] = 640,
    kind: Annotated[Kind, typer.Option("--format")] = "onnx",
) -> None:
    """Export one's own weights to ONNX or OpenVINO."""
    from vision.detection.model_verbs import export as write

    print(write(weights, to, size=size, kind=kind))


@app.command()
def check(
    pictures: Annotated[Path, typer.Argument(help="a folder of pictures, or a video")],
    model: Annotated[Path | None, typer.Option(help=".onnx, OpenVINO folder, .pt")] = None,
    most: Annotated[int, typer.Option(min=1, help="pictures to look at")] = 20,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run all runtimes on the same pictures; exit 0 only where they find the same (98 of 100 boxes)."""
    from dataclasses import asdict
    from itertools import islice
    from threading import Event

    from ngatu.recorded import model_folder
    from vision.detection.model_verbs import check as compare
    from vision.detection.models import find_model
    from vision.frames.source import open_source

    file = find_model(str(model) if model else None, model_folder()).path
    frames = islice(open_source(str(pictures), live=False).frames(Event()), most)
    agreements = compare(file, [frame.image for frame in frames])
    if as_json:
        print(json.dumps({"model": str(file), "runtimes": [asdict(agreement) for agreement in agreements]}))
    else:
        for one in agreements:
            same = f"{one.found} of {one.boxes} boxes of {one.reference}"
            print(f"{one.runtime}: {same}, overlap {one.overlap:.3f}, scores differ by {one.score_difference:.3f}")
    if any(one.found < 0.98 * one.boxes for one in agreements):
        raise typer.Exit(1)


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="the data set's .yaml, in YOLO's format")],
    weights: Annotated[str, typer.Option(help="to begin with")] = "yolo11n.pt",
    epochs: Annotated[int, typer.Option(min=1)] = 50,
    size: Annotated[int, SIZE] = 640,
    to: Annotated[Path, typer.Option(help="the folder that the run is kept in")] = Path("runs"),
) -> None:
    """Fine-tune on the city's own pictures."""
    from vision.detection.model_verbs import train as tune

    print(tune(data, weights=weights, epochs=epochs, size=size, to=to))


@app.command()
def val(
    data: Annotated[Path, typer.Argument(help="the data set's .yaml, in YOLO's format")],
    model: Annotated[Path, typer.Option(help=".pt, .onnx, OpenVINO folder")],
    size: Annotated[int, SIZE] = 640,
    to: Annotated[Path, typer.Option(help="the folder that the run is kept in")] = Path("runs"),
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Mean average precision on labelled pictures."""
    from vision.detection.model_verbs import validate

    figures = validate(model, data, size=size, to=to)
    print(json.dumps(figures) if as_json else f"mAP50 {figures['map50']:.3f}  mAP50-95 {figures['map50_95']:.3f}")
