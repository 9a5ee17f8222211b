"""Readings of all devices, by statements that open the chunks of the time they ask for and no others.

Through the view `any_reading`, or where a time is known only as a statement runs, TimescaleDB plans and locks every
chunk there is: the longer the table's history, the slower. So a statement names each of the two tables, with the
bounds of its time, as parameters, in each; and where it wants the first or the last rows, ORDER BY and LIMIT too, or
all rows between these bounds are sorted. It is executed with `prepare=False`: a plan that is kept knows no bounds.
"""

from typing import Final, LiteralString

from psycopg import sql

TABLES: Final = (sql.Identifier("reading"), sql.Identifier("foreign_reading"))


def of_both(select: LiteralString, **parts: sql.Composable) -> sql.Composed:
    """Return `select` of both tables, all rows of either: `{table}` stands for the table, other braces for `parts`."""
    return sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(sql.SQL(select).format(table=t, **parts)) for t in TABLES)
