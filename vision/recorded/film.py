"""Drawn pictures as a film or a still."""

import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from vision.errors import VisionError
from vision.frames.letterbox import Image

MILLISECOND: Final = Fraction(1, 1000)


def write_preview(drawn: Iterable[tuple[float, Image]], out: Path, *, last_only: bool) -> int:
    """Write (seconds, image) as a film, or the last as a picture; return how many frames went in.

    Raises:
        VisionError: the file cannot be written.
    """
    if last_only:
        last: Image | None = None
        for _, image in drawn:
            last = image
        if last is None:
            return 0
        if not cv2.imwrite(str(out), last):
            raise VisionError(f"{out}: cannot be written")
        return 1
    with tempfile.NamedTemporaryFile(dir=out.parent, suffix=".mp4") as part:
        written = _write_film(drawn, part.name)
        out.write_bytes(Path(part.name).read_bytes())
    return written


def _write_film(drawn: Iterable[tuple[float, Image]], name: str) -> int:
    written, first = 0, 0.0
    with av.open(name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", 25, {"crf": "23", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECOND
        for at, image in drawn:
            even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
            if not written:
                first, stream.width, stream.height = at, even.shape[1], even.shape[0]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="bgr24")
            picture.pts, picture.time_base = round((at - first) * 1000), MILLISECOND
            container.mux(stream.encode(picture))
            written += 1
        if written:
            container.mux(stream.encode(None))
    return written
