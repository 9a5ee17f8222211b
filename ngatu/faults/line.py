"""TCP lines that can be cut, stalled and slowed: what stands between two processes is never only a cable."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

CHUNK: Final = 65_536
QUEUE: Final = 256  # chunks under way in one direction: 16 MB of delay, then the sender feels it


class Line:
    """A forwarder on loopback to the port `target`. `lines` runs it; its methods may be called from any thread."""

    def __init__(self, target: int, lines: "Lines") -> None:
        self.port = 0
        self._target = target
        self._lines = lines
        self._open = asyncio.Event()
        self._open.set()
        self._cut = False
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Reset every connection, and each that is tried, until mended."""
        self._lines.call(self._set_cut)

    def stall(self) -> None:
        """Let nothing pass, and say nothing about it, until mended."""
        self._lines.call(self._open.clear)

    def slow(self, seconds: float) -> None:
        """Deliver everything this much later, until mended."""
        self._lines.call(lambda: setattr(self, "_delay", seconds))

    def mend(self) -> None:
        """Carry what is given, at once."""
        self._lines.call(self._set_whole)

    def _set_cut(self) -> None:
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def _set_whole(self) -> None:
        self._cut, self._delay = False, 0.0
        self._open.set()

    async def listen(self) -> asyncio.Server:
        """Take connections, on a free port."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        self._writers.add(writer)
        try:
            if self._cut:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far)
            await self._both_ways((reader, far), (far_reader, writer))
        except (OSError, asyncio.CancelledError):  # cancelled: the campaign is over, and asyncio.streams would complain
            return
        finally:
            for end in filter(None, (writer, far)):
                self._writers.discard(end)
                end.transport.abort()

    async def _both_ways(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Carry until one side ends; what it had sent by then is delivered."""
        queues = [asyncio.Queue[tuple[float, bytes]](QUEUE) for _ in ways]
        tasks = [
            task
            for (reader, writer), queue in zip(ways, queues, strict=True)
            for task in (asyncio.create_task(self._take(reader, queue)), asyncio.create_task(self._give(queue, writer)))
        ]
        try:
            await asyncio.wait(tasks[1::2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            with_loss = False
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data, with_loss = b"", True
            await queue.put((0.0 if with_loss else asyncio.get_running_loop().time() + self._delay, data))

    async def _give(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await self._open.wait()
            if not data:
                return
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                return


class Lines:
    """A thread that carries all lines. Use it in `with`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._loop.stop)
        self._thread.join()

    def to(self, target: int) -> Line:
        """Lay a line to the port `target`."""
        line = Line(target, self)
        self._servers.append(asyncio.run_coroutine_threadsafe(line.listen(), self._loop).result(5))
        return line

    def call(self, change: Callable[[], object]) -> None:
        """Do `change` in the thread that carries."""
        self._loop.call_soon_threadsafe(change)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
