"""`ngatu tables`: write the tables of a document anew from the comments that stand in the database."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ngatu.process.child import ChildFailed


def tables(
    document: Annotated[Path, typer.Argument(exists=True, dir_okay=False)] = Path("docs/data.md"),
    *,
    dsn: Annotated[str | None, typer.Option(help="else NGATU_DSN")] = None,
    check: Annotated[bool, typer.Option("--check", help="change nothing; exit 1 where it is out of date")] = False,
) -> None:
    """Bring the column tables of DOCUMENT (docs/data.md) up to date with the schema."""
    from storage.connect import connect
    from storage.described import functions, refreshed
    from storage.described import tables as described

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise ChildFailed("which database? give --dsn or set NGATU_DSN")
    with connect(address, application="ngatu tables") as conn:
        schema, called = described(conn), functions(conn)
    text = document.read_text("utf-8")
    try:
        fresh = refreshed(text, schema, called)
    except KeyError as error:
        raise ChildFailed(f"{document}: names the table {error}, which is not in the schema") from error
    print(f"{document}: {'up to date' if fresh == text else 'out of date' if check else 'written'}")
    if check and fresh != text:
        raise typer.Exit(1)
    if fresh != text:
        document.write_text(fresh, "utf-8")
