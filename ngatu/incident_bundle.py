"""One incident as one file that can be checked without us: pictures, series around it, hashes of what decided it.

A zip with `manifest.json` in front, which names every other file with its length and SHA-256. The same incident
exported twice gives the same files; only the manifest says when.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from storage.alerts import Alert, one_alert
from storage.incident_file import AROUND, Piece, camera_of, evidence_of, health_of, readings_of, traffic_of

ENDINGS: Final = {"image/jpeg": "jpg", "video/mp4": "mp4"}
FORMAT: Final = "ngatu-incident/1"
EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # a zip's own epoch: no time of ours in it


class BadEvidenceError(ValueError):
    """What is stored is not what was sent."""


def write_bundle(conn: psycopg.Connection[Any], incident: str, out: Path) -> dict[str, Any]:
    """Write the bundle to `out`; return its manifest.

    Raises:
        UnknownIncidentError: no such incident.
        BadEvidenceError: a picture no longer has the hash that it came with.
        OSError: the file cannot be written.
    """
    alert = one_alert(conn, incident)
    begin, end = alert.started_at - AROUND, (alert.ended_at or alert.at) + AROUND
    camera = camera_of(conn, incident)
    pieces = evidence_of(conn, incident)
    files = {
        "incident.json": _json(asdict(alert)),
        "camera.json": _json(camera),
        "health.json": _json(health_of(conn, incident, begin, end)),
        "readings.csv": _csv(readings_of(conn, incident, begin, end)),
        "traffic.csv": _csv(traffic_of(conn, incident, begin, end)),
        **dict(_named(pieces)),
    }
    manifest = _manifest(alert, camera, files, begin, end)
    part = out.with_name(f"{out.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in {"manifest.json": _json(manifest), **files}.items():
            bundle.writestr(zipfile.ZipInfo(name, EARLIEST), data, compress_type=zipfile.ZIP_DEFLATED)
    part.replace(out)
    return manifest


def _manifest(
    alert: Alert, camera: dict[str, Any], files: dict[str, bytes], begin: datetime, end: datetime
) -> dict[str, Any]:
    described = camera.get("camera") or {}
    model = described.get("model") or {}
    about_at = camera.get("about_at")
    return {
        "format": FORMAT,
        "incident": alert.id,
        "rev": alert.rev,
        "exported_at": datetime.now(UTC),
        "from": begin,
        "until": end,
        "model": {"name": alert.model, "sha256": model.get("sha256") if model.get("name") == alert.model else None},
        "configuration": {
            "sha256": _digest(_json(described)),  # of the camera's description: size, calibration, zones
            "about_rev": camera.get("about_rev"),
            "described_at": about_at,
            "changed_since": about_at is not None and about_at > alert.decided_at,
        },
        "versions": camera.get("versions"),
        "files": [{"name": name, "bytes": len(data), "sha256": _digest(data)} for name, data in files.items()],
    }


def _named(pieces: Iterable[Piece]) -> Iterable[tuple[str, bytes]]:
    """still.jpg, still-2.jpg …, clip.mp4 …, whose hashes are right."""
    counted: dict[str, int] = {}
    for piece in pieces:
        if hashlib.sha256(piece.data).digest() != piece.sha256:
            raise BadEvidenceError(f"the {piece.role} of {piece.at:%FT%TZ} has changed since it was received")
        number = counted[piece.role] = counted.get(piece.role, 0) + 1
        yield f"{piece.role}{f'-{number}' * (number > 1)}.{ENDINGS.get(piece.media_type, 'bin')}", piece.data


def _json(facts: object) -> bytes:
    return json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True, default=_plain).encode()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
