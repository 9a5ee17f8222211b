"""Whole folders of recorded runs: replayed, scored, and told as a table by kind and profile."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vision.errors import VisionError
from vision.recorded.flows import Flows, counted_flows, true_flows
from vision.recorded.recording import read_boxes
from vision.recorded.replay import Alert, alerts_of, minutes_of, replay
from vision.recorded.score import AlertRecord, Score, Truth, read_truth, score
from vision.road.scene import load_scene


@dataclass(frozen=True, kw_only=True)
class Run:
    """One recorded run and what the line said about it."""

    name: str
    truth: Truth
    alerts: list[Alert]
    true_flows: Flows = field(default_factory=Counter)
    counted: Flows = field(default_factory=Counter)

    @property
    def records(self) -> list[AlertRecord]:
        """The alerts as the scorer wants them."""
        return [
            AlertRecord(type=a["type"], t_alert=a["t_alert"], t_start=a["t_start"], x=a.get("x"), y=a.get("y"))
            for a in self.alerts
        ]


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Each folder that holds a run (incidents.json beside camera.json and dets.jsonl.gz), below or at the given ones.

    Raises:
        VisionError: a folder holds none.
    """
    found: list[Path] = []
    for folder in folders:
        runs = sorted(
            path.parent for path in folder.rglob("incidents.json") if (path.parent / "dets.jsonl.gz").exists()
        )
        if not runs:
            raise VisionError(
                f"{folder}: no run here; a run is incidents.json, camera.json and dets.jsonl.gz in one folder"
            )
        found += [run for run in runs if run not in found]
    return found


def evaluate_run(folder: Path) -> Run:
    """Replay one run's boxes through the live line."""
    scene = load_scene(folder / "camera.json")
    told = list(replay(scene, read_boxes(folder / "dets.jsonl.gz")))
    mot = folder / "gt_mot.txt.gz"
    return Run(
        name=folder.name,
        truth=read_truth(folder / "incidents.json"),
        alerts=alerts_of(told),
        true_flows=true_flows(mot, scene) if mot.exists() else Counter(),
        counted=counted_flows(minutes_of(told), scene),
    )


def score_of(runs: Iterable[Run]) -> Score:
    """The score over all of `runs`."""
    return score((run.truth, run.records) for run in runs)


def by_profile(runs: list[Run]) -> Iterator[tuple[str, Score]]:
    """A score for each noise profile; runs in which nothing happens stand apart as "incident-free"."""
    for profile in sorted({_profile(run) for run in runs}):
        yield profile, score_of(run for run in runs if _profile(run) == profile)


def _profile(run: Run) -> str:
    return (run.truth.profile or "unknown") if run.truth.incidents else "incident-free"


def table(rows: Iterable[tuple[str, Score]]) -> str:
    """The scores as text, a line each, kinds below."""
    head = f"{'':22}{'found':>9}{'rate':>7}{'false':>7}{'/h':>7}{'share':>7}{'second':>8}{'delay s':>9}{'S4':>7}"
    lines = [head]
    for name, one in rows:
        s = one.summary()
        lines.append(
            f"{name:22}{one.found:>5}/{one.judged:<3}{_text(s['detection_rate']):>7}{_text(s['false_alarms']):>7}"
            f"{_text(s['false_per_camera_hour']):>7}{_text(s['false_share']):>7}{_text(s['second_alarms']):>8}"
            f"{_text(s['mean_time_to_detect_s']):>9}{_text(s['s4']):>7}"
        )
    return "\n".join(lines)


def kinds_table(one: Score) -> str:
    """How each kind fared, as text."""
    lines = [f"{'kind':22}{'found':>9}{'false':>7}{'delay s':>9}"]
    for kind in sorted(set(one.kinds) | set(one.false)):
        tally = one.kinds.get(kind)
        delays = tally.delays if tally else []
        mean = f"{sum(delays) / len(delays):.1f}" if delays else "-"
        lines.append(f"{kind:22}{len(delays):>5}/{tally.judged if tally else 0:<3}{one.false[kind]:>7}{mean:>9}")
    return "\n".join(lines)


def _text(value: object) -> str:
    return "-" if value is None else str(value)
