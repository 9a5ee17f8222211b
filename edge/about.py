"""The device's description of itself, out of its settings; its revision grows when it changes."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version

from msgspec.structs import replace

from edge import clock
from edge.outbox import Outbox
from edge.settings import Agent
from events.about import About, Camera, Sensor
from events.fact import to_json


def describe(
    settings: Agent, sensors: Sequence[Sensor], cameras: Sequence[Camera], config_rev: int | None, outbox: Outbox
) -> About:
    """The whole device. `outbox` remembers the last revision."""
    told = About(
        rev=1,
        description=settings.description,
        position=settings.position,
        ward=settings.ward,
        sensors=tuple(sensors),
        cameras=tuple(cameras),
        versions={"ngatu": _version()},
        config_rev=config_rev,
    )
    now = clock.wall()
    return replace(told, rev=_revision(told, outbox), at=datetime.fromtimestamp(now, UTC) if now else None)


def _revision(told: About, outbox: Outbox) -> int:
    """As before where nothing has changed; else higher than any before, even where the outbox was lost."""
    digest = sha256(to_json(told)).hexdigest()
    rev, _, known = (outbox.note("about") or "0 ").partition(" ")
    if known == digest:
        return int(rev)
    higher = max(int(rev) + 1, int(time.time() * 1000))
    outbox.set_note("about", f"{higher} {digest}")
    return higher


def _version() -> str:
    try:
        return version("ngatu")
    except PackageNotFoundError:
        return "unknown"
