"""The schema in its own words: tables and columns with their comments, and the tables of docs/data.md made of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

TABLES: Final = """
    SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), a.attname, format_type(a.atttypid, a.atttypmod),
           coalesce(col_description(c.oid, a.attnum), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'p')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relname, a.attnum
"""
FUNCTIONS: Final = """
    SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), obj_description(p.oid, 'pg_proc')
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    ORDER BY p.proname
"""
SHORT: Final = {
    "timestamp with time zone": "timestamptz", "double precision": "float8", "real": "float4", "integer": "int",
    "boolean": "bool", "character varying": "text",
}  # fmt: skip
COLUMNS: Final = re.compile(r"(<!-- columns: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
CALLED: Final = re.compile(r"(<!-- functions -->\n).*?(<!-- end -->)", re.DOTALL)
OTHERS: Final = re.compile(r"(<!-- other tables -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table or view."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table or view of the schema."""

    name: str
    comment: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function that people call: those have a comment."""

    name: str
    takes: str
    gives: str
    comment: str


def tables(conn: Connection[Any]) -> dict[str, Table]:
    """Every table and view of ours, by name."""
    found: dict[str, Table] = {}
    for name, comment, column, kind, meaning in conn.execute(TABLES):
        before = found[name].columns if name in found else ()
        one = Column(name=column, type=SHORT.get(kind, kind), comment=meaning)
        found[name] = Table(name=name, comment=comment, columns=(*before, one))
    return found


def functions(conn: Connection[Any]) -> list[Function]:
    """Every function of ours that has a comment, by name."""
    return [
        Function(name=name, takes=_short(takes), gives=_short(gives), comment=comment)
        for name, takes, gives, comment in conn.execute(FUNCTIONS)
    ]


def refreshed(document: str, schema: dict[str, Table], called: Sequence[Function]) -> str:
    """The document with its tables as the schema is now.

    Between `<!-- columns: NAME -->` and `<!-- end -->` stand what NAME is and its columns; between
    `<!-- other tables -->` and `<!-- end -->` every table that has no place of its own; between `<!-- functions -->`
    and `<!-- end -->` those that are `called`.

    Raises:
        KeyError: the document names a table that is not in the schema.
    """
    told = {name for _, name, _ in COLUMNS.findall(document)}
    document = COLUMNS.sub(lambda found: f"{found[1]}{_columns(schema[found[2]])}{found[3]}", document)
    functions = "".join(_row(f"`{one.name}({one.takes})`", f"`{one.gives}`", one.comment) for one in called)
    document = CALLED.sub(
        lambda found: f"{found[1]}{_head('function', 'gives', 'what')}{functions}{found[2]}", document
    )
    others = "".join(_row(table.name, table.comment) for name, table in schema.items() if name not in told)
    return OTHERS.sub(lambda found: f"{found[1]}{_head('table', 'what it holds')}{others}{found[2]}", document)


def _columns(table: Table) -> str:
    rows = "".join(_row(f"`{one.name}`", one.type, one.comment) for one in table.columns)
    return f"{table.comment}\n\n{_head('column', 'type', 'meaning')}{rows}"


def _head(*names: str) -> str:
    return _row(*names) + _row(*["---"] * len(names))


def _short(signature: str) -> str:
    for name, short in SHORT.items():
        signature = signature.replace(name, short)
    return signature


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"
