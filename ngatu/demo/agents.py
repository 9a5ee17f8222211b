"""The demonstration's three agents, as the YAML files that anyone would write for their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ngatu.demo.site import Site
from ngatu.passwords import DEVICES

CAMERA, HOST, DETECTORS = DEVICES
HISTORY_DAYS = 14

CLIP_ZONES = [
    {
        "name": "carriageway",
        "kind": "road",
        "image": [
            [0, 192],
            [440, 205],
            [590, 165],
            [640, 105],
            [768, 95],
            [768, 490],
            [480, 350],
            [300, 275],
            [0, 238],
        ],
    },
    {
        "name": "junction",
        "kind": "no_pedestrian",
        "image": [[470, 215], [590, 175], [690, 235], [768, 300], [768, 440], [620, 410], [470, 320]],
    },
    {"name": "west-side", "kind": "gate", "image": [[250, 195], [250, 275]]},
    {"name": "north-side", "kind": "gate", "image": [[560, 165], [700, 180]]},
]
"""Drawn on the clip vtest.avi, 768 by 576."""

POSITIONS = {
    CAMERA: {"latitude": 21.0245, "longitude": 105.8412},
    HOST: {"latitude": 21.0285, "longitude": 105.8542},
    DETECTORS: {"latitude": 21.0379, "longitude": 105.8148},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the agents look at."""

    video: str  # file, address or device
    model: Path
    replay: Path
    scene: Path | None = None  # of the camera; None: the clip's own zones, or the whole picture
    is_clip: bool = True


def write_agents(site: Site, inputs: Inputs) -> dict[str, Path]:
    """Write a YAML file for each agent; return them by device."""
    contents: dict[str, dict[str, Any]] = {
        CAMERA: _camera(inputs),
        HOST: {
            "description": "The machine that runs the demonstration",
            "sensors": [{"kind": "host", "period_s": 1}],
        },
        DETECTORS: {
            "description": "Signal detectors, counts of 2024 replayed as of today",
            "sensors": [
                {"kind": "replay", "file": str(inputs.replay), "history_days": HISTORY_DAYS, "prefix": "detector"}
            ],
        },
    }
    files = {}
    for device, content in contents.items():
        files[device] = site.folder / f"{device}.yaml"
        whole = {"device": device, "position": POSITIONS[device], "broker": _broker(site), **content}
        files[device].write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
    return files


def _broker(site: Site) -> dict[str, Any]:
    return {"url": f"mqtt://127.0.0.1:{site.ports.broker}"}


def _camera(inputs: Inputs) -> dict[str, Any]:
    camera: dict[str, Any] = {"name": CAMERA, "source": inputs.video, "loop": True}
    if inputs.scene is not None:
        camera["scene"] = str(inputs.scene)
    elif inputs.is_clip:
        camera |= {"size": [768, 576], "zones": CLIP_ZONES}
    return {
        "description": "Camera A",
        "vision": {"model": str(inputs.model), "threads": 1},
        "cameras": [camera],
    }
