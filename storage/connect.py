"""Connections to TimescaleDB, and what its errors mean for who holds them."""

from typing import Final, Literal

import psycopg

Edition = Literal["apache", "timescale"]

SESSION: Final = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=60s"
    # so that the server lets go of the locks of a machine that is gone without a word
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10s"
)
DEADLOCK: Final = "40P01"
SERIALIZATION: Final = "40001"


def connect(dsn: str, *, application: str, autocommit: bool = True, timeout: int = 5) -> psycopg.Connection:
    """Open a connection in UTC whose transactions are begun with `conn.transaction()`.

    Args:
        dsn: a libpq connection string or URL.
        application: shown in pg_stat_activity.
        autocommit: False only for code that wants one transaction for all it does.
        timeout: seconds to wait for the server.

    Raises:
        psycopg.OperationalError: it cannot be reached now.
    """
    return psycopg.connect(
        dsn,
        autocommit=autocommit,
        connect_timeout=timeout,
        application_name=application,
        options=SESSION,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=15_000,
    )


def edition(conn: psycopg.Connection) -> Edition:
    """Which TimescaleDB this is: `apache` (Debian) has no compression, no policies and no gap filling."""
    row = conn.execute("SELECT current_setting('timescaledb.license')").fetchone()
    assert row is not None
    return "timescale" if row[0] == "timescale" else "apache"


def is_conflict(error: psycopg.Error) -> bool:
    """Two transactions met; the same again, at once, will do."""
    return error.sqlstate in {DEADLOCK, SERIALIZATION}


def is_refusal(error: psycopg.Error) -> bool:
    """The data can never be stored as it is: SQLSTATE classes 22 (data), 23 (integrity), 54 (a limit of PostgreSQL)."""
    if error.sqlstate is None:  # psycopg itself refused, a NUL in a text for one
        return isinstance(error, psycopg.DataError)
    return error.sqlstate[:2] in {"22", "23", "54"}


def is_absence(error: psycopg.Error) -> bool:
    """The database is away, starting, stopping, out of disk, memory or connections: wait, and try the same again."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in {"08", "53", "57", "58"} or state == "25P03"
