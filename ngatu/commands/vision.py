"""`ngatu vision`: recorded input through the live code, and how good its alerts are."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vision.line import Told

app = typer.Typer(no_args_is_help=True, help="Replay recordings, score alerts, look at what a camera sees.")


@app.command()
def replay(
    camera: Annotated[Path, typer.Option(help="the camera file, JSON or YAML")],
    out: Annotated[Path, typer.Option(help="where the alerts go, as JSON")],
    boxes: Annotated[Path | None, typer.Option(help="recorded boxes, .jsonl or .jsonl.gz")] = None,
    video: Annotated[Path | None, typer.Option(help="a video file, or a folder of pictures")] = None,
    model: Annotated[str | None, typer.Option(help="for --video: .onnx, OpenVINO folder, …")] = None,
    threads: Annotated[int, typer.Option(min=1, help="for --video: of the processor, for the model")] = 2,
    evidence: Annotated[Path | None, typer.Option(help="for --video: a folder for stills and clips")] = None,
    record: Annotated[Path | None, typer.Option(help="for --video: keep its boxes, as .jsonl.gz")] = None,
    traffic: Annotated[Path | None, typer.Option(help="where the minute counts go, as JSON")] = None,
    start: Annotated[float, typer.Option(help="POSIX seconds of the recording's time 0")] = 0.0,
) -> None:
    """Run the live line over a recording, on event time, as fast as it goes."""
    import msgspec

    from vision.recorded.recording import read_boxes
    from vision.recorded.replay import alerts_of, minutes_of
    from vision.recorded.replay import replay as run
    from vision.road.scene import load_scene
    from vision.rules import limits

    if (boxes is None) == (video is None):
        raise typer.BadParameter("give one of --boxes FILE and --video FILE")
    scene = load_scene(camera)
    if limits(scene):
        print(f"{camera}: this camera never tells {limits(scene)}", file=sys.stderr)
    if video is not None:
        from ngatu.recorded import watch_video

        facts = watch_video(scene, video, model=model, threads=threads, start=start, evidence=evidence, record=record)
    else:
        assert boxes is not None
        facts = run(scene, ((start + at, found) for at, found in read_boxes(boxes)))
    told: list[Told] = []
    try:
        told.extend(facts)
    finally:  # what a recording told before it broke off stays true
        alerts = alerts_of(told, start=start)
        out.write_text(json.dumps(alerts, indent=1) + "\n", "utf-8")
        if traffic is not None:
            traffic.write_bytes(msgspec.json.encode(minutes_of(told)))
    print(f"{len(alerts)} alerts in {out}")


@app.command()
def preview(
    out: Annotated[Path, typer.Option(help="where the film (.mp4) or the picture (.jpg, .png) goes")],
    video: Annotated[str | None, typer.Option(help="a video file, a folder of pictures, or a stream's address")] = None,
    boxes: Annotated[Path | None, typer.Option(help="recorded boxes, .jsonl or .jsonl.gz, on an empty ground")] = None,
    camera: Annotated[Path | None, typer.Option(help="the camera file; without it, boxes only")] = None,
    model: Annotated[str | None, typer.Option(help=".onnx, OpenVINO folder, …")] = None,
    threads: Annotated[int, typer.Option(min=1, help="of the processor, for the model")] = 2,
    at: Annotated[float, typer.Option(help="seconds into the video: where a picture is taken, or the film begins")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, help="how long a film is")] = 30,
) -> None:
    """Show what the camera's line sees: boxes, tracks, speeds, zones, alerts."""
    from ngatu.recorded import film_preview

    if (boxes is None) == (video is None):
        raise typer.BadParameter("give one of --boxes and --video")
    frames = film_preview(
        video or str(boxes),
        out,
        recorded=video is None,
        camera=camera,
        model=model,
        threads=threads,
        at=at,
        seconds=seconds,
    )
    print(f"{frames} frames in {out}")


@app.command()
def score(
    pairs: Annotated[list[Path], typer.Argument(help="TRUTH ALERTS [TRUTH ALERTS …]")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Judge alerts against truth: incidents.json and alerts.json, in pairs."""
    from vision.recorded.evaluate import kinds_table, table
    from vision.recorded.score import read_alerts, read_truth
    from vision.recorded.score import score as judge

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
    from vision.recorded.evaluate import by_profile, evaluate_run, find_runs, kinds_table, score_of, table
    from vision.recorded.flows import flows_table

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
    counted = [(run.name, run.true_flows, run.counted) for run in runs if run.true_flows]
    if counted:
        print(f"\n{flows_table(counted)}")


@app.command()
def calibrate(
    points: Annotated[Path, typer.Argument(help="YAML: point pairs, or the markings of a lane")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Make a camera file's H_image_to_world from measured places; exit 0 only where the error is known and small."""
    from vision.road.calibrate import calibrate as fit
    from vision.road.calibrate import read_points

    image, world = read_points(points)
    made = fit(image, world)
    matrix = [[float(f"{value:.8g}") for value in row] for row in made.ground.matrix / abs(made.ground.matrix).max()]
    if as_json:
        errors = {"rms_m": made.rms_m, "left_out_m": made.left_out_m, "pixel_m": made.pixel_m, "worst": made.worst}
        print(json.dumps({"H_image_to_world": matrix, "points": len(image), **errors}))
    else:
        print(f"H_image_to_world: {matrix}")
        unknown = "unknown: four points can be met by any plane, measure a fifth"
        print(f"# error of a place: {unknown if made.left_out_m is None else f'{made.left_out_m:.2f} m'}")
        print(f"# point {made.worst} fits worst; one pixel is up to {made.pixel_m:.2f} m")
    if not made.good:
        raise typer.Exit(1)
