"""`ngatu outbox`: what an agent holds that the database does not yet, and what it had to give up."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.inspection import Inspection


def outbox(
    where: Annotated[Path, typer.Argument(help="the agent's YAML file, its folder, or its outbox.db")],
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Depth by kind, age, budget, what is not yet stored, what was given up. Works while the agent runs.

    Exits 0 only when the outbox can be read and nothing that was given up waits to be confirmed.
    """
    import msgspec

    from edge.inspection import Unreadable, inspect
    from edge.yamlfile import BadSettings

    try:
        path, budget = _find(where)
        found = inspect(path, budget)
    except (Unreadable, BadSettings) as error:
        typer.echo(f"ngatu: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        print(_told(found))
    if found.given_up:
        raise typer.Exit(1)


def _find(where: Path) -> tuple[Path, int | None]:
    """The outbox's file, and its budget where that is known."""
    from edge import yamlfile
    from edge.agent import data_folder
    from edge.settings import parse_bytes

    if where.suffix not in {".yaml", ".yml"}:
        return (where / "outbox.db" if where.is_dir() else where), None
    settings = yamlfile.load(where)
    return data_folder(where, settings) / "outbox.db", parse_bytes(settings.outbox.budget)


def _told(found: "Inspection") -> str:
    from ngatu.table import table

    budget = f" of {found.budget:,} ({100 * found.bytes / found.budget:.1f} %)" if found.budget else ""
    running = "its agent runs" if found.agent_running else "no agent runs on it"
    parts = [f"{found.path}: {found.messages:,} messages, {found.bytes:,} bytes{budget}; {running}"]
    now = datetime.now(UTC)
    if found.kinds:
        rows = [[k.kind, k.messages, k.bytes, _age(k.oldest, now), _age(k.newest, now)] for k in found.kinds]
        parts.append(table(["kind", "messages", "bytes", "oldest", "newest"], rows))
    unfinished = [stream for stream in found.streams if stream.done < stream.last]
    if unfinished:
        rows = [[s.stream, s.kind, s.last, s.done, s.waiting] for s in unfinished]
        parts.append(table(["stream", "kind", "numbered to", "all stored to", "waiting"], rows))
    if found.given_up:
        rows = [[g.stream, g.first, g.last, g.reason] for g in found.given_up]
        parts.append(table(["given up in", "first", "last", "reason"], rows))
    parts += [f"set aside: {torn}" for torn in found.torn]
    return "\n\n".join(parts)


def _age(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "unknown"
    seconds = max(0.0, (now - at).total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
