"""A camera on the network: FFmpeg's stream over HTTP, from a process that can be stalled and killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np

from tests.vision.pictures import car, street

RATE = 10


class Camera:
    """Serves a moving drawn street as MPEG-TS over HTTP, in real time, to one viewer at a time."""

    def __init__(self, port: int, *, width: int = 384, height: int = 288) -> None:
        self.address = f"http://127.0.0.1:{port}/live.ts"
        self._command = [sys.executable, "-m", "tests.vision.streaming", str(port), str(width), str(height)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(self._command, cwd=root, stdout=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def stall(self) -> None:
        """Say nothing any more, and keep the connection."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Go, without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class _Writer:
    """What FFmpeg's muxer writes into."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> int:
        self._connection.sendall(data)
        return len(data)


def serve(port: int, width: int, height: int) -> None:
    """Wait for a viewer, then send pictures until he goes; then for the next."""
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
                _stream(connection, width, height)


def _stream(connection: socket.socket, width: int, height: int) -> None:
    with av.open(_Writer(connection), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", RATE, {"preset": "ultrafast", "tune": "zerolatency", "g": str(RATE)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        began, number = time.monotonic(), 0
        while True:
            picture = cv2.resize(car(street(), 8 * number % 320), (width, height))
            frame = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
            number += 1
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
