"""Old chunks into the columnstore, where the Community edition has one. Late rows still find their way into them.

Compressed here, not by a policy: the DAG says how many chunks it took, and both editions go through the same night.
"""

from typing import Any, Final

from psycopg import Connection, sql

COMMUNITY: Final = "SELECT current_setting('timescaledb.license') = 'timescale'"
SEGMENT_BY: Final = {
    "reading": "series_id",
    "foreign_reading": "series_id",
    "traffic": "device_id, camera, zone",
}
ENABLED: Final = """
    SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = %s
"""
ENABLE: Final = """
    ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {}, timescaledb.compress_orderby = 'at')
"""
OLD: Final = """
    SELECT format('%%I.%%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
    WHERE hypertable_name = %s AND NOT is_compressed AND range_end < now() - %s * interval '1 day' ORDER BY range_end
"""
COMPRESS: Final = "SELECT compress_chunk(%s::regclass)"


def compress_old(conn: Connection[Any], days: int = 7) -> int:
    """Compress raw chunks that ended more than `days` ago; return how many, 0 in the Apache edition. Safe to repeat.

    Args:
        conn: in autocommit mode: each chunk is a transaction of its own.
        days: rows younger than this are still read and written row by row.
    """
    if not conn.execute(COMMUNITY).fetchall()[0][0]:
        return 0
    taken = 0
    for table, columns in SEGMENT_BY.items():
        if not conn.execute(ENABLED, (table,)).fetchall()[0][0]:
            conn.execute(sql.SQL(ENABLE).format(sql.Identifier(table), sql.Literal(columns)))
        for (chunk,) in conn.execute(OLD, (table, days)).fetchall():
            conn.execute(COMPRESS, (chunk,))
            taken += 1
    return taken
