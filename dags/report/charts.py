"""The plots of a report. Colours are Okabe and Ito's, told apart by people who see few colours."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dags.report.words import Words
from storage.report_facts import AirDay, ReportFacts
from storage.report_period import Period

INK: Final = "#1f2933"
FAINT: Final = "#d9dee3"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
PALETTE: Final = (BLUE, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", ORANGE, "#8c6d1f", "#5b6770")
SEVERITIES: Final = {"critical": "#7a1f1f", "major": ORANGE, "minor": "#e69f00", "info": "#9aa5b1"}
WHO_PM2_5: Final = 15.0  # µg/m³, 24 hours; WHO global air quality guidelines, 2021
STYLE: Final[Any] = {  # matplotlib lists its keys as literals
    "font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "ngatu",
    "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#eceff2",
    "axes.axisbelow": True, "legend.frameon": False,
}  # fmt: skip


def volumes(facts: ReportFacts, words: Words) -> Figure | None:
    """Motor vehicles of each day by class, and beneath it how much of the day was observed."""
    motor = [row for row in facts.classes if row.klass not in {"person", "bicycle"}]
    if not motor:
        return None
    names = _largest_first({row.klass: 0.0 for row in motor}, [(row.klass, row.count or 0) for row in motor])
    counts = {(row.day, row.klass): row.count or 0.0 for row in motor}
    days = _days(facts)
    with _plot(2, heights=(5, 1)) as (figure, (above, below)):
        base = [0.0] * len(days)
        for name, colour in zip(names, PALETTE * 3, strict=False):
            tops = [counts.get((day, name), 0.0) for day in days]
            above.bar(range(len(days)), tops, bottom=base, color=colour, width=0.72, label=words(f"class.{name}"))
            base = [low + top for low, top in zip(base, tops, strict=True)]
        _legend(above)
        _numbers(above, words)
        _coverage(below, [_covered(facts, day) for day in days], words)
        _day_axis(below, days, words)
        above.tick_params(labelbottom=False)
    return figure


def hours(facts: ReportFacts, words: Words) -> Figure | None:
    """A working day and a weekend's day: vehicles an hour at one gate."""
    if not any(hour.vehicles is not None for hour in facts.hours):
        return None
    with _plot(1) as (figure, (axes,)):
        for weekend, colour, style in ((False, BLUE, "-"), (True, ORANGE, "--")):
            rows = {hour.hour: hour.vehicles for hour in facts.hours if hour.weekend is weekend}
            if rows:
                line = [float("nan") if (v := rows.get(h)) is None else v for h in range(24)]
                label = words("weekend" if weekend else "workday")
                axes.plot(range(24), line, style, color=colour, lw=2, marker="o", ms=3, label=label)
        axes.set_xticks(range(0, 24, 3), [f"{h}:00" for h in range(0, 24, 3)])
        axes.set_ylim(bottom=0)
        _legend(axes)
        _numbers(axes, words)
    return figure


def speeds(facts: ReportFacts, words: Words) -> Figure | None:
    """Space-mean speed and 85th percentile of each day."""
    timed = {day.day: day for day in facts.traffic if day.speed_mps}
    if not timed:
        return None
    days = _days(facts)
    with _plot(1) as (figure, (axes,)):
        for field, colour, style, label in (
            ("speed_p85_mps", ORANGE, "--", words("p85")),
            ("speed_mps", BLUE, "-", words("mean_speed")),
        ):
            line = [_kmh(getattr(timed[day], field)) if day in timed else float("nan") for day in days]
            axes.plot(range(len(days)), line, style, color=colour, lw=2, marker="o", ms=3.5, label=label)
        axes.set_ylim(bottom=0)
        _legend(axes)
        _numbers(axes, words)
        _day_axis(axes, days, words)
    return figure


def incidents(facts: ReportFacts, words: Words) -> Figure | None:
    """Incidents by kind and severity."""
    by_kind = _largest_first({}, [(row.kind, row.n) for row in facts.incidents if row.n])[:10]
    if not by_kind:
        return None
    with _plot(1, tall=0.8 + 0.34 * len(by_kind)) as (figure, (axes,)):
        base = [0.0] * len(by_kind)
        for severity, colour in SEVERITIES.items():
            wide = [sum(r.n for r in facts.incidents if (r.kind, r.severity) == (kind, severity)) for kind in by_kind]
            if any(wide):
                label = words(f"severity.{severity}")
                axes.barh(range(len(by_kind)), wide, left=base, color=colour, height=0.66, label=label)
                base = [low + more for low, more in zip(base, wide, strict=True)]
        axes.set_yticks(range(len(by_kind)), [words(f"kind.{kind}") for kind in by_kind])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(axes)
    return figure


def air(facts: ReportFacts, words: Words) -> Figure | None:
    """Each quantity of the air: daily mean, with the range of single readings."""
    names = list(dict.fromkeys((row.series, row.unit) for row in facts.air))
    names = sorted(names, key=lambda name: (name[0] != "air/pm2_5", name))[:4]
    if not names:
        return None
    days = _days(facts)
    with _plot(len(names), tall=0.5 + 1.25 * len(names)) as (figure, plots):
        for axes, (series, unit) in zip(plots, names, strict=True):
            rows = {row.day: row for row in facts.air if (row.series, row.unit) == (series, unit)}
            _air(axes, rows, days, words)
            title = " · ".join(part for part in (words(series), words.unit(unit)) if part)
            axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
            if series == "air/pm2_5" and unit == "ug/m3":
                axes.axhline(WHO_PM2_5, color=ORANGE, lw=1.2, ls="--")
                axes.annotate(
                    words("who"), (len(days) - 0.5, WHO_PM2_5), xytext=(0, 3), textcoords="offset points",
                    ha="right", fontsize=8, color=ORANGE,
                )  # fmt: skip
            axes.tick_params(labelbottom=axes is plots[-1])
        _day_axis(plots[-1], days, words)
    return figure


def svg(figure: Figure) -> str:
    """The plot as an `svg` element; its texts stay texts."""
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
    """The plot as a picture for paper."""
    out = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="png", dpi=200, metadata={"Software": None})
    return out.getvalue()


@contextmanager
def _plot(rows: int, *, tall: float = 2.9, heights: Sequence[int] = ()) -> Iterator[tuple[Figure, list[Axes]]]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, tall), layout="constrained")
        ratios: dict[str, Any] = {"height_ratios": heights} if heights else {}
        plots = figure.subplots(rows, 1, squeeze=False, sharex=rows > 1, gridspec_kw=ratios)[:, 0]
        yield figure, list(plots)


def _air(axes: Axes, rows: dict[date, AirDay], days: Sequence[date], words: Words) -> None:
    places = [index for index, day in enumerate(days) if day in rows]
    axes.vlines(
        places, [rows[days[i]].minimum for i in places], [rows[days[i]].maximum for i in places],
        color="#b8d8ea", lw=max(2, 90 / len(days)),
    )  # fmt: skip
    means = [rows[day].mean if day in rows else float("nan") for day in days]
    axes.plot(range(len(days)), means, color=BLUE, lw=2, marker="o", ms=3.5)
    _numbers(axes, words)


def _coverage(axes: Axes, shares: Sequence[float], words: Words) -> None:
    colours = [PALETTE[2] if share >= 0.9 else "#e69f00" for share in shares]
    axes.bar(range(len(shares)), [100 * share for share in shares], color=colours, width=0.72)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 100], ["0 %", "100 %"])
    axes.set_title(words("coverage"), loc="left", fontsize=8, pad=5)


def _day_axis(axes: Axes, days: Sequence[date], words: Words) -> None:
    if len(days) <= 10:
        axes.set_xticks(range(len(days)), [words.day(day) for day in days])
    else:
        axes.set_xticks(range(0, len(days), 3), [f"{day.day}/{day.month}" for day in days[::3]])
    axes.set_xlim(-0.6, len(days) - 0.4)
    axes.grid(visible=False, axis="x")


def _numbers(axes: Axes, words: Words) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: words.number(value, 0 if value == int(value) else 1))


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0, 1), ncols=5, fontsize=8.5, handlelength=1.4,
        columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip


def _days(facts: ReportFacts) -> list[date]:
    return Period(kind=facts.kind, start=facts.start).days


def _covered(facts: ReportFacts, day: date) -> float:
    return next((row.coverage for row in facts.traffic if row.day == day), 0.0)


def _kmh(mps: float | None) -> float:
    return float("nan") if mps is None else 3.6 * mps


def _largest_first(names: dict[str, float], rows: Sequence[tuple[str, float]]) -> list[str]:
    sums = dict(names)
    for name, value in rows:
        sums[name] = sums.get(name, 0.0) + value
    return sorted(sums, key=lambda name: (-sums[name], name))
