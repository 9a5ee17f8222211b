"""`ngatu incident`: one incident, to hand on."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="One incident: export it.")


@app.callback()
def incident() -> None:
    """Keep `export` a verb of its own."""


@app.command()
def export(
    incident: Annotated[str, typer.Argument(metavar="ID", help="its ULID, as the page shows it")],
    dsn: Annotated[str, typer.Option(envvar="NGATU_DSN", help="the database")],
    out: Annotated[Path | None, typer.Option(help="the file; without it, incident-ID.zip here")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print the manifest")] = False,
) -> None:
    """Write still, clip, the series around it, hashes of model and configuration, and a manifest with checksums."""
    from ngatu.incident_bundle import BadEvidenceError, write_bundle
    from storage.alerts import UnknownIncidentError
    from storage.connect import connect

    out = out or Path(f"incident-{incident}.zip")
    try:
        with connect(dsn, application="ngatu incident export") as conn:
            manifest = write_bundle(conn, incident, out)
    except UnknownIncidentError as error:
        raise typer.BadParameter(f"no incident {incident} in this database") from error
    except (BadEvidenceError, OSError) as error:
        raise typer.BadParameter(f"{incident}: {error}") from error
    if as_json:
        print(json.dumps(manifest, default=str))
    else:
        print(f"{out}: {', '.join(file['name'] for file in manifest['files'])}")
