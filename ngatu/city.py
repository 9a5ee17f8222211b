"""A city is data: its file read into facts, or one clear error that names the line, the key and what is allowed."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
import yaml

from ingest.adapters.settings import AdapterSettings

CITIES: Final = Path(__file__).with_name("cities")

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Days = Annotated[int, msgspec.Meta(ge=1, le=36500)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class BadCity(ValueError):
    """The city file can't be used; the message says where and what to do."""


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Centre(_Fact, frozen=True, kw_only=True):
    """Where the map opens, WGS 84 degrees."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    zoom: Annotated[int, msgspec.Meta(ge=0, le=22)] = 12


class Thresholds(_Fact, frozen=True, kw_only=True):
    """Below these, a device or ward is not well and its day is not published."""

    correct: Share = 0.95
    complete: Share = 0.9
    clean: Share = 0.99
    calibrated: Share = 0.0
    alive_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    shared_days: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    dataset: Share = 0.5


class BySeverity(_Fact, frozen=True, kw_only=True):
    """Days that something is kept, by the severity of its incident."""

    info: Days
    minor: Days
    major: Days
    critical: Days


class Retention(_Fact, frozen=True, kw_only=True):
    """Days that raw rows are kept."""

    readings: Days = 400
    traffic: Days = 1100
    rejected: Days = 90
    evidence: BySeverity = BySeverity(info=30, minor=90, major=365, critical=1100)
    incidents: BySeverity = BySeverity(info=365, minor=1100, major=3650, critical=3650)


class ReportService(_Fact, frozen=True, kw_only=True):
    """Something that citizens may report: how grave it is, and its name by language."""

    severity: Literal["info", "minor", "major", "critical"] = "minor"
    vi: Text
    en: Text


class City(_Fact, frozen=True, kw_only=True):
    """What a city file says. File names are relative to its folder."""

    name: Text
    name_en: Text
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    time_zone: str
    languages: Annotated[tuple[Literal["vi", "en"], ...], msgspec.Meta(min_length=1)]
    centre: Centre
    wards: Text
    successors: str | None = None
    boundaries: str | None = None
    wards_source: Text
    publisher: Text
    contact: str | None = None
    licence: Text
    open_data_url: Annotated[str, msgspec.Meta(pattern="^https?://")] | None = None
    thresholds: Thresholds = Thresholds()
    retention: Retention = Retention()
    smallest_count: Annotated[int, msgspec.Meta(ge=1)] = 5
    adapters: tuple[AdapterSettings, ...] = ()
    reports: dict[Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,40}$")], ReportService] = {}


def city_file(named: str) -> Path:
    """The file of a city that we carry (`hanoi`), of a folder, or the file itself.

    Raises:
        BadCity: there is none.
    """
    for path in (CITIES / named / "city.yaml", Path(named) / "city.yaml", Path(named)):
        if path.is_file():
            return path
    carried = ", ".join(sorted(path.parent.name for path in CITIES.glob("*/city.yaml")))
    raise BadCity(f"{named}: no such city; name a city.yaml, its folder, or one of: {carried}")


def read_city(path: Path) -> City:
    """Read a city file.

    Raises:
        BadCity: it can't be used; one line with file, line, key, and what is allowed.
    """
    try:
        text = path.read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise BadCity(f"{path}: can't be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadCity(f"{path}:{line}: not YAML: {error.problem}") from error
    if not isinstance(root, yaml.MappingNode):
        raise BadCity(f"{path}:1: a city file is a list of `key: value`")
    _check_keys(path, root, City, "")
    try:
        city = msgspec.convert(yaml.safe_load(text), City)
    except msgspec.ValidationError as error:
        raise _explained(path, root, str(error)) from error
    _check_values(path, root, city)
    return city


def _check_keys(path: Path, node: yaml.MappingNode, struct: type[Any], above: str) -> None:
    known = get_type_hints(struct)
    seen = set()
    for key, value in node.value:
        name, line = key.value, key.start_mark.line + 1
        if name in seen:
            raise BadCity(f"{path}:{line}: {above}{name}: stands here a second time")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise BadCity(f"{path}:{line}: {above}{name}: unknown key{hint}; allowed: {', '.join(sorted(known))}")
        seen.add(name)
        inner = known[name]
        if isinstance(value, yaml.MappingNode) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _check_keys(path, value, inner, f"{above}{name}.")


def _explained(path: Path, root: yaml.MappingNode, message: str) -> BadCity:
    what, _, where = message.partition(" - at `$")
    keys = re.findall(r"\w+", where)
    node: yaml.Node = root
    line = node.start_mark.line + 1
    wanted: Any = City
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == key), None)
            if found is None:
                break  # below a table whose keys are the city's own, msgspec does not say which
            name, node = found
            line = name.start_mark.line + 1
            wanted = get_type_hints(wanted).get(key) if isinstance(wanted, type) else None
    literals = re.findall(r"Literal\[([^]]*)]", str(wanted))
    allowed = f"; allowed: {literals[0]}" if literals and "enum" in what else ""
    return BadCity(f"{path}:{line}: {where.strip('.`') or 'city'}: {what}{allowed}")


def _check_values(path: Path, root: yaml.MappingNode, city: City) -> None:
    lines = {key.value: key.start_mark.line + 1 for key, _ in root.value}
    try:
        ZoneInfo(city.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(city.time_zone, available_timezones(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        where = f"{path}:{lines['time_zone']}: time_zone"
        raise BadCity(f"{where}: {city.time_zone} is no time zone of the IANA list{hint}") from error
    for key in ("wards", "successors", "boundaries"):
        name = getattr(city, key)
        if name is not None and not (path.parent / name).is_file():
            raise BadCity(f"{path}:{lines[key]}: {key}: there is no file {name} beside it")
    if city.adapters:
        _check_adapters(f"{path}:{lines['adapters']}: adapters", city.adapters)
    if len(set(city.languages)) < len(city.languages):
        raise BadCity(f"{path}:{lines['languages']}: languages: one stands there twice")


def _check_adapters(where: str, adapters: tuple[AdapterSettings, ...]) -> None:
    from ingest.adapters.adapter import open_adapters  # noqa: PLC0415 - a city without adapters needs none of it

    try:
        open_adapters(msgspec.to_builtins(adapters))
    except ValueError as error:
        raise BadCity(f"{where}: {error}") from error
