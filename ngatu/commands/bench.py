"""`ngatu bench`: measure parts of the house against something outside it."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

app = typer.Typer(no_args_is_help=True, help="Measure a part of the house.")


@app.callback()
def _group() -> None:
    """Each verb takes --json, and exits 0 only when its goal is met."""


APART = ("all", "trackers")  # trackers wants recorded runs, and an hour


@app.command(name="all")
def everything(
    file: Annotated[Path, typer.Option(help="where the figures are written")] = Path("bench.json"),
    only: Annotated[list[str] | None, typer.Option(help="only the parts of this verb; may be given again")] = None,
) -> None:
    """Run all that need nothing from elsewhere; print figures and goals, and write them as JSON after each part."""
    from ngatu.bench import every, goals

    parts = [part for part in goals.PARTS if not only or part.verb.split()[0] in only]
    if not parts:
        raise typer.BadParameter(f"there are {', '.join(sorted({part.verb.split()[0] for part in goals.PARTS}))}")
    minutes = sum(part.minutes for part in parts)
    print(f"{len(parts)} parts, about {minutes:.0f} minutes on two idle cores: {parts[0].verb} …", flush=True)
    outcomes: list[every.Outcome] = []
    for outcome in every.run_all(parts):
        outcomes.append(outcome)
        print(*every.lines(outcome), sep="\n", flush=True)
        every.write_report(file, outcomes, list(goals.judge(outcomes)))
    judged = list(goals.judge(outcomes))
    print("", *goals.lines(judged), sep="\n")
    if not all(outcome.met for outcome in outcomes) or not all(one.met for one in judged):
        raise typer.Exit(1)


@app.command()
def aggregates(
    *,
    rows: Annotated[int, typer.Option(min=1440, help="readings in the smaller table: one day of them")] = 1_000_000,
    times: Annotated[int, typer.Option(min=1, help="how many times as many in the larger: so many days")] = 100,
    compared_days: Annotated[int, typer.Option(min=1, help="how many of those days to compare with plain SQL")] = 10,
    repeats: Annotated[int, typer.Option(min=1, help="late readings in each table")] = 31,
    folder: Annotated[Path | None, typer.Option(help="where the server's data goes meanwhile")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Compare with one plain INSERT … SELECT … GROUP BY, and one late reading in tables of different sizes."""
    from ngatu.bench.aggregates import measure

    figures = measure(rows=rows, times=times, compared_days=compared_days, repeats=repeats, folder=folder)
    if as_json:
        print(json.dumps(msgspec.to_builtins(figures)))
    else:
        for name, value in msgspec.to_builtins(figures).items():
            print(f"{name:>18}  {value:,.4g}")
    if figures.ratio_to_plain < 0.8 or figures.late_cost_growth > 3:
        raise typer.Exit(1)


@app.command()
def baselines(
    *,
    nab: Annotated[Path | None, typer.Option(help="a checkout of Numenta's NAB")] = None,
    as_counts_choose: Annotated[
        bool, typer.Option(help="all of NAB's series, at the thresholds that the counts with made-up trouble chose")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Judge what is normal on labelled series, by NAB's score: ours and a plain threshold; exits 1 where ours loses."""
    from ngatu.bench.baselines import headline, lines, measure
    from ngatu.bench.nab import BadNab
    from ngatu.process.child import ChildFailed

    try:
        figures = measure(nab, as_counts_choose=as_counts_choose)
    except BadNab as error:
        raise ChildFailed(str(error)) from error
    told = headline(figures)
    print(json.dumps(told) if as_json else "\n".join(lines(figures)))
    if any(gain < 0 for name, gain in told.items() if name.endswith("_gain")):
        raise typer.Exit(1)


@app.command()
def agent(
    *,
    readings: Annotated[
        int, typer.Option(min=1000, help="in the backlog; a day of 100 a second is 8640000")
    ] = 1_000_000,
    seconds: Annotated[float, typer.Option(min=2, help="how long its cost is measured")] = 30,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Memory, processor, bytes on the wire and on disk of an agent without a camera; how fast a backlog drains."""
    from dataclasses import asdict

    from ngatu.bench.agent import measure

    figures = measure(readings=readings, seconds=seconds)
    if as_json:
        print(json.dumps(asdict(figures)))
    else:
        for name, value in asdict(figures).items():
            print(f"{name:>22}  {value:,.4g}")
    if not figures.good:
        raise typer.Exit(1)


@app.command()
def recovery(
    *,
    rounds: Annotated[int, typer.Option(min=9, help="nine hold each kind of fault once")] = 27,
    seed: Annotated[int, typer.Option(help="the same seed breaks the same things")] = 1,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """How soon all is well again after each kind of kill and cut, and that nothing is lost or doubled by it."""
    from ngatu.bench.recovery import figures, measure

    report = measure(rounds, seed)
    if as_json:
        print(json.dumps(figures(report) | {"problems": report.verdict()}))
    else:
        for name, value in figures(report).items():
            print(f"{name:>28}  {value:,.4g}")
        print(*report.verdict(), sep="\n")
    if report.verdict():
        raise typer.Exit(1)


@app.command()
def ingest(
    *,
    readings_per_message: Annotated[str, typer.Option(help="batch sizes, with commas between")] = "1,10,100",
    devices: Annotated[int, typer.Option(min=1)] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="about how long each run publishes")] = 10,
    processes: Annotated[int, typer.Option(min=1, help="of ingest, sharing the subscription")] = 1,
    foreign: Annotated[bool, typer.Option(help="also as devices send that number nothing")] = True,
    steady: Annotated[float, typer.Option(min=0, help="readings a second to hold, instead of saturation")] = 0,
    minutes: Annotated[float, typer.Option(min=0.1, help="how long to hold them")] = 10,
    alone: Annotated[bool, typer.Option(help="hold them without console and Airflow beside")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Readings a second into committed rows, and beside it bare COPY and a paho consumer that only acknowledges."""
    from ngatu.bench.ingest.figures import as_table, headline
    from ngatu.bench.ingest.measure import measure, measure_steady

    try:
        sizes = [int(size) for size in readings_per_message.split(",")]
    except ValueError:
        raise typer.BadParameter("numbers with commas between, such as 1,10,100") from None
    if steady:
        runs = [
            measure_steady(rate=steady, minutes=minutes, per=per, devices=devices, processes=processes, alone=alone)
            for per in sizes
        ]
    else:
        runs = measure(sizes=sizes, devices=devices, seconds=seconds, processes=processes, foreign=foreign)
    print(json.dumps({**headline(runs), "runs": msgspec.to_builtins(runs)}) if as_json else as_table(runs))
    if not all(run.good for run in runs):
        raise typer.Exit(1)


@app.command()
def vision(
    *,
    video: Annotated[Path | None, typer.Option(help="the clip; without it, the demonstration's")] = None,
    camera: Annotated[Path | None, typer.Option(help="its camera file; without it, all is road")] = None,
    model: Annotated[str | None, typer.Option(help=".onnx or OpenVINO folder")] = None,
    threads: Annotated[int, typer.Option(min=1, help="of the processor, for the model")] = 2,
    frames: Annotated[int, typer.Option(min=20, help="a round; there are five")] = 150,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Compare the whole camera line with its bare model, and with ultralytics' `track` where that is installed.

    ratio_to_model is the line against the model's file as it was exported, at the size that it was exported for.
    ratio_to_network is the line against what it runs itself of that file: without grey bars and, where the line
    knows them, without the last layers, which it decodes itself.
    """
    import os
    from dataclasses import asdict

    from ngatu.bench.vision import measure
    from ngatu.home import CHECKOUT, find_home
    from ngatu.prepare import clip_file, make_clip
    from ngatu.recorded import detector_for
    from vision.detection.detect import NetworkDetector
    from vision.road.scene import load_scene

    if video is None:
        make_clip()
        video = clip_file(find_home(os.environ))
    detector = detector_for(model, threads)
    if not isinstance(detector, NetworkDetector):
        raise typer.BadParameter("ultralytics runs this model itself: name an .onnx file or an OpenVINO folder")
    python = CHECKOUT / ".venv-ultralytics" / "bin" / "python"
    figures = measure(
        detector,
        video,
        scene=load_scene(camera) if camera else None,
        threads=threads,
        frames=frames,
        python=python if python.exists() else None,
    )
    if as_json:
        print(json.dumps(asdict(figures)))
    else:
        for name, value in asdict(figures).items():
            print(f"{name:>22}  {_readable(value)}")
    if not figures.good:
        raise typer.Exit(1)


@app.command()
def trackers(
    folders: Annotated[list[Path], typer.Argument(help="recorded runs with gt_mot.txt.gz, or folders of them")],
    *,
    tracker: Annotated[list[str] | None, typer.Option(help="only this one; may be given again")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="of each run, to compare with true boxes; all")] = None,
    incidents: Annotated[bool, typer.Option(help="also replay each run to its end and score what is told")] = True,
    processes: Annotated[int, typer.Option(min=1, help="side by side")] = 1,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """HOTA, IDF1 and incidents by tracker; exits 1 where another beats the one in use by all of them."""
    from ngatu.bench.candidates import TRACKERS
    from ngatu.bench.trackers import as_table, beaten_by, measure, report

    names = tracker or list(TRACKERS)
    if unknown := set(names) - set(TRACKERS):
        raise typer.BadParameter(f"no tracker {min(unknown)!r}; there are {', '.join(TRACKERS)}")
    rows = report(measure(folders, names, frames=frames, incidents=incidents, processes=processes))
    better = beaten_by(rows)
    print(json.dumps({"frames": frames, "rows": rows, "better": better}) if as_json else as_table(rows))
    if better:
        raise typer.Exit(1)


def _readable(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key} {number:.2f}" for key, number in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
