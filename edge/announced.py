"""What the database has been told about the outbox, in a small file of its own beside it.

When the outbox itself is torn beyond reading, this still says which streams there were and how far they had come:
what they held can then be reported as given up, instead of vanishing without a word.
"""

import logging
import os
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """As of the last status."""

    connection: int = 0
    streams: dict[str, tuple[str, int, int]] = {}  # stream → kind, last, all done up to


def write(outbox: Path, announced: Announced) -> None:
    """Replace the file beside `outbox`; a disk that refuses is logged, and no more."""
    path = _path(outbox)
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as out:
            out.write(msgspec.json.encode(announced))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except OSError as error:
        log.warning("announced path=%s error=%s", path, error)


def read(outbox: Path) -> Announced:
    """What was last written; nothing where there is no such file, or a torn one."""
    try:
        return msgspec.json.decode(_path(outbox).read_bytes(), type=Announced)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return Announced()


def _path(outbox: Path) -> Path:
    return outbox.with_suffix(".announced.json")
