"""Recorded boxes: what the detector said of each frame, a JSON object a line, gzipped."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from vision.errors import VisionError
from vision.road.ground import Array


class BadRecording(VisionError):
    """A file of boxes that can't be read; says which line."""


class _Frame(msgspec.Struct):
    t: float
    boxes: list[tuple[float, float, float, float, float, float]]
    frame: int | None = None


def read_boxes(path: Path) -> Iterator[tuple[float, Array]]:
    """Yield (seconds, (n, 6) x1 y1 x2 y2 score class) for each line of a `.jsonl` or `.jsonl.gz` file.

    Raises:
        BadRecording: the file can't be opened, breaks off, or a line is something else.
    """
    return ((at, boxes) for _, at, boxes in read_frames(path))


def read_frames(path: Path) -> Iterator[tuple[int, float, Array]]:
    """The same with each frame's number before it, which goes on over frames that were dropped.

    A line without a number follows the one before.
    """
    decoder = msgspec.json.Decoder(_Frame)
    number = line_number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                line_number += 1
                frame = decoder.decode(line)
                number = number + 1 if frame.frame is None else frame.frame
                yield number, frame.t, np.array(frame.boxes, float).reshape(-1, 6)
    except OSError as error:
        raise BadRecording(f"{path}: {error.strerror or error}; name a file of boxes") from error
    except (EOFError, msgspec.DecodeError) as error:
        raise BadRecording(f"{path}: line {line_number}: {error}; a line should be like {_EXAMPLE}") from error


_EXAMPLE = '{"frame": 1, "t": 0.1, "boxes": [[x1, y1, x2, y2, score, class]]}'


class BoxWriter:
    """Writes what `read_boxes` reads; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path, "wt", encoding="ascii", compresslevel=6)  # noqa: SIM115 - closed by __exit__
        self._frame = 0

    def write(self, at: float, boxes: Array, *, frame: int | None = None) -> None:
        """Add a frame: `at` in seconds, `boxes` (n, 6), its number where it does not follow the one before."""
        self._frame = self._frame + 1 if frame is None else frame
        rounded = [[*np.round(box[:4], 1).tolist(), round(float(box[4]), 3), int(box[5])] for box in boxes]
        self._file.write(json.dumps({"frame": self._frame, "t": round(at, 3), "boxes": rounded}) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
