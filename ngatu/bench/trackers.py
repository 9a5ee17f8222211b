"""Which tracker: how well each numbers the boxes of recorded runs, and what the whole line finds with it."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from ngatu.bench.candidates import TRACKERS
from ngatu.bench.mot import Followed, Numbered, compare, together
from ngatu.table import table
from vision.errors import VisionError
from vision.line import Line, Told
from vision.recorded.evaluate import Run, find_runs, score_of
from vision.recorded.flows import read_mot
from vision.recorded.recording import read_frames
from vision.recorded.replay import alerts_of
from vision.recorded.score import read_truth
from vision.road.ground import Array
from vision.road.scene import Scene, load_scene
from vision.road.zones import inside
from vision.tracking.boxes import admit, feet
from vision.tracking.track import Numbering, Tracks
from vision.tracking.trail import Track

log = logging.getLogger(__name__)
Choice: TypeAlias = tuple[str, bool]  # a tracker's name, and whether the road corrects its numbers
IN_USE: Final[Choice] = ("ByteTrack", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One tracker on one recorded run."""

    run: str
    choice: Choice
    followed: Followed
    ms: float  # of processor time a frame, boxes to tracks with places and speeds
    replayed: Run | None  # None where incidents were not asked for


class WatchedTracks(Tracks):
    """Tracks that remember which boxes they numbered in each frame, and how long it took."""

    def __init__(self, scene: Scene, *, numbering: Callable[[float], Numbering], by_road: bool) -> None:
        super().__init__(scene, numbering=numbering, by_road=by_road)
        self.seconds = 0.0
        self.said: dict[float, Numbered] = {}

    def step(self, at: float, boxes: Array) -> tuple[Track, ...]:
        """Take a frame in, as always."""
        began = time.thread_time()
        tracks = super().step(at, boxes)
        self.seconds += time.thread_time() - began
        self.said[at] = np.array([(track.number, *track.box) for track in self.seen_at(at)]).reshape(-1, 5)
        return tracks


def measure(
    folders: Iterable[Path],
    names: Sequence[str],
    *,
    frames: int | None = None,
    incidents: bool = True,
    processes: int = 1,
) -> list[Outcome]:
    """Follow the boxes of every run below `folders` with every tracker, believed as it is and corrected by the road.

    Args:
        folders: runs with gt_mot.txt.gz, or folders of them.
        names: keys of `TRACKERS`.
        frames: of each run that are compared with the true boxes; None: all.
        incidents: whether each run is replayed to its end and its incidents are scored.
        processes: side by side; one's milliseconds are the better measure.

    Raises:
        VisionError: a folder holds no run, or a run no true boxes, or a file can't be read.
    """
    runs = find_runs(folders)
    for run in runs:
        if not (run / "gt_mot.txt.gz").is_file():
            raise VisionError(f"{run}: no gt_mot.txt.gz: without true boxes there is nothing to compare numbers with")
    jobs = list(product(runs, product(names, (False, True))))
    one = partial(follow, frames=frames, incidents=incidents)
    if processes == 1:
        return [_noted(one(*job)) for job in jobs]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return [_noted(outcome) for outcome in pool.map(one, *zip(*jobs, strict=True))]


def follow(folder: Path, choice: Choice, *, frames: int | None = None, incidents: bool = True) -> Outcome:
    """Follow one run's boxes with one tracker; for incidents through the whole live line, to the run's end."""
    scene = load_scene(folder / "camera.json")
    tracks = WatchedTracks(scene, numbering=TRACKERS[choice[0]], by_road=choice[1])
    line, ignored = Line(scene, tracks=tracks), tuple(zone.image for zone in scene.of_kind("ignore"))
    told: list[Told] = []
    said: dict[int, Numbered] = {}
    for number, at, boxes in islice(read_frames(folder / "dets.jsonl.gz"), None if incidents else frames):
        if incidents:
            told += line.step(at, boxes)
        else:
            tracks.step(at, admit(boxes, ignored))
        if at in tracks.said and (frames is None or len(said) < frames):
            said[number] = tracks.said[at]
    truth = read_truth(folder / "incidents.json")
    return Outcome(
        run=folder.name,
        choice=choice,
        followed=compare(true_boxes(folder / "gt_mot.txt.gz", scene), said),
        ms=1000 * tracks.seconds / max(1, len(tracks.said)),
        replayed=Run(name=folder.name, truth=truth, alerts=alerts_of(told)) if incidents else None,
    )


def _noted(outcome: Outcome) -> Outcome:
    log.info("followed %s", " ".join(f"{key}={value}" for key, value in figures([outcome]).items()))
    return outcome


def true_boxes(path: Path, scene: Scene) -> dict[int, Numbered]:
    """The true boxes of each frame, without what is wholly hidden or stands where the camera is told not to look."""
    rows = read_mot(path)
    boxes = np.column_stack((rows[:, 1], rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
    judged = rows[:, 8] > 0
    for zone in scene.of_kind("ignore"):
        judged &= ~inside(feet(boxes[:, 1:]), zone.image)
    frames = rows[judged, 0].astype(int)
    order = np.argsort(frames, kind="stable")
    known, starts = np.unique(frames[order], return_index=True)
    return dict(zip(known.tolist(), np.split(boxes[judged][order], starts[1:]), strict=True))


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One tracker's figures over one run or several."""
    first = outcomes[0]
    told: dict[str, Any] = {
        "run": first.run if len(outcomes) == 1 else "all",
        "tracker": first.choice[0],
        "road": first.choice[1],
        **together(outcome.followed for outcome in outcomes).figures,
        "ms": float(np.mean([outcome.ms for outcome in outcomes])),
    }
    runs = [outcome.replayed for outcome in outcomes if outcome.replayed is not None]
    if not runs:
        return told
    said = score_of(runs).summary()
    return told | {
        "found": said["detected"], "incidents": said["incidents"], "false": said["false_alarms"],
        "second": said["second_alarms"], "delay_s": said["mean_time_to_detect_s"],
    }  # fmt: skip


def report(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The figures of each run, and of each tracker over all of them."""
    choices = dict.fromkeys(outcome.choice for outcome in outcomes)
    pooled = [[outcome for outcome in outcomes if outcome.choice == choice] for choice in choices]
    rows = [figures([outcome]) for outcome in outcomes]
    return rows if len(rows) == len(pooled) else rows + [figures(same) for same in pooled]


def beaten_by(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Which trackers follow better than the one in use, and also find more incidents with no more false ones.

    Or as many with fewer. Judged over all runs together; none where incidents were not scored.
    """
    named = {_name(row["tracker"], row["road"]): row for row in rows if "found" in row}  # those of all runs stand last
    ours = named.pop(_name(*IN_USE), None)
    if ours is None:
        return []
    return [name for name, row in named.items() if _better(row, ours)]


def _better(one: dict[str, Any], other: dict[str, Any]) -> bool:
    follows = one["hota"] > other["hota"] and one["idf1"] > other["idf1"]
    gain = one["found"] - other["found"], other["false"] - one["false"]
    return bool(follows and min(gain) >= 0 and max(gain) > 0)


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """The figures as text, a line each."""
    return table(
        ["run", "tracker", "HOTA", "IDF1", "DetA", "AssA", "switches", "ms", "found", "false", "second", "delay s"],
        (
            (
                row["run"],
                _name(row["tracker"], row["road"]),
                *(f"{row[key]:.3f}" for key in ("hota", "idf1", "det_a", "ass_a")),
                row["switches"],
                f"{row['ms']:.2f}",
                f"{row['found']}/{row['incidents']}" if "found" in row else None,
                *(row.get(key) for key in ("false", "second", "delay_s")),
            )
            for row in rows
        ),
    )


def _name(tracker: str, by_road: bool) -> str:  # noqa: FBT001 - the two parts of a choice
    return f"{tracker}, then the road" if by_road else tracker
