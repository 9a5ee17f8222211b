"""How well numbered boxes follow the truth: HOTA, IDF1 and identity switches, all computed by trackeval.

HOTA: Luiten et al., IJCV 2021, mean over overlaps of 0.05 to 0.95, made of DetA (boxes) and AssA (numbers). IDF1:
Ristani et al., 2016. Switches: Bernardin and Stiefelhagen, 2008. The last two call half an overlap the same object.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity

from vision.road.ground import Array
from vision.tracking.boxes import overlap

Numbered: TypeAlias = Array  # (n, 5) number x1 y1 x2 y2
NOBODY: Numbered = np.empty((0, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One recording compared with its truth; `raw` is what trackeval sums over several."""

    raw: dict[str, dict[str, Any]]

    @property
    def figures(self) -> dict[str, float]:
        """hota, det_a, ass_a, idf1: 0 to 1; switches: how often a vehicle got another number."""
        hota, identity, clear = self.raw["hota"], self.raw["identity"], self.raw["clear"]
        return {
            "hota": float(np.mean(hota["HOTA"])),
            "det_a": float(np.mean(hota["DetA"])),
            "ass_a": float(np.mean(hota["AssA"])),
            "idf1": float(identity["IDF1"]),
            "switches": int(clear["IDSW"]),
        }


def compare(truth: Mapping[int, Numbered], said: Mapping[int, Numbered]) -> Followed:
    """Compare the numbered boxes of each frame that `said` holds with the true ones; other frames are not judged."""
    frames = sorted(said)
    true = [truth.get(frame, NOBODY) for frame in frames]
    ours = [said[frame] for frame in frames]
    data: dict[str, Any] = {
        "similarity_scores": [overlap(t[:, 1:], o[:, 1:]) for t, o in zip(true, ours, strict=True)],
        "num_timesteps": len(frames),
    }
    for name, boxes in (("gt", true), ("tracker", ours)):
        data[f"{name}_ids"], data[f"num_{name}_ids"] = _counted(boxes)
        data[f"num_{name}_dets"] = sum(map(len, boxes))
    return Followed(raw={name: metric.eval_sequence(data) for name, metric in _metrics().items()})


def together(parts: Iterable[Followed]) -> Followed:
    """Several recordings as one, each with the weight of its boxes."""
    raws = [part.raw for part in parts]
    return Followed(
        raw={
            name: metric.combine_sequences({str(n): raw[name] for n, raw in enumerate(raws)})
            for name, metric in _metrics().items()
        }
    )


def _metrics() -> dict[str, Any]:
    quiet = {"PRINT_CONFIG": False}
    return {"hota": HOTA(), "identity": Identity(dict(quiet)), "clear": CLEAR(dict(quiet))}


def _counted(frames: Sequence[Numbered]) -> tuple[list[Any], int]:
    """The numbers of each frame as 0, 1, 2 …, and how many different ones there are."""
    numbers = np.concatenate([boxes[:, 0] for boxes in frames]) if frames else np.empty(0)
    known, places = np.unique(numbers, return_inverse=True)
    ends = np.cumsum([len(boxes) for boxes in frames])[:-1]
    return np.split(places.astype(int), ends), len(known)
