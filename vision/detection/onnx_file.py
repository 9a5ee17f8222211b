"""Whether a file can be an ONNX network, from its outermost bytes alone: runtimes say it in pages, or crash."""

from pathlib import Path
from typing import BinaryIO, Final

IR_VERSION: Final = 0x08  # the tag of the first field that every exporter writes
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types
FIXED: Final = {FIXED64: 8, FIXED32: 4}


def is_onnx(path: Path) -> bool:
    """Whether `path` is a whole protobuf message that begins as ONNX does: neither another format nor cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = True
        while file.tell() < size:
            tag = _varint(file)
            if tag is None or (first and tag != IR_VERSION) or not _skip(file, tag & 7):
                return False
            first = False
        return not first and file.tell() == size


def _skip(file: BinaryIO, wire: int) -> bool:
    """Step over one field's value; False where there is none of that type."""
    if wire == VARINT:
        return _varint(file) is not None
    length = _varint(file) if wire == BYTES else FIXED.get(wire)
    if length is None:
        return False
    file.seek(length, 1)
    return True


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
