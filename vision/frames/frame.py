"""A picture and when it was captured."""

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from vision.frames.letterbox import Image

PLANAR = ("yuv4", "yuvj4", "nv12", "nv21", "gray8")  # eight bits of luma in the first plane
LUMA_WIDTH = 160  # pixels: enough to see a bicycle move, a hundredth of the work


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of a camera. It stays as the decoder left it until somebody asks for its pixels."""

    index: int  # counting from 0 in its source, frames that were dropped included
    at: float  # POSIX seconds; when it was captured, or its place in a recording
    picture: av.VideoFrame | Image
    clock_off: float = 0.0  # seconds by which the time that it came with is behind this machine's clock
    fresh: bool = False  # the first since the source was opened, or began again: what came before is cut off

    @cached_property
    def image(self) -> Image:
        """(h, w, 3) uint8 BGR; not to be written to."""
        if isinstance(self.picture, av.VideoFrame):
            return np.asarray(reformatted(self.picture, "bgr24").to_ndarray(), np.uint8)
        return self.picture

    @cached_property
    def luma(self) -> Image:
        """(h, LUMA_WIDTH) uint8: a small grey copy, made without the pixels of the large one."""
        size = (LUMA_WIDTH, max(1, round(LUMA_WIDTH * self.size[1] / self.size[0])))
        if isinstance(self.picture, av.VideoFrame):
            return np.asarray(cv2.resize(_luma_plane(self.picture), size, interpolation=cv2.INTER_AREA), np.uint8)
        small = cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """Width, height in pixels."""
        if isinstance(self.picture, av.VideoFrame):
            return self.picture.width, self.picture.height
        return self.picture.shape[1], self.picture.shape[0]


class _Converter(threading.local):
    """FFmpeg's converter sets tables up for each pair of formats; a thread needs to do that once, not at each frame."""

    def __init__(self) -> None:
        self.reformatter = VideoReformatter()


_CONVERTER: Final = _Converter()


def reformatted(picture: av.VideoFrame, pixels: str) -> av.VideoFrame:
    """`picture` with its pixels in another format, "bgr24" for one, converted in the thread that calls."""
    return _CONVERTER.reformatter.reformat(picture, format=pixels, threads=1)


def _luma_plane(picture: av.VideoFrame) -> Image:
    """(h, w) the brightness of each pixel: most decoders keep it by itself, and it need not be copied."""
    if not picture.format.name.startswith(PLANAR):
        return np.asarray(picture.to_ndarray(format="gray"), np.uint8)
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    return np.asarray(rows[: picture.height, : picture.width])
