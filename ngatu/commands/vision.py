"""`ngatu vision`: recorded input through the live code, and how good its alerts are."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Replay recordings, score alerts, look at what a camera sees.")


@app.command()
def replay(
    camera: Annotated[Path, typer.Option(help="the camera file, JSON or YAML")],
    out: Annotated[Path, typer.Option(help="where the alerts go, as JSON")],
    boxes: Annotated[Path | None, typer.Option(help="recorded boxes, .jsonl or .jsonl.gz")] = None,
    traffic: Annotated[Path | None, typer.Option(help="where the minute counts go, as JSON")] = None,
    start: Annotated[float, typer.Option(help="POSIX seconds of the recording's time 0")] = 0.0,
) -> None:
    """Run the live line over a recording, on event time, as fast as it goes."""
    import msgspec

    from vision.recording import read_boxes
    from vision.replay import alerts_of, minutes_of
    from vision.replay import replay as run
    from vision.scene import load_scene

    if boxes is None:
        raise typer.BadParameter("give --boxes FILE")
    told = list(run(load_scene(camera), ((start + at, found) for at, found in read_boxes(boxes))))
    alerts = alerts_of(told, start=start)
    out.write_text(json.dumps(alerts, indent=1) + "\n", "utf-8")
    if traffic is not None:
        traffic.write_bytes(msgspec.json.encode(minutes_of(told)))
    print(f"{len(alerts)} alerts in {out}")


@app.command()
def score(
    pairs: Annotated[list[Path], typer.Argument(help="TRUTH ALERTS [TRUTH ALERTS …]")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Judge alerts against truth: incidents.json and alerts.json, in pairs."""
    from vision.evaluate import kinds_table, table
    from vision.score import read_alerts, read_truth
    from vision.score import score as judge

    if len(pairs) % 2:
        raise typer.BadParameter(f"{len(pairs)} files; give them in pairs: TRUTH ALERTS")
    total = judge((read_truth(t), read_alerts(a)) for t, a in zip(pairs[::2], pairs[1::2], strict=True))
    print(json.dumps(total.summary()) if as_json else f"{table([('all', total)])}\n\n{kinds_table(total)}")


@app.command()
def evaluate(
    folders: Annotated[list[Path], typer.Argument(help="runs, or folders of runs")],
    out: Annotated[Path | None, typer.Option(help="folder for each run's alerts")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Replay and score every run below the folders; a table by run, profile and kind."""
    from vision.evaluate import by_profile, evaluate_run, find_runs, kinds_table, score_of, table

    runs = [evaluate_run(folder) for folder in find_runs(folders)]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for run in runs:
            (out / f"{run.name}.json").write_text(json.dumps(run.alerts, indent=1) + "\n", "utf-8")
    total, profiles = score_of(runs), list(by_profile(runs))
    if as_json:
        named = {run.name: score_of([run]).summary() for run in runs}
        print(json.dumps({"all": total.summary(), "profiles": {p: s.summary() for p, s in profiles}, "runs": named}))
        return
    rows = [(run.name, score_of([run])) for run in runs]
    print(f"{table(rows)}\n\n{table([*profiles, ('all', total)])}\n\n{kinds_table(total)}")
