"""The devices of a city: so many in each of its wards, where the ward list says that they are."""

import math
import random
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from events.about import Position
from ngatu.city import BadCity, city_file, read_city
from ngatu.city_lists import read_wards
from ngatu.simulate.device import Device, Site
from ngatu.simulate.gauges import BOX, SENSORS
from ngatu.simulate.trouble import Trouble, draw_trouble
from storage.wards import UNTIL_FURTHER_NOTICE, Ward


@dataclass(frozen=True, slots=True, kw_only=True)
class TownPlan:
    """What to simulate."""

    city: str = "hanoi"
    wards: int = 126
    devices_per_ward: int = 20
    rate: float = 1.0  # readings a second of each device
    broken: float = 0.15  # share of devices that something ails
    trouble_every_s: tuple[float, float] = (300.0, 1800.0)
    incidents_per_hour: float = 12.0  # in the whole city, at the busiest time
    seed: int = 1


def make_town(plan: TownPlan, start: float) -> list[Device]:
    """Return the devices, the first of each ward with a camera.

    Raises:
        BadCity: the city's file can't be used, or it has fewer wards.
    """
    path = city_file(plan.city)
    city = read_city(path)
    wards = [ward for ward in read_wards(city, path.parent) if ward.valid_to == UNTIL_FURTHER_NOTICE]
    if len(wards) < plan.wards:
        raise BadCity(f"{path}: has {len(wards)} wards today, not {plan.wards}")
    zone = ZoneInfo(city.time_zone)
    return [
        Device(_site(plan, ward, number, zone), plan.seed, start)
        for ward in wards[: plan.wards]
        for number in range(plan.devices_per_ward)
    ]


def _site(plan: TownPlan, ward: Ward, number: int, zone: ZoneInfo) -> Site:
    name = f"sim-{ward.code}-{number:02d}"
    chance = random.Random(f"{plan.seed}:{name}:site")  # noqa: S311 - a simulation
    is_camera = number == 0
    trouble = draw_trouble(chance, plan.broken, plan.trouble_every_s)
    return Site(
        name=name,
        ward=ward.code,
        position=_somewhere(ward, chance),
        zone=zone,
        gauges=BOX if is_camera else SENSORS[number % len(SENSORS)],
        period_s=1 / plan.rate,
        trouble=Trouble() if is_camera and trouble.kind == "wrong_clock" else trouble,
        incidents_per_s=plan.incidents_per_hour / 3600 / plan.wards if is_camera else 0.0,
        has_camera=is_camera,
    )


def _somewhere(ward: Ward, chance: random.Random) -> Position:
    """Near the centroid: within half the radius of a circle of the ward's area."""
    away = 0.5 * math.sqrt((ward.area_km2 or 1.0) / math.pi) * math.sqrt(chance.random())  # km
    angle = chance.uniform(0, 2 * math.pi)
    north, east = away * math.cos(angle) / 111.2, away * math.sin(angle) / 111.2
    longitude = ward.longitude + east / math.cos(math.radians(ward.latitude))
    return Position(latitude=round(ward.latitude + north, 6), longitude=round(longitude, 6))
