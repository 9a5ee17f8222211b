"""TLS over a connected socket that one thread reads and any thread writes.

OpenSSL takes one call at a time for a connection, so each is made under a lock, and never waits in it: whoever waits
does so for the socket.
"""

import select
import socket
import ssl
import time
from threading import Lock
from typing import Final

READING: Final = select.POLLIN
WRITING: Final = select.POLLOUT


class TlsSocket:
    """What `Connection` uses of a socket."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Shake hands, within the time-out of `plain`.

        Raises:
            OSError: the other side is not who it should be (`ssl.SSLCertVerificationError`), or is gone.
        """
        self._timeout = plain.gettimeout()
        self._tls = context.wrap_socket(plain, server_hostname=host)
        self._tls.settimeout(0.0)
        self._lock = Lock()

    def fileno(self) -> int:
        """For select."""
        return self._tls.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """Wait; return all that is there, up to about `size` bytes. Nothing: the other side has closed."""
        until = self._until()
        while True:
            try:
                return self._read(size)
            except ssl.SSLWantReadError:
                self._wait(READING, until)
            except ssl.SSLWantWriteError:
                self._wait(WRITING, until)

    def sendall(self, data: bytes) -> None:
        """Send; the caller lets no two threads do so at once."""
        until, rest = self._until(), memoryview(data)
        while rest:
            try:
                with self._lock:
                    sent = self._tls.send(rest)
            except ssl.SSLWantReadError:
                self._wait(READING, until)
            except ssl.SSLWantWriteError:
                self._wait(WRITING, until)
            else:
                rest = rest[sent:]

    def shutdown(self, how: int) -> None:
        """As a socket's."""
        self._tls.shutdown(how)

    def close(self) -> None:
        """As a socket's."""
        self._tls.close()

    def _read(self, size: int) -> bytes:
        """A record holds 16 KB at most: take all that have come."""
        chunks: list[bytes] = []
        with self._lock:
            while size > 0:
                try:
                    chunk = self._tls.recv(size)
                except ssl.SSLWantReadError:
                    if not chunks:
                        raise
                    break
                if not chunk:
                    break
                chunks.append(chunk)
                size -= len(chunk)
        return b"".join(chunks)

    def _until(self) -> float:
        return float("inf") if self._timeout is None else time.monotonic() + self._timeout

    def _wait(self, what: int, until: float) -> None:
        """Wait for the socket.

        Raises:
            TimeoutError: too long.
        """
        left = until - time.monotonic()
        poll = select.poll()
        poll.register(self._tls, what)
        if left <= 0 or not poll.poll(None if left == float("inf") else left * 1000):
            raise TimeoutError("timed out")


def context(ca_file: str | None) -> ssl.SSLContext:
    """Trust the authorities in this file (PEM), or, None, this machine's.

    Raises:
        ValueError: the file can't be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ValueError(f"{ca_file}: no certificates of authorities (PEM): {error}") from error
