"""A still and a clip of an incident: what an operator looks at before he believes it."""

import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from events.evidence import Evidence
from events.incident import Incident
from vision.blur import blurred
from vision.errors import VisionError
from vision.frames.frame import Frame, reformatted
from vision.frames.letterbox import Boxes, Image

QUALITY: Final = 85  # JPEG
STILL_BYTES: Final = 400_000  # what a radio link carries in a second or so
STILL_WIDTH: Final = 1920
CLIP_SECONDS: Final = 5.0  # before, and after
CLIP_RATE: Final = 5.0  # frames a second: what moves is seen to move, at a fifth of the bytes
CLIP_WIDTH: Final = 960
CLIP_CRF: Final = 28  # x264's constant quality
CLIP_BYTES: Final = 2_000_000
MILLISECOND: Final = Fraction(1, 1000)


def to_jpeg(image: Image, quality: int = QUALITY, most: int = STILL_BYTES) -> bytes:
    """`image` (h, w, 3) as JPEG of at most `most` bytes: quality gives way first, then size."""
    if image.shape[1] > STILL_WIDTH:
        image = shrunk(image, STILL_WIDTH)
    while True:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise VisionError(f"a picture of {image.shape} cannot be written as JPEG")
        if len(data) <= most or min(image.shape[:2]) < 64:
            return data.tobytes()
        if quality > 50:
            quality -= 15
        else:
            image = shrunk(image, image.shape[1] * 3 // 4)


def shrunk(image: Image, width: int) -> Image:
    """`image` no wider than `width`, both sides even, as video wants them."""
    scale = min(1.0, width / image.shape[1])
    size = (round(image.shape[1] * scale) // 2 * 2, round(image.shape[0] * scale) // 2 * 2)
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def still(incident: Incident, frame: Frame, boxes: Boxes, *, blur: bool) -> Evidence:
    """The picture that `incident` was decided on; what it frames is `incident.place.box`, nothing is drawn."""
    image = blurred(frame.image, boxes) if blur else frame.image
    return Evidence(incident=incident.id, camera=incident.camera, at=aware(frame.at), role="still", data=to_jpeg(image))


def aware(at: float) -> datetime:
    """POSIX seconds as a time with its zone."""
    return datetime.fromtimestamp(at, UTC)


def asks_for_evidence(incident: Incident, before: str | None) -> bool:
    """Whether this revision is a picture's worth: the first, or one that raised the kind.

    Args:
        incident: the revision.
        before: the kind that the revision before spoke of.
    """
    return incident.rev == 1 or (incident.raised_from is not None and incident.kind != before)


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame of the ring: small, blurred already, as video stores it."""

    at: float
    picture: av.VideoFrame  # yuv420p


@dataclass(slots=True)
class Wanted:
    """A clip that still grows."""

    incident: str
    camera: str
    until: float
    frames: list[Kept]


@dataclass(slots=True)
class Ring:
    """The last CLIP_SECONDS of a camera, and the clips that are being filmed. Bounded: a few megabytes a camera."""

    camera: str
    blur: bool = True
    most_clips: int = 4  # at once: past that, an incident has its still
    _frames: deque[Kept] = field(default_factory=deque)
    _growing: list[Wanted] = field(default_factory=list)

    def add(self, frame: Frame, boxes: Boxes) -> list[Wanted]:
        """Keep `frame` if it is due; return the clips that are complete now."""
        if self._frames and frame.at - self._frames[-1].at < 0.9 / CLIP_RATE:
            return self._complete(frame.at)
        image = blurred(frame.image, boxes) if self.blur else frame.image
        small = reformatted(av.VideoFrame.from_ndarray(shrunk(image, CLIP_WIDTH), format="bgr24"), "yuv420p")
        kept = Kept(frame.at, small)
        self._frames.append(kept)
        while self._frames[0].at < frame.at - CLIP_SECONDS:
            self._frames.popleft()
        for clip in self._growing:
            clip.frames.append(kept)
        return self._complete(frame.at)

    def film(self, incident: Incident, at: float) -> None:
        """Begin a clip of `incident`, decided at `at`, with what the ring holds."""
        if len(self._growing) < self.most_clips:
            self._growing.append(Wanted(incident.id, self.camera, at + CLIP_SECONDS, list(self._frames)))

    def rest(self) -> list[Wanted]:
        """The clips that will grow no more, at the end of a recording."""
        done, self._growing = self._growing, []
        return done

    def _complete(self, now: float) -> list[Wanted]:
        done = [clip for clip in self._growing if now >= clip.until]
        self._growing = [clip for clip in self._growing if now < clip.until]
        return done


def encode(clip: Wanted, most: int = CLIP_BYTES) -> Evidence | None:
    """The clip as MP4 (H.264, plays in browsers, index in front); None where there is nothing to show."""
    if len(clip.frames) < 2:
        return None
    data = b""
    for crf in (CLIP_CRF, CLIP_CRF + 8, CLIP_CRF + 16):
        data = _mp4(clip.frames, crf)
        if len(data) <= most:
            break
    return Evidence(incident=clip.incident, camera=clip.camera, at=aware(clip.frames[0].at), role="clip", data=data)


def _mp4(frames: Sequence[Kept], crf: int) -> bytes:
    first = frames[0].picture
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:  # putting the index in front needs to read it again
        with av.open(file.name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", round(CLIP_RATE), {"crf": str(crf), "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
            stream.codec_context.time_base = MILLISECOND
            stream.codec_context.thread_count = 1  # evidence may wait; detection may not
            for kept in frames:
                if (kept.picture.width, kept.picture.height) != (first.width, first.height):
                    continue  # the stream changed its size in between
                kept.picture.pts, kept.picture.time_base = round((kept.at - frames[0].at) * 1000), MILLISECOND
                container.mux(stream.encode(kept.picture))
            container.mux(stream.encode(None))
        return Path(file.name).read_bytes()
