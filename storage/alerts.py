"""Incidents as operators see them: with the device, the picture, and what people have done about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from psycopg import Connection, sql
from psycopg.rows import class_row

from storage.evidence import evidence_span

Status = Literal["new", "acknowledged", "resolved", "false_alarm"]
Action = Literal["acknowledge", "assign", "resolve", "false_alarm", "reopen", "note"]
STATUSES: Final = get_args(Status)
ACTIONS: Final = get_args(Action)
CHANNEL: Final = "incident"  # NOTIFY payload: the incident's id

_LEADS_TO: Final[dict[str, Status]] = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "false_alarm": "false_alarm",
    "reopen": "new",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One incident at its latest revision. `status` is what people made of it, `state` what the camera says."""

    id: str
    rev: int
    kind: str
    state: str  # open, update, end
    severity: str
    device: str
    camera: str
    zone: str | None
    started_at: datetime
    decided_at: datetime
    at: datetime
    ended_at: datetime | None
    confidence: float
    place: dict[str, Any]
    latitude: float | None
    longitude: float | None
    why: dict[str, Any]
    raised_from: str | None
    model: str | None
    received: datetime
    changed: datetime  # by the camera or by a person
    picture_width: int | None  # pixels, as the camera describes itself
    picture_height: int | None
    still: str | None  # SHA-256 of the picture, hex
    still_at: datetime | None
    status: Status
    assignee: str | None
    actions: list[dict[str, Any]]  # id, at, who, action, note, assignee; oldest first
    linked: list[dict[str, Any]]  # id, device, camera, kind, metres of the same event as other cameras saw it


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts; None means any. `since` asks for those changed after it, `before` for those received before."""

    status: Status | None = None
    kind: str | None = None
    severity: str | None = None
    camera: str | None = None
    device: str | None = None
    state: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A picture as it was sent."""

    media_type: str
    sha256: bytes
    data: bytes


class UnknownIncidentError(LookupError):
    """No incident has this id."""


class AlreadyDoneError(ValueError):
    """Somebody was quicker.

    Attributes:
        alert: as it now stands, with who did it and when.
    """

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        super().__init__(f"incident {alert.id} is {alert.status} already")


_COLUMNS = sql.SQL("""
SELECT i.id, i.rev, i.kind, i.state, i.severity, d.name AS device, i.camera, i.zone, i.started_at, i.decided_at, i.at,
       i.ended_at, i.confidence, i.place, i.latitude, i.longitude, i.why, i.raised_from, i.model, i.received,
       greatest(i.changed, h.acted_at) AS changed,
       (c.camera->>'width')::int AS picture_width, (c.camera->>'height')::int AS picture_height,
       encode(e.sha256, 'hex') AS still, e.at AS still_at, h.status, h.assignee, h.actions, k.linked
FROM incident i
JOIN device d ON d.id = i.device_id
LEFT JOIN LATERAL (
    SELECT l.camera FROM jsonb_array_elements(d.about->'cameras') AS l(camera)
    WHERE l.camera->>'name' = i.camera LIMIT 1
) c ON true
LEFT JOIN LATERAL (
    SELECT at, sha256 FROM evidence
    WHERE incident_id = i.id AND role = 'still' AND evidence.received BETWEEN %(from)s AND %(until)s
      AND evidence.received BETWEEN i.received - interval '1 hour' AND i.received + interval '1 day'
    ORDER BY at DESC LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT CASE (array_agg(a.action ORDER BY a.id DESC) FILTER
                 (WHERE a.action IN ('acknowledge', 'resolve', 'false_alarm', 'reopen')))[1]
               WHEN 'acknowledge' THEN 'acknowledged' WHEN 'resolve' THEN 'resolved'
               WHEN 'false_alarm' THEN 'false_alarm' ELSE 'new' END AS status,
           (array_agg(a.assignee ORDER BY a.id DESC) FILTER (WHERE a.action = 'assign'))[1] AS assignee,
           max(a.at) AS acted_at,
           coalesce(jsonb_agg(jsonb_build_object(
               'id', a.id, 'at', a.at, 'who', a.who, 'action', a.action, 'note', a.note, 'assignee', a.assignee
           ) ORDER BY a.id), '[]') AS actions
    FROM incident_action a WHERE a.incident_id = i.id
) h ON true
LEFT JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'id', o.id, 'device', od.name, 'camera', o.camera, 'kind', o.kind, 'metres', l.metres
           ) ORDER BY o.received, o.id), '[]') AS linked
    FROM incident_link l
    JOIN incident o ON o.id = CASE i.id WHEN l.incident_id THEN l.other_id ELSE l.incident_id END
    JOIN device od ON od.id = o.device_id
    WHERE i.id IN (l.incident_id, l.other_id)
) k ON true
""")

_BY_ID = _COLUMNS + sql.SQL("WHERE i.id = ANY(%(ids)s) ORDER BY i.received DESC, i.id DESC")

# First which alerts, by what is cheap to know; then, of those only, their pictures and histories.
_WHICH = sql.SQL("""
FROM incident i
LEFT JOIN LATERAL (
    SELECT CASE a.action WHEN 'acknowledge' THEN 'acknowledged' WHEN 'resolve' THEN 'resolved'
                         WHEN 'false_alarm' THEN 'false_alarm' ELSE 'new' END AS status
    FROM incident_action a
    WHERE a.incident_id = i.id AND a.action IN ('acknowledge', 'resolve', 'false_alarm', 'reopen')
    ORDER BY a.id DESC LIMIT 1
) h ON true
""")

_PICK = sql.SQL("""
SELECT i.id {which}
WHERE (%(status)s::text IS NULL OR coalesce(h.status, 'new') = %(status)s)
  AND (%(kind)s::text IS NULL OR i.kind = %(kind)s)
  AND (%(severity)s::text IS NULL OR i.severity = %(severity)s)
  AND (%(camera)s::text IS NULL OR i.camera = %(camera)s)
  AND (%(device)s::text IS NULL OR i.device_id = (SELECT id FROM device WHERE name = %(device)s))
  AND (%(state)s::text IS NULL OR i.state = %(state)s)
  AND (%(since)s::timestamptz IS NULL OR i.id IN (
           SELECT id FROM incident WHERE changed > %(since)s
           UNION SELECT incident_id FROM incident_action WHERE at > %(since)s))
  AND (%(before)s::timestamptz IS NULL OR i.received < %(before)s)
ORDER BY i.received DESC, i.id DESC
LIMIT %(limit)s
""").format(which=_WHICH)

_BOARD = sql.SQL("""
(SELECT i.id {which} WHERE coalesce(h.status, 'new') = 'new' AND i.received > now() - interval '7 days'
 ORDER BY i.received DESC, i.id DESC LIMIT %(waiting)s)
UNION ALL
(SELECT i.id {which} WHERE h.status <> 'new' AND i.received > now() - interval '1 day'
 ORDER BY i.received DESC, i.id DESC LIMIT %(handled)s)
""").format(which=_WHICH)

_WAITING = sql.SQL("""
SELECT count(*) {which} WHERE i.received > now() - interval '7 days' AND coalesce(h.status, 'new') = 'new'
""").format(which=_WHICH)

_STILL = """
SELECT media_type, sha256, data FROM evidence
WHERE incident_id = %(incident)s AND role = 'still' AND received BETWEEN %(from)s AND %(until)s
ORDER BY at DESC LIMIT 1
"""

_ACT = """
INSERT INTO incident_action (incident_id, at, who, action, note, assignee)
VALUES (%(incident)s, clock_timestamp(), %(who)s, %(action)s, %(note)s, %(assignee)s)
"""


def alerts_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Alert]:
    """Return the alerts that exist of `ids`, newest first."""
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(_BY_ID, {"ids": list(ids), **evidence_span(conn, ids)}, prepare=False).fetchall()


def one_alert(conn: Connection[Any], incident: str) -> Alert:
    """Return one alert.

    Raises:
        UnknownIncidentError: there is none.
    """
    found = alerts_by_id(conn, [incident])
    if not found:
        raise UnknownIncidentError(incident)
    return found[0]


def list_alerts(conn: Connection[Any], wanted: AlertFilter, limit: int) -> list[Alert]:
    """Return the newest `limit` alerts that pass the filter, newest first."""
    values = {name: getattr(wanted, name) for name in AlertFilter.__slots__}
    return alerts_by_id(conn, [row[0] for row in conn.execute(_PICK, {**values, "limit": limit})])


def board(conn: Connection[Any], waiting: int = 500, handled: int = 100) -> list[Alert]:
    """Return what an operator has before them: unhandled alerts of a week, handled ones of a day, newest first."""
    return alerts_by_id(conn, [row[0] for row in conn.execute(_BOARD, {"waiting": waiting, "handled": handled})])


def count_waiting(conn: Connection[Any]) -> int:
    """Return how many alerts of the last week nobody has taken up."""
    row = conn.execute(_WAITING).fetchone()
    assert row is not None
    return int(row[0])


def still(conn: Connection[Any], incident: str) -> Still | None:
    """Return the newest picture of the incident, or None while it has none."""
    with conn.cursor(row_factory=class_row(Still)) as cursor:
        values = {"incident": incident, **evidence_span(conn, [incident])}
        return cursor.execute(_STILL, values, prepare=False).fetchone()


def act(
    conn: Connection[Any],
    incident: str,
    action: Action,
    who: str,
    *,
    note: str | None = None,
    assignee: str | None = None,
) -> Alert:
    """Write down what `who` did, to what other cameras saw of the same event too; return the alert as it then stands.

    Raises:
        UnknownIncidentError: no such incident.
        AlreadyDoneError: it stands where the action would lead, by somebody else or by an earlier click.
    """
    with conn.transaction():
        if conn.execute("SELECT FROM incident WHERE id = %s FOR UPDATE", (incident,)).fetchone() is None:
            raise UnknownIncidentError(incident)
        before = one_alert(conn, incident)
        late = action == "acknowledge" and before.status != "new"
        if late or _LEADS_TO.get(action) == before.status:
            raise AlreadyDoneError(before)
        said = {"who": who, "action": action, "note": note, "assignee": assignee}
        conn.execute(_ACT, {"incident": incident, **said})
        if action != "note":
            for other in alerts_by_id(conn, [one["id"] for one in before.linked]):
                if other.status == before.status:  # one card, one click; what was handled apart stays as it is
                    conn.execute(_ACT, {"incident": other.id, **said})
        return one_alert(conn, incident)


def listen(conn: Connection[Any]) -> None:
    """Be told of each incident that changes, from now on."""
    conn.execute(f"LISTEN {CHANNEL}")
