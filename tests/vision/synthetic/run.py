"""Write made-up runs in the format of recorded ones: `python -m tests.vision.synthetic.run FOLDER [--seeds 1 2 3]`."""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.vision.synthetic.events import KINDS, Jams, Stage, Truth
from tests.vision.synthetic.sight import PROFILES, Detector, Lens, Snapshot
from tests.vision.synthetic.traffic import LIMIT, STEP, Road
from vision.recorded.recording import BoxWriter
from vision.road.ground import Array
from vision.road.scene import parse_scene

QUIET: Final = ("short_stop",)  # what happens in runs in which nothing happens


def camera_of(random: np.random.Generator) -> tuple[Lens, float, float]:
    """A lens above some place of the road, and the x between which it sees well."""
    size = [(1280, 720), (1920, 1080), (960, 540)][int(random.integers(3))]
    height, back = float(random.uniform(5.5, 14)), float(random.uniform(90, 160))
    aim = back + float(random.uniform(35, 60))
    side = float(random.choice((-1, 1)) * random.uniform(0, 12))
    lens = Lens(
        x=back, y=side, height=height, aim=(aim, 0.0), focal=float(random.uniform(0.75, 1.15)) * size[0], size=size
    )
    xs = np.arange(back + 8, back + 160, 1.0)
    depth, v = _down(lens, xs)
    seen = xs[(v < size[1] - 5) & (depth > 0) & (1.6 * lens.focal / depth > 16)]
    return lens, float(seen[0]) + 4, float(seen[-1])


def _down(lens: Lens, xs: Array) -> tuple[Array, Array]:
    points = np.column_stack((xs, np.zeros_like(xs), np.zeros_like(xs), np.ones_like(xs)))
    _, v, w = lens.matrix @ points.T
    return w, v / w


def camera_file(
    name: str, lens: Lens, near: float, far: float, fps: float, *, light: float | None, bus: float | None
) -> dict[str, Any]:
    """The camera as its file says it, zones in metres."""
    ground = np.linalg.inv(lens.matrix[:, (0, 1, 3)])
    mid = (near + far) / 2 - 5
    zones: list[dict[str, Any]] = [
        {"name": "eastbound", "kind": "lane_direction", "dir": [1, 0], "world": _box(near, far, -7, 0)},
        {"name": "westbound", "kind": "lane_direction", "dir": [-1, 0], "world": _box(near, far, 0, 7)},
        {"name": "carriageway", "kind": "no_pedestrian", "world": _box(near, far, -7, 7)},
        {"name": "kerb", "kind": "no_parking", "world": _box(near, far, -7, -3.5)},
        {"name": "opening", "kind": "no_uturn", "world": _box(mid - 12, mid + 12, -4, 4)},
    ]
    if light is not None:
        zones.append({"name": "light", "kind": "stop_line", "world": [[light, -7], [light, 0]]})
    if bus is not None:
        zones.append({"name": "bus", "kind": "bus_stop", "world": _box(bus - 14, bus + 8, -7, -3.5)})
    return {
        "name": name,
        "size": list(lens.size),
        "fps": fps,
        "H_image_to_world": ground.tolist(),
        "speed_limit_mps": LIMIT,
        "zones": zones,
    }


def _box(x0: float, x1: float, y0: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def write_run(
    folder: Path,
    *,
    seed: int,
    profile: str,
    seconds: float,
    fps: float = 10.0,
    per_hour: float | None = None,
    kinds: tuple[str, ...] = KINDS,
    every: float = 45.0,
) -> None:
    """One run: camera.json, dets.jsonl.gz, gt_mot.txt.gz, incidents.json."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    lens, near, far = camera_of(random)
    light = far - 15 if seed % 3 == 0 else None
    bus = (near + far) / 2 + 8 if seed % 2 else None
    flow = per_hour or {"day": 1500.0, "dense": 3000.0, "rain": 1300.0, "night": 900.0}[profile]
    road = Road(random=random, per_hour=flow, light=light, bus_stop=bus)
    detector = Detector(lens=lens, noise=PROFILES[profile], random=np.random.default_rng(seed + 1000), fps=fps)
    camera = camera_file(f"made-{seed}", lens, near, far, fps, light=light, bus=bus)
    parse_scene(camera)
    (folder / "camera.json").write_text(json.dumps(camera, indent=1))
    stage, jams = Stage(road, near, far), Jams()
    for _ in range(600):
        road.step()
    road.now = 0.0
    sight: dict[int, list[float]] = {}
    plan = [kinds[i % len(kinds)] for i in random.permutation(max(int(seconds / every), len(kinds)))] if kinds else []
    waiting, following, frame, before = 12.0, 0.0, 0, _snapshot(road)
    with BoxWriter(folder / "dets.jsonl.gz") as boxes, gzip.open(folder / "gt_mot.txt.gz", "wt") as mot:
        while road.now < seconds:
            road.step()
            stage.step()
            if plan and road.now >= waiting and road.now < seconds - 20 and stage.begin(plan[-1]):
                plan.pop()
                waiting = road.now + every * random.uniform(0.7, 1.3)
            if round(road.now / STEP) % 10 == 0:
                jams.step(road, near, far)
            after = _snapshot(road)
            while following <= road.now + 1e-9:
                snap = _between(before, after, 1 - (road.now - following) / STEP)
                frame, exact = frame + 1, detector.boxes(snap)
                for number, klass, (x1, y1, x2, y2), visible in exact:
                    mot.write(
                        f"{frame},{number},{x1:.1f},{y1:.1f},{x2 - x1:.1f},{y2 - y1:.1f},1,{klass},{visible:.2f}\n"
                    )
                    if visible > 0.3 and y2 - y1 > 12:
                        sight.setdefault(number, []).append(following)
                seen = detector.see(following, exact)
                if seen is not None:
                    boxes.write(following, seen, frame=frame)
                following += 1 / fps
            before = after
    stage.finish()
    _write_truth(folder, profile, seconds, stage, jams, sight)


def _snapshot(road: Road) -> dict[int, tuple[int, float, float, float, float]]:
    return {m.number: (m.klass, *m.place, *m.heading) for m in road.movers}


def _between(
    before: dict[int, tuple[int, float, float, float, float]],
    after: dict[int, tuple[int, float, float, float, float]],
    share: float,
) -> Snapshot:
    out: Snapshot = []
    for number, (klass, x, y, hx, hy) in after.items():
        _, x0, y0, _, _ = before.get(number, (klass, x, y, hx, hy))
        out.append((number, klass, x0 + share * (x - x0), y0 + share * (y - y0), hx, hy))
    return out


def _write_truth(
    folder: Path,
    profile: str,
    seconds: float,
    stage: Stage,
    jams: Jams,
    sight: dict[int, list[float]],
) -> None:
    incidents: list[Truth] = []
    negatives: list[Truth] = []
    for truth, actors in stage.truths:
        start, end = truth["start"], truth["end"]
        times = sorted(t for n in actors for t in sight.get(n, []) if start - 0.05 <= t <= end + 0.05)
        needed = {"near_miss": 0.0, "illegal_uturn": 1.0, "speeding": 1.5}.get(truth["type"], 3.0)
        seen = len(times) > 1 and times[-1] - times[0] >= needed
        one = truth | {
            "evaluable": seen,
            "visible_from": times[0] if times else None,
            "visible_to": times[-1] if times else None,
        }
        (negatives if truth["type"] == "short_stop" else incidents).append(one)
    incidents += [
        jam | {"evaluable": True, "visible_from": jam["start"], "visible_to": jam["end"]} for jam in jams.finish()
    ]
    for n, one in enumerate([*incidents, *negatives]):
        one["id"] = f"{one['type']}_{n}"
    truth = {
        "camera": folder.name,
        "profile": profile,
        "duration": seconds,
        "incidents": incidents,
        "negatives": negatives,
        "ignore": [],
    }
    (folder / "incidents.json").write_text(json.dumps(truth, indent=1))


def main() -> None:
    """Runs for each seed: the profiles in turn, each fourth without incidents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--seconds", type=float, default=420.0)
    parser.add_argument("--quiet", action="store_true", help="without incidents")
    given = parser.parse_args()
    for seed in given.seeds:
        profile = list(PROFILES)[seed % len(PROFILES)]
        fps = (10.0, 10.0, 5.0, 15.0, 25.0)[seed % 5]
        kinds = QUIET if given.quiet else KINDS
        write_run(
            given.folder / f"{profile}_{seed}", seed=seed, profile=profile, seconds=given.seconds, fps=fps, kinds=kinds
        )


if __name__ == "__main__":
    main()
