import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ngatu.faults.line import Line, Lines


@pytest.fixture
def echo() -> Iterator[int]:
    """A server on loopback that sends back what it is sent."""
    server = socket.create_server(("127.0.0.1", 0))
    port: int = server.getsockname()[1]

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield port
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@pytest.fixture
def line(echo: int) -> Iterator[Line]:
    with Lines() as lines:
        yield lines.to(echo)


def connect(line: Line) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=2)


def said(connection: socket.socket, what: bytes) -> bytes:
    connection.sendall(what)
    got = b""
    while len(got) < len(what):
        got += connection.recv(65_536)
    return got


def test_a_whole_line_carries_everything_both_ways(line: Line) -> None:
    content = bytes(range(256)) * 8192
    with connect(line) as connection:
        thread = threading.Thread(target=connection.sendall, args=(content,))
        thread.start()
        got = b""
        while len(got) < len(content):
            got += connection.recv(65_536)
        thread.join()
    assert got == content


def test_a_cut_line_resets_what_is_connected_and_what_connects(line: Line) -> None:
    with connect(line) as connection:
        assert said(connection, b"before") == b"before"
        line.cut()
        with pytest.raises(ConnectionError):
            said_nothing(connection)
    with connect(line) as connection, pytest.raises(ConnectionError):
        said_nothing(connection)
    line.mend()
    with connect(line) as connection:
        assert said(connection, b"after") == b"after"


def said_nothing(connection: socket.socket) -> None:
    if not connection.recv(1):
        raise ConnectionResetError
    pytest.fail("a cut line spoke")


def test_a_stalled_line_keeps_its_connections_and_what_was_sent(line: Line) -> None:
    with connect(line) as connection:
        assert said(connection, b"before") == b"before"
        line.stall()
        connection.sendall(b"during")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(10)
        line.mend()
        connection.settimeout(2)
        assert connection.recv(10) == b"during"


def test_a_slow_line_delivers_late_and_in_order(line: Line) -> None:
    with connect(line) as connection:
        line.slow(0.2)
        began = time.monotonic()
        assert said(connection, b"0123456789") == b"0123456789"
        assert time.monotonic() - began > 0.39
