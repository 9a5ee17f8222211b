"""The processes of this benchmark: told what to do on standard input, in JSON."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import msgspec

from ngatu.home import CHECKOUT


@contextmanager
def process(module: str, told: msgspec.Struct) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process of this benchmark that reads `told` from its standard input."""
    command = (sys.executable, "-m", f"ngatu.bench.ingest.{module}")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT) as child:
        try:
            pipe(child.stdin).write(msgspec.json.encode(told))
            pipe(child.stdin).close()
            yield child
        finally:
            child.terminate()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe that was asked for."""
    assert stream is not None
    return stream
