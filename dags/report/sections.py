"""What a report says, section by section, before it becomes a page or a sheet: text, plot, table."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from matplotlib.figure import Figure

from dags.report import charts
from dags.report.words import NOTHING, Words
from storage.report_facts import Incidents, ReportFacts, totals
from storage.report_period import Period

KMH: Final = 3.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure of the summary: the figure, what it is, and what stands beside it."""

    value: str
    name: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section; a table's first column names its rows, the others are numbers unless `texts` says so."""

    key: str
    title: str
    notes: tuple[str, ...] = ()
    figure: Figure | None = None
    alt: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    texts: frozenset[int] = field(default_factory=frozenset)  # columns that hold words


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report in one language."""

    language: str
    city: str
    title: str
    ward: str
    period: str
    as_of: str
    revision: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    words: Words


def compose(facts: ReportFacts, words: Words, revision: int) -> Report:
    """Put a report's numbers into words, plots and tables."""
    zone = ZoneInfo(facts.time_zone)
    english = words.language == "en"
    parts: list[Callable[[ReportFacts, Words], Section]] = [_volumes, _hours, _speeds, _incidents, _air, _deviations]
    return Report(
        language=words.language,
        city=facts.city_en if english else facts.city,
        title=words(f"report.{facts.kind}"),
        ward=facts.ward.name_en if english else facts.ward.name,
        period=words.period(Period(kind=facts.kind, start=facts.start)),
        as_of=words("as_of", at=words.time(facts.as_of, zone)) if facts.as_of else words("no_as_of"),
        revision=words("revision", n=revision),
        tiles=_tiles(facts, words) if facts.devices else (),
        sections=(
            *([part(facts, words) for part in parts] if facts.devices else []),
            _quality(facts, words),
            _about(facts, words),
        ),
        words=words,
    )


def _tiles(facts: ReportFacts, words: Words) -> tuple[Tile, ...]:
    now, before = totals(facts), facts.before
    vehicles = sum(day.vehicles for day in facts.traffic)
    n, wrong = (sum(getattr(row, name) for row in facts.incidents) for name in ("n", "false_alarms"))
    scored, well = (sum(getattr(device, name) for device in facts.devices) for name in ("scored", "well"))
    rate = (words("rate", n=words.number(now.vehicles)),) if now.vehicles is not None else ()
    covered = words("coverage_of", share=words.percent(_observed(facts)))
    pm = [day for day in facts.air if day.series == "air/pm2_5"]
    pm_covered = [day.coverage for day in pm if day.coverage is not None]

    def change(name: str, key: str = "change") -> str:
        new, old = getattr(now, name), getattr(before, name, None)
        return words(key, change=words.change(new, old)) if new is not None and old else words("not_comparable")

    speed = None if now.speed_mps is None else KMH * now.speed_mps
    tiles = [
        Tile(
            value=words.number(vehicles) if facts.traffic else NOTHING,
            name=words("tile.vehicles"),
            beside=(*rate, change("vehicles", "change.rate"), covered),
        ),
        Tile(
            value=words.number(speed, 1) + (" km/h" if speed else ""),
            name=words("tile.speed"),
            beside=(change("speed_mps"), covered),
        ),
        Tile(
            value=_count(n, words),
            name=words("tile.incidents"),
            beside=(words("false_alarms", n=_count(wrong, words)), change("incidents")),
        ),
    ]
    if pm:
        share = sum(pm_covered) / len(_days(facts)) if pm_covered else None
        mean = words.number(sum(day.mean for day in pm) / len(pm), 1)
        beside = (change("pm2_5"), words("coverage_of", share=words.percent(share)))
        tiles.append(Tile(value=f"{mean} {words.unit(pm[0].unit)}", name=words("tile.pm"), beside=beside))
    tiles.append(Tile(value=f"{well} / {scored}", name=words("tile.well")))
    return tuple(tiles)


def _volumes(facts: ReportFacts, words: Words) -> Section:
    names = sorted({row.klass for row in facts.classes}, key=lambda name: (name in {"bicycle", "person"}, name))
    counts = {(row.day, row.klass): row.count for row in facts.classes}
    traffic = {row.day: row for row in facts.traffic}
    hidden = any(row.klass in {"bicycle", "person"} for row in facts.classes)
    rows = tuple(
        (
            words.day(day),
            _count(traffic[day].vehicles, words) if day in traffic else NOTHING,
            *[_count(counts[day, name], words) if (day, name) in counts else NOTHING for name in names],
            words.percent(traffic[day].coverage if day in traffic else 0.0),
        )
        for day in _days(facts)
    )
    step = words("suppressed", step=2 * facts.smallest, smallest=facts.smallest)
    return Section(
        key="volumes",
        title=words("volumes"),
        notes=(_seen(facts, words), words("not_extrapolated"), *((step,) if hidden else ())),
        figure=charts.volumes(facts, words),
        alt=_alt(words("volumes"), words("vehicles"), [row[:2] for row in rows]),
        head=(words("day"), words("vehicles"), *(words(f"class.{name}") for name in names), words("coverage")),
        rows=rows if facts.traffic else (),
    )


def _hours(facts: ReportFacts, words: Words) -> Section:
    found = {(hour.hour, hour.weekend): hour for hour in facts.hours}
    rows = tuple(
        (
            f"{hour}:00",
            *[words.number(found[hour, end].vehicles if (hour, end) in found else None) for end in (False, True)],
            *[_kmh(found[hour, end].speed_mps if (hour, end) in found else None, words) for end in (False, True)],
        )
        for hour in range(24)
    )
    observed = sum(hour.observed for hour in facts.hours)
    kinds = (words("workday"), words("weekend"))
    return Section(
        key="hours",
        title=words("hours"),
        notes=(words("vehicles_hour") + ". " + words("hours_note", hours=words.number(observed)),),
        figure=charts.hours(facts, words),
        alt=_alt(words("hours"), words("vehicles_hour"), [row[:3] for row in rows[::3]]),
        head=(words("hour"), *kinds, *(f"{kind}, km/h" for kind in kinds)),
        rows=rows if facts.hours else (),
    )


def _speeds(facts: ReportFacts, words: Words) -> Section:
    rows = tuple(
        (words.day(day.day), _kmh(day.speed_mps, words), _kmh(day.speed_p85_mps, words), words.percent(day.coverage))
        for day in facts.traffic
    )
    return Section(
        key="speeds",
        title=words("speeds"),
        notes=(words("speeds_note", share=words.percent(_observed(facts))),),
        figure=charts.speeds(facts, words),
        alt=_alt(words("speeds"), words("mean_speed"), [row[:2] for row in rows]),
        head=(words("day"), words("mean_speed"), words("p85"), words("coverage")),
        rows=rows,
    )


def _incidents(facts: ReportFacts, words: Words) -> Section:
    groups: defaultdict[tuple[str, str], list[Incidents]] = defaultdict(list)
    for row in facts.incidents:
        groups[row.kind, row.severity].append(row)
    ordered = sorted(groups.items(), key=lambda item: (-sum(row.n for row in item[1]), item[0]))
    rows = tuple(
        (
            words(f"kind.{kind}"),
            words(f"severity.{severity}"),
            *[_count(sum(getattr(row, name) for row in found), words) for name in ("n", "acknowledged", "resolved")],
        )
        for (kind, severity), found in ordered
        if any(row.n for row in found)
    )
    return Section(
        key="incidents",
        title=words("incidents"),
        notes=(words("incidents_note") if rows else words("no_incidents"), _seen(facts, words)),
        figure=charts.incidents(facts, words),
        alt=_alt(words("incidents"), words("count"), [(f"{row[0]}, {row[1]}", row[2]) for row in rows]),
        head=tuple(words(key) for key in ("kind", "severity", "count", "acknowledged", "resolved")),
        rows=rows,
        texts=frozenset({1}),
    )


def _air(facts: ReportFacts, words: Words) -> Section:
    rows = tuple(
        (
            words(row.series),
            words.day(row.day),
            *[f"{words.number(value, 1)} {words.unit(row.unit)}" for value in (row.mean, row.minimum, row.maximum)],
            words.percent(row.coverage),
            words.percent(row.good),
        )
        for row in facts.air
    )
    pm = [row for row in facts.air if row.series == "air/pm2_5" and row.unit == "ug/m3"]
    covered = [row.coverage for row in facts.air if row.coverage is not None]
    notes = [words("no_data")]
    if facts.air:
        notes = [
            words(
                "air_note",
                sensors=max(row.sensors for row in facts.air),
                good=words.percent(sum(row.good for row in facts.air) / len(facts.air)),
                coverage=words.percent(sum(covered) / len(covered) if covered else None),
            )
        ]
    if pm:
        over = sum(row.mean > charts.WHO_PM2_5 for row in pm)
        notes.insert(0, words("over_who", n=over, all=len(pm)))
    means = [(f"{row[0]} {row[1]}", row[2]) for row in rows]
    return Section(
        key="air",
        title=words("air"),
        notes=tuple(notes),
        figure=charts.air(facts, words),
        alt=_alt(words("air"), words("mean"), means),
        head=tuple(words(k) for k in ("quantity", "day", "mean", "minimum", "maximum", "coverage", "good")),
        rows=rows,
        texts=frozenset({1}),
    )


def _deviations(facts: ReportFacts, words: Words) -> Section:
    zone = ZoneInfo(facts.time_zone)
    rows = []
    for found in facts.deviations:
        name = found.name if found.quantity == "value" else f"{found.name}, {words(found.quantity)}"
        speed = found.quantity == "speed"
        unit, times = ("km/h", KMH) if speed else (words.unit(found.unit), 1.0)
        rows.append(
            (
                f"{found.device}: {words(name)}",
                f"{found.since.astimezone(zone):%H:%M} {words.day(found.since.astimezone(zone).date())}",
                str(found.hours),
                *[f"{words.number(times * value, 1)} {unit}" for value in (found.value, found.expected)],
                words.number(found.score, 1),
            )
        )
    return Section(
        key="deviations",
        title=words("deviations"),
        notes=(words("deviations_note") if rows else words("no_deviations"),),
        head=tuple(words(k) for k in ("device", "since", "hours_long", "measured", "expected", "score")),
        rows=tuple(rows),
        texts=frozenset({1}),
    )


def _quality(facts: ReportFacts, words: Words) -> Section:
    rows = tuple(
        (
            device.name,
            f"{device.well} / {device.scored}",
            *[words.percent(share) for share in (device.correct, device.complete, device.clean)],
            words.reason(device.reason),
        )
        for device in sorted(facts.devices, key=lambda device: (device.well - device.scored, device.name))
    )
    return Section(
        key="quality",
        title=words("quality"),
        notes=(words("quality_note") if facts.devices else words("no_devices"),),
        head=tuple(words(k) for k in ("device", "well_days", "correct", "complete", "clean", "reason")),
        rows=rows,
        texts=frozenset({5}),
    )


def _about(facts: ReportFacts, words: Words) -> Section:
    last = Period(kind=facts.kind, start=facts.start).end - timedelta(days=1)
    methods = ", ".join(dict.fromkeys(_method(device.method, words) for device in facts.devices)) or NOTHING
    corrected = words("corrected", n=facts.corrected) if facts.corrected else words("uncorrected")
    return Section(
        key="about",
        title=words("about"),
        notes=(
            words("placed", day=words.date(last), methods=methods),
            *((words("shares"),) if any(device.share < 1 for device in facts.devices) else ()),
            corrected,
            words("days_of", zone=facts.time_zone),
            words("made_by", publisher=facts.publisher, licence=facts.licence),
        ),
    )


def _method(method: str, words: Words) -> str:
    if method.startswith("estimate: nearest"):
        return words("method.centroid")
    if method.startswith("estimate"):
        return words("method.estimate")
    return words("method.polygon" if method.startswith("polygon") else "method.named")


def _seen(facts: ReportFacts, words: Words) -> str:
    if not facts.traffic:
        return words("no_data")
    trusted = [day.trusted for day in facts.traffic if day.trusted is not None]
    told = words.percent(sum(trusted) / len(trusted) if trusted else None)
    return words("seen", share=words.percent(_observed(facts)), gates=facts.gates, trusted=told)


def _observed(facts: ReportFacts) -> float:
    return sum(day.coverage for day in facts.traffic) / len(_days(facts))


def _days(facts: ReportFacts) -> list[date]:
    return Period(kind=facts.kind, start=facts.start).days


def _count(value: float | None, words: Words) -> str:
    return words.number(value, 0 if value is None or abs(value - round(value)) < 0.05 else 1)


def _kmh(mps: float | None, words: Words) -> str:
    return words.number(None if mps is None else KMH * mps, 1)


def _alt(title: str, of: str, rows: Sequence[tuple[str, ...]]) -> str:
    """A plot in words: what it shows, then its figures."""
    return f"{title}. {of}: " + "; ".join(f"{name} {' / '.join(values)}" for name, *values in rows)
