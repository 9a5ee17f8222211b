"""Stills and clips of incidents."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg

from events.evidence import MEDIA, Evidence

COPY: Final = (
    "COPY evidence (at, received, device_id, incident_id, camera, role, media_type, sha256, data)"
    " FROM STDIN (FORMAT binary)"
)
TYPES: Final = ["timestamptz", "timestamptz", "int4", "text", "text", "text", "text", "bytea", "bytea"]
KNOWN: Final = "SELECT FROM evidence WHERE incident_id = %s AND role = %s AND sha256 = %s LIMIT 1"
SPAN: Final = """
    SELECT min(received) - interval '1 hour', max(received) + interval '1 day' FROM incident WHERE id = ANY(%s)"""


class ReceivedEvidence(NamedTuple):
    """A picture or film, from whom, and when it came."""

    device_id: int
    received: datetime
    evidence: Evidence


def copy_evidence(conn: psycopg.Connection, pieces: Sequence[ReceivedEvidence]) -> None:
    """Store `pieces`, and tell who listens on `incident`; the caller's ledger says that they are new."""
    if not pieces:
        return
    with conn.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.set_types(TYPES)
            for device_id, received, e in pieces:
                about = (e.incident, e.camera, e.role, MEDIA[e.role], hashlib.sha256(e.data).digest())
                copy.write_row((e.at, received, device_id, *about, e.data))
        incidents = sorted({piece.evidence.incident for piece in pieces})
        cursor.execute("SELECT pg_notify('incident', id) FROM unnest(%s::text[]) AS id", [incidents])


def is_known(conn: psycopg.Connection, evidence: Evidence) -> bool:
    """Whether a piece that came without a number is stored already."""
    digest = hashlib.sha256(evidence.data).digest()
    return conn.execute(KNOWN, [evidence.incident, evidence.role, digest]).fetchone() is not None


def evidence_span(conn: psycopg.Connection[Any], incidents: Sequence[str]) -> dict[str, datetime | None]:
    """When the evidence of `incidents` was received: from, until; None where there are none of them.

    As a statement's parameters, which is then executed with `prepare=False`: TimescaleDB opens the chunks between
    these, and every chunk that there is where the span stands only in the rows that the statement joins.
    """
    since, until = conn.execute(SPAN, [list(incidents)]).fetchall()[0]
    return {"from": since, "until": until}
