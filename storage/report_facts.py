"""The numbers of one ward's week or month, as its report states them.

Days on which a device was not well are left out, as in the open data. Counts of people and bicycles are hidden below
the city's smallest count, and rounded to twice that otherwise: what the open data hides of an hour can't be had by
subtraction. The numbers of motor vehicles never hold people or bicycles.
"""

import hashlib
from datetime import date, datetime
from typing import Any, Final

import msgspec
from psycopg import Connection
from psycopg.rows import dict_row

from storage.city import city_value, time_zone
from storage.report_period import Kind, Period

UNPROTECTED: Final = ("person", "bicycle")  # whoever has no vehicle around them

WARD: Final = """
    SELECT code, valid_from, name, coalesce(name_en, name) AS name_en, kind, district FROM ward
    WHERE code = %(code)s AND %(on)s >= valid_from AND %(on)s < valid_to
"""
DEVICES: Final = """
    SELECT d.name, p.share, p.method, count(q.day)::int AS scored, (count(*) FILTER (WHERE q.well))::int AS well,
           avg(q.correct) AS correct, avg(q.complete) AS complete, avg(q.clean) AS clean,
           coalesce((array_agg(q.reasons[1] ORDER BY q.score) FILTER (WHERE NOT q.well))[1], '') AS reason
    FROM device_ward(%(on)s) p JOIN device d ON d.id = p.device_id
    LEFT JOIN quality_1d q ON q.device_id = d.id AND q.day >= %(start)s AND q.day < %(end)s
    WHERE p.code = %(code)s AND p.valid_from = %(valid_from)s
    GROUP BY d.name, p.share, p.method ORDER BY d.name, p.method
"""
CLASSES: Final = """
    SELECT w.day, t.class, sum(t.count * w.share) AS count
    FROM traffic_1d t JOIN ward_well(%(code)s, %(valid_from)s, %(on)s, %(start)s, %(end)s) w
        ON w.device_id = t.device_id AND w.day = (t.bucket AT TIME ZONE %(zone)s)::date
    WHERE t.bucket >= %(lo)s AND t.bucket < %(hi)s AND t.class <> '' GROUP BY 1, 2 ORDER BY 1, 2
"""
DAYS: Final = """
    WITH gate AS (
        SELECT w.day, w.share, t.device_id, t.camera, t.zone,
               max(t.coverage) FILTER (WHERE t.class = '') AS coverage,
               max(t.trusted) FILTER (WHERE t.class = '') AS trusted,
               coalesce(sum(t.count) FILTER (WHERE motor), 0) AS vehicles,
               sum(t.count) FILTER (WHERE motor AND t.speed_mps > 0) AS timed,
               sum(t.count / t.speed_mps) FILTER (WHERE motor AND t.speed_mps > 0) AS pace,
               sum(t.count * t.speed_p85_mps) FILTER (WHERE motor AND t.speed_mps > 0) AS fast,
               max(t.revision) AS revision, max(t.computed_at) AS computed_at
        FROM traffic_1d t JOIN ward_well(%(code)s, %(valid_from)s, %(on)s, %(start)s, %(end)s) w
        ON w.device_id = t.device_id AND w.day = (t.bucket AT TIME ZONE %(zone)s)::date,
             LATERAL (SELECT t.class <> '' AND t.class <> ALL(%(unprotected)s) AS motor) m
        WHERE t.bucket >= %(lo)s AND t.bucket < %(hi)s GROUP BY 1, 2, 3, 4, 5)
    SELECT day, sum(vehicles * share) AS vehicles, sum(timed * share) / nullif(sum(pace * share), 0) AS speed_mps,
           sum(fast * share) / nullif(sum(timed * share), 0) AS speed_p85_mps, count(*)::int AS gates,
           sum(coverage)::float8 AS observed, avg(trusted)::float8 AS trusted,
           (count(*) FILTER (WHERE revision > 1))::int AS corrected, max(computed_at) AS computed_at
    FROM gate GROUP BY day ORDER BY day
"""
GATES: Final = """
    SELECT count(*)::int AS n FROM (
        SELECT DISTINCT t.device_id, t.camera, t.zone FROM traffic_1d t
        JOIN device_ward(%(on)s) p ON p.device_id = t.device_id AND p.code = %(code)s AND p.valid_from = %(valid_from)s
        WHERE t.bucket >= %(lo)s AND t.bucket < %(hi)s) gate
"""
HOURS: Final = """
    WITH gate AS (
        SELECT t.bucket, w.day, w.share, t.device_id, t.camera, t.zone,
               max(t.coverage) FILTER (WHERE t.class = '') AS coverage,
               coalesce(sum(t.count) FILTER (WHERE motor), 0) AS vehicles,
               sum(t.count) FILTER (WHERE motor AND t.speed_mps > 0) AS timed,
               sum(t.count / t.speed_mps) FILTER (WHERE motor AND t.speed_mps > 0) AS pace
        FROM traffic_1h t JOIN ward_well(%(code)s, %(valid_from)s, %(on)s, %(start)s, %(end)s) w
        ON w.device_id = t.device_id AND w.day = (t.bucket AT TIME ZONE %(zone)s)::date,
             LATERAL (SELECT t.class <> '' AND t.class <> ALL(%(unprotected)s) AS motor) m
        WHERE t.bucket >= %(lo)s AND t.bucket < %(hi)s GROUP BY 1, 2, 3, 4, 5, 6)
    SELECT extract(hour FROM bucket AT TIME ZONE %(zone)s)::int AS hour, extract(isodow FROM day) > 5 AS weekend,
           sum(vehicles * share) / nullif(sum(coverage * share), 0) AS vehicles,
           sum(timed * share) / nullif(sum(pace * share), 0) AS speed_mps, sum(coverage)::float8 AS observed
    FROM gate GROUP BY 1, 2 ORDER BY 2, 1
"""
INCIDENTS: Final = """
    SELECT (i.bucket AT TIME ZONE %(zone)s)::date AS day, i.kind, i.severity,
           sum((i.n - i.false_alarms) * p.share) AS n, sum(i.false_alarms * p.share) AS false_alarms,
           sum(i.acknowledged * p.share) AS acknowledged, sum(i.resolved * p.share) AS resolved,
           (max(i.revision) > 1)::int AS corrected, max(i.computed_at) AS computed_at
    FROM incident_1d i JOIN incident_ward(%(on)s) p
        ON p.device_id = i.device_id AND p.own_code = i.ward_code AND p.own_from IS NOT DISTINCT FROM i.ward_from
       AND p.code = %(code)s AND p.valid_from = %(valid_from)s
    WHERE i.bucket >= %(lo)s AND i.bucket < %(hi)s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
AIR: Final = """
    SELECT w.day, s.name AS series, coalesce(s.unit, '') AS unit,
           sum(a.mean * a.n * w.share) / sum(a.n * w.share) AS mean, min(a.minimum) AS minimum,
           max(a.maximum) AS maximum, avg(a.coverage)::float8 AS coverage, avg(a.good)::float8 AS good,
           count(*)::int AS sensors, (max(a.revision) > 1)::int AS corrected, max(a.computed_at) AS computed_at
    FROM reading_1d a JOIN series s ON s.id = a.series_id
    JOIN ward_well(%(code)s, %(valid_from)s, %(on)s, %(start)s, %(end)s) w
        ON w.device_id = s.device_id AND w.day = (a.bucket AT TIME ZONE %(zone)s)::date
    WHERE a.bucket >= %(lo)s AND a.bucket < %(hi)s
      AND s.name ~* '^air/|(^|[/_])(pm2[._]?5|pm10|no2|so2|o3|co)$'
    GROUP BY 1, 2, 3 ORDER BY 2, 3, 1
"""
DEVIATIONS: Final = """
    SELECT m.device, m.name, m.quantity, coalesce(m.unit, '') AS unit, v.since, v.buckets AS hours, v.value, v.expected,
           v.score
    FROM deviation v JOIN measured m USING (measure_id)
    JOIN ward_well(%(code)s, %(valid_from)s, %(on)s, %(start)s, %(end)s) w
        ON w.device_id = m.device_id AND w.day = (v.since AT TIME ZONE %(zone)s)::date
    WHERE v.since >= %(lo)s AND v.since < %(hi)s ORDER BY abs(v.score) DESC, v.since, v.measure_id LIMIT 10
"""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What a report states; to JSON and back without loss."""


class Ward(Fact, frozen=True, kw_only=True):
    """Whose report."""

    code: str
    valid_from: date
    name: str
    name_en: str
    kind: str
    district: str | None


class Device(Fact, frozen=True, kw_only=True):
    """A device in the ward, and how good its data was; words 0 … 1 are means over the scored days."""

    name: str
    share: float
    method: str
    scored: int
    well: int
    correct: float | None
    complete: float | None
    clean: float | None
    reason: str


class ClassDay(Fact, frozen=True, kw_only=True):
    """How many of one class passed; None: too few to be told."""

    day: date
    klass: str
    count: float | None


class TrafficDay(Fact, frozen=True, kw_only=True):
    """Motor vehicles of one day; `coverage` is the observed share of all gates' time, well or not."""

    day: date
    vehicles: float
    speed_mps: float | None  # space-mean
    speed_p85_mps: float | None
    coverage: float
    trusted: float | None


class HourOfDay(Fact, frozen=True, kw_only=True):
    """A mean hour of working days or weekends: motor vehicles in an hour at one gate, while observed."""

    hour: int
    weekend: bool
    vehicles: float | None
    speed_mps: float | None
    observed: float  # gate-hours behind it


class Incidents(Fact, frozen=True, kw_only=True):
    """Incidents of one day, kind and severity, false alarms apart."""

    day: date
    kind: str
    severity: str
    n: float
    false_alarms: float
    acknowledged: float
    resolved: float


class AirDay(Fact, frozen=True, kw_only=True):
    """One quantity of the air on one day, over the ward's sensors."""

    day: date
    series: str
    unit: str
    mean: float
    minimum: float
    maximum: float
    coverage: float | None
    good: float
    sensors: int


class Deviation(Fact, frozen=True, kw_only=True):
    """Hours that were far from normal: the farthest one's value, in the unit, and how far."""

    device: str
    name: str
    quantity: str
    unit: str
    since: datetime
    hours: int
    value: float
    expected: float
    score: float


class Totals(Fact, frozen=True, kw_only=True):
    """What two periods are compared by; None where too little was observed."""

    vehicles: float | None  # an hour and gate
    incidents: float | None
    speed_mps: float | None
    pm2_5: float | None


class ReportFacts(Fact, frozen=True, kw_only=True):
    """All that the report of one ward and period states."""

    city: str
    city_en: str
    time_zone: str
    publisher: str
    licence: str
    kind: Kind
    start: date
    ward: Ward
    gates: int
    smallest: int
    devices: tuple[Device, ...]
    classes: tuple[ClassDay, ...]
    traffic: tuple[TrafficDay, ...]
    hours: tuple[HourOfDay, ...]
    incidents: tuple[Incidents, ...]
    air: tuple[AirDay, ...]
    deviations: tuple[Deviation, ...]
    before: Totals | None = None  # the period before
    corrected: int  # numbers that were published before and have changed since
    as_of: datetime | None  # when the youngest number was computed

    @property
    def digest(self) -> str:
        """SHA-256 of all numbers; the same when only the time of computing differs, or the order of its sums."""
        told = msgspec.to_builtins(msgspec.structs.replace(self, as_of=None))
        return hashlib.sha256(msgspec.json.encode(_rounded(told))).hexdigest()


def _rounded(told: Any) -> Any:
    """Without the last digits of sums, which are others for another plan of the same query."""
    match told:
        case float():
            return float(f"{told:.9g}")
        case dict():
            return {key: _rounded(value) for key, value in told.items()}
        case list() | tuple():
            return [_rounded(value) for value in told]
    return told


class UnknownWard(ValueError):
    """No ward has that code on that day."""


def collect(conn: Connection[Any], code: str, period: Period) -> ReportFacts:
    """Read the report of the ward `code`, as it holds on the period's last day, and what the period before had.

    The caller's transaction should be REPEATABLE READ: then all of it is of one moment.

    Raises:
        UnknownWard: no ward has that code on that day.
    """
    facts = _collect(conn, code, period)
    try:
        before = _collect(conn, code, period.before)
    except UnknownWard:  # it did not hold yet
        return facts
    return msgspec.structs.replace(facts, before=totals(before))


def totals(facts: ReportFacts) -> Totals:
    """What a period is compared by: nothing of what was observed less than half of the time."""
    days = Period(kind=facts.kind, start=facts.start).days
    observed = sum(day.coverage for day in facts.traffic) / len(days)
    timed = [(day.vehicles, day.speed_mps) for day in facts.traffic if day.speed_mps and day.vehicles]
    pm = [day.mean for day in facts.air if day.series == "air/pm2_5"]
    enough = observed >= 0.5
    return Totals(
        vehicles=sum(d.vehicles for d in facts.traffic) / (observed * facts.gates * 24 * len(days)) if enough else None,
        incidents=sum(incident.n for incident in facts.incidents) if enough else None,
        speed_mps=sum(n for n, _ in timed) / sum(n / speed for n, speed in timed) if enough and timed else None,
        pm2_5=sum(pm) / len(pm) if len(pm) >= len(days) / 2 else None,
    )


def _collect(conn: Connection[Any], code: str, period: Period) -> ReportFacts:
    zone = time_zone(conn)
    lo, hi = period.bounds(zone)
    on, smallest = period.days[-1], int(city_value(conn, "smallest_count") or 5)
    parameters: dict[str, Any] = {
        "code": code, "on": on, "start": period.start, "end": period.end, "lo": lo, "hi": hi, "zone": zone.key,
        "unprotected": list(UNPROTECTED),
    }  # fmt: skip
    found = _rows(conn, WARD, parameters)
    if not found:
        raise UnknownWard(f"no ward has the code {code} on {on}: see /api/wards, or table ward")
    ward = Ward(**found[0])
    parameters["valid_from"] = ward.valid_from
    gates = _rows(conn, GATES, parameters)[0]["n"]
    days, air = _rows(conn, DAYS, parameters), _rows(conn, AIR, parameters)
    incidents = _rows(conn, INCIDENTS, parameters)
    computed = [row.pop("computed_at") for row in (*days, *air, *incidents)]
    corrected = sum(row.pop("corrected") for row in (*days, *air, *incidents))
    return ReportFacts(
        city=city_value(conn, "name") or "Ngã Tư",
        city_en=city_value(conn, "name_en") or city_value(conn, "name") or "Ngã Tư",
        time_zone=zone.key,
        publisher=city_value(conn, "publisher") or "Ngã Tư",
        licence=city_value(conn, "licence") or "CC-BY-4.0",
        kind=period.kind,
        start=period.start,
        ward=ward,
        gates=gates,
        smallest=smallest,
        devices=tuple(Device(**row) for row in _rows(conn, DEVICES, parameters)),
        classes=tuple(_told(row, smallest) for row in _rows(conn, CLASSES, parameters)),
        traffic=tuple(_day(row, gates) for row in days),
        hours=tuple(HourOfDay(**row) for row in _rows(conn, HOURS, parameters)),
        incidents=tuple(Incidents(**row) for row in incidents),
        air=tuple(AirDay(**row) for row in air),
        deviations=tuple(Deviation(**row) for row in _rows(conn, DEVIATIONS, parameters)),
        corrected=corrected,
        as_of=max(computed, default=None),
    )


def _told(row: dict[str, Any], smallest: int) -> ClassDay:
    """A class's count of a day as it may be published: counts are whole, but for a share of a divided ward."""
    count: float | None = row["count"]
    if row["class"] in UNPROTECTED and count:
        count = None if count < smallest else float(int(count / (2 * smallest) + 0.5) * 2 * smallest)
    return ClassDay(day=row["day"], klass=row["class"], count=count)


def _day(row: dict[str, Any], gates: int) -> TrafficDay:
    return TrafficDay(
        day=row["day"],
        vehicles=row["vehicles"],
        speed_mps=row["speed_mps"],
        speed_p85_mps=row["speed_p85_mps"],
        coverage=min(1.0, row["observed"] / max(gates, 1)),
        trusted=row["trusted"],
    )


def _rows(conn: Connection[Any], statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), parameters, prepare=False).fetchall()
