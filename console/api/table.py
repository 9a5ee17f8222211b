"""Rows as CSV, sent while they are read."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fastapi.responses import StreamingResponse

BLOCK: Final = 64 * 1024  # characters


def csv_response(lines: Iterable[tuple[Any, ...]], name: str) -> StreamingResponse:
    """Return the lines (the first is the header) as a file to keep."""
    file = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:120]
    headers = {"Content-Disposition": f'attachment; filename="{file}.csv"'}
    return StreamingResponse(_blocks(lines), media_type="text/csv; charset=utf-8", headers=headers)


def _blocks(lines: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    for line in lines:
        writer.writerow(line)
        if text.tell() > BLOCK:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
