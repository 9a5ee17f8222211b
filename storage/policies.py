"""What TimescaleDB's Community edition does by itself: old chunks into its columnstore, old states out.

Its own jobs do it, also when Airflow is down, and take up again what late rows left outside the columnstore.
Raw rows that aggregates are computed from are never dropped by a policy: it would not ask whether they have been.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from psycopg import Connection, sql

from storage.connect import edition

SEGMENT_BY: Final = {
    "reading": "series_id",
    "foreign_reading": "series_id",
    "traffic": "device_id, camera, zone",
}
ENABLED: Final = "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = %s"
ENABLE: Final = """
    ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {}, timescaledb.compress_orderby = 'at')
"""
COMPRESS_LATER: Final = """
    SELECT add_compression_policy(%s::regclass, compress_after => %s::interval, if_not_exists => true)
"""
NO_LONGER_DROP: Final = "SELECT remove_retention_policy(%s::regclass, if_exists => true)"
DROP_LATER: Final = "SELECT add_retention_policy(%s::regclass, drop_after => %s::interval)"
COMPRESSED: Final = """
    SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed AND hypertable_name = ANY(%s)
"""


def set_policies(conn: Connection[Any], drop_after: Mapping[str, timedelta], *, row_by_row: timedelta) -> int:
    """Have old chunks compressed and dropped; return how many are compressed by now: 0 in the Apache edition.

    Safe to repeat; other ages than the last time replace those.

    Args:
        conn: in autocommit mode.
        drop_after: hypertables that nothing is computed from, and how long their rows are kept.
        row_by_row: raw rows younger than this stay out of the columnstore.
    """
    if edition(conn) == "apache":
        return 0
    for table, columns in SEGMENT_BY.items():
        if not conn.execute(ENABLED, (table,)).fetchall()[0][0]:
            conn.execute(sql.SQL(ENABLE).format(sql.Identifier(table), sql.Literal(columns)))
        conn.execute(COMPRESS_LATER, (table, row_by_row))
    for table, age in drop_after.items():
        with conn.transaction():
            conn.execute(NO_LONGER_DROP, (table,))
            conn.execute(DROP_LATER, (table, age))
    compressed: int = conn.execute(COMPRESSED, (list(SEGMENT_BY),)).fetchall()[0][0]
    return compressed
