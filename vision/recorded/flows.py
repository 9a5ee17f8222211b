"""Counts against truth: who really drove over the middle of each lane, by class group."""

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from events.traffic import TrafficMinute
from vision.errors import VisionError
from vision.road.ground import Array
from vision.road.scene import Scene, Zone
from vision.road.zones import depth

GROUPS: Final = {
    "motorcycle": "two-wheelers", "bicycle": "two-wheelers", "car": "cars", "bus": "heavy", "truck": "heavy",
}  # fmt: skip
COCO: Final = {1: "bicycle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
BESIDE_M: Final = 1.0  # who passes the middle just beside its lane counts there, as with the live counts
Flows: TypeAlias = Counter[tuple[str, str]]  # by zone and class group


def read_mot(path: Path) -> Array:
    """(n, 9) rows of a gzipped MOT file of true boxes: frame, number, x, y, width, height, 1, class, visible share.

    Raises:
        VisionError: the file can't be read.
    """
    try:
        with gzip.open(path, "rt") as lines:
            return np.array([line.split(",") for line in lines], float).reshape(-1, 9)
    except (OSError, EOFError, ValueError) as error:
        raise VisionError(f"{path}: {error}; a MOT file has frame,id,x,y,w,h,1,class,visible on each line") from error


def true_flows(path: Path, scene: Scene) -> Flows:
    """Crossings of each lane's middle in a MOT file of true boxes.

    Raises:
        VisionError: the file can't be read.
    """
    lanes = [zone for zone in scene.of_kind("lane_direction") if zone.world is not None]
    if scene.ground is None or not lanes:
        return Counter()
    rows = read_mot(path)
    rows = rows[np.isin(rows[:, 7], list(COCO))]
    places = scene.ground.to_world(np.column_stack((rows[:, 2] + rows[:, 4] / 2, rows[:, 3] + rows[:, 5])))
    return Counter(
        (lane.name, GROUPS[COCO[int(klass)]]) for lane in lanes for klass in _crossed(lane, rows[:, (0, 1, 7)], places)
    )


def _crossed(lane: Zone, who: Array, places: Array) -> list[float]:
    """The class of each that went over the lane's middle, in its direction."""
    assert lane.direction is not None
    here = depth(places, lane.shape) > -BESIDE_M
    middle = (lane.shape.min(axis=0) + lane.shape.max(axis=0)) / 2
    along = (places - middle) @ lane.direction
    crossed = []
    for number in np.unique(who[here, 1]):
        mine = here & (who[:, 1] == number)
        way = along[mine][np.argsort(who[mine, 0])]
        if np.any(way < 0) and np.any(way > 0) and way[0] < way[-1]:
            crossed.append(float(who[mine, 2][0]))
    return crossed


def counted_flows(minutes: Iterable[TrafficMinute], scene: Scene) -> Flows:
    """What the line counted along the same lanes."""
    lanes = {zone.name for zone in scene.of_kind("lane_direction")}
    counted: Flows = Counter()
    for minute in minutes:
        for flow in minute.flows if minute.zone in lanes else ():
            if flow.direction == "along" and flow.klass in GROUPS:
                counted[minute.zone, GROUPS[flow.klass]] += flow.count
    return counted


def flows_table(runs: Iterable[tuple[str, Flows, Flows]]) -> str:
    """(name, truth, counted) of each run as text: by class group and all together, with the error."""
    lines = [f"{'counts':22}{'group':>14}{'true':>7}{'counted':>9}{'error':>8}"]
    for name, truth, counted in runs:
        for group in (*dict.fromkeys(GROUPS.values()), "all"):
            true, said = (sum(n for (_, g), n in flows.items() if group in (g, "all")) for flows in (truth, counted))
            error = f"{(said - true) / true:+.1%}" if true else "-"
            lines.append(f"{name:22}{group:>14}{true:>7}{said:>9}{error:>8}")
    return "\n".join(lines)
