"""A few connections that outlive the database's restarts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from storage.connect import connect


class DatabaseAwayError(RuntimeError):
    """The database cannot be reached, or all connections are taken: try again soon."""


class Database:
    """Connections opened when first asked for.

    A connection that an outage broke is found out when it is taken and replaced, so the first request after the
    database's return succeeds: nothing backs off.
    """

    def __init__(self, dsn: str, size: int = 8) -> None:
        self._dsn = dsn
        self._slots = threading.BoundedSemaphore(size)
        self._idle: list[psycopg.Connection] = []

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Lend an autocommit connection.

        Raises:
            DatabaseAwayError: it cannot be reached, or none came free in five seconds.
        """
        if not self._slots.acquire(timeout=5):
            raise DatabaseAwayError("all connections to the database are busy: try again in a moment")
        try:
            conn = self._take()
            try:
                yield conn
            except psycopg.errors.UndefinedTable as error:
                raise DatabaseAwayError(f"{first_line(error)}: migrate the database first") from error
            except psycopg.OperationalError as error:
                raise DatabaseAwayError(first_line(error)) from error
            finally:
                self._give_back(conn)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> psycopg.Connection:
        with suppress(IndexError):
            conn = self._idle.pop()
            with suppress(psycopg.OperationalError):
                conn.execute("")
                return conn
            self.close()  # one that broke is seldom alone
        try:
            return connect(self._dsn, application="ngatu-console", timeout=3)
        except psycopg.OperationalError as error:
            raise DatabaseAwayError(first_line(error)) from error

    def _give_back(self, conn: psycopg.Connection) -> None:
        if conn.closed or conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            conn.close()
        else:
            self._idle.append(conn)


def first_line(error: Exception) -> str:
    """Return what went wrong in one line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
