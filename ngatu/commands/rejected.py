"""`ngatu rejected`: messages that could not be stored: which, why, and once more after a fix."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Messages that could not be stored, kept as they came.")
Dsn = Annotated[str, typer.Option(envvar="NGATU_DSN", help="the database")]
Device = Annotated[str | None, typer.Option(help="of this device only")]
Reason = Annotated[str | None, typer.Option(help="with this reason only: json, shape, senml, size, refused …")]
AsJson = Annotated[bool, typer.Option("--json")]


@app.command("list")
def list_(dsn: Dsn, device: Device = None, reason: Reason = None, limit: int = 50, *, as_json: AsJson = False) -> None:
    """What is kept, newest first, and how many were rejected ever."""
    from ngatu.table import table
    from storage.connect import connect
    from storage.rejected import list_kept, tallies

    with connect(dsn, application="ngatu rejected") as conn:
        kept, counts = list_kept(conn, device=device, reason=reason, limit=limit), tallies(conn)
    if as_json:
        told = {"kept": [asdict(one) for one in kept], "tallies": [asdict(one) for one in counts]}
        print(json.dumps(told, default=str))
        return
    lines = [[k.id, f"{k.received:%F %T}", k.device, k.seq, k.reason, k.bytes, k.detail[:80]] for k in kept]
    print(table(["id", "received", "device", "seq", "reason", "bytes", "detail"], lines))
    print()
    lines = [[t.device, t.reason, t.messages, t.discarded, f"{t.last_at:%F %T}"] for t in counts]
    print(table(["device", "reason", "ever", "not kept", "last"], lines))


@app.command()
def show(dsn: Dsn, kept_id: Annotated[int, typer.Argument(metavar="ID")], *, as_json: AsJson = False) -> None:
    """One message whole, as it came."""
    from storage.connect import connect
    from storage.rejected import read

    with connect(dsn, application="ngatu rejected") as conn:
        kept = read(conn, kept_id)
    if kept is None:
        typer.echo(f"ngatu: no rejected message has the id {kept_id}: see `ngatu rejected list`", err=True)
        raise typer.Exit(1)
    text = kept.payload.decode(errors="backslashreplace")
    told = asdict(kept) | {"payload": text}
    print(json.dumps(told, default=str) if as_json else "\n".join(f"{name}: {value}" for name, value in told.items()))


@app.command()
def replay(dsn: Dsn, device: Device = None, reason: Reason = None, *, as_json: AsJson = False) -> None:
    """Try to store them again; exits 0 only when none of them is left."""
    from ingest.replay import replay as again
    from storage.connect import connect

    with connect(dsn, application="ngatu rejected") as conn:
        replayed = again(conn, device=device, reason=reason)
    told = {"stored": replayed.stored, "still_rejected": dict(replayed.still_rejected)}
    print(json.dumps(told) if as_json else f"stored {replayed.stored}, still rejected {dict(replayed.still_rejected)}")
    if replayed.still_rejected:
        raise typer.Exit(1)
