"""What the city tells a device: the topic `config`, kept in the agent's folder and laid over its file."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from edge import yamlfile
from edge.settings import Agent
from edge.yamlfile import BadSettings
from events.config import Config

log = logging.getLogger(__name__)

ALLOWED: Final = ("description", "position", "ward", "sensors", "cameras", "vision")
"""What may be changed from afar: nothing that could cut the device off, or make it forget what it holds."""


def kept_file(data: Path) -> Path:
    """Where in the agent's folder the last revision is kept: its YAML file may well be read-only."""
    return data / "config.json"


def kept(data: Path) -> Config | None:
    """The revision in force; None: there is none, or it can't be read."""
    path = kept_file(data)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Config)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.error("config path=%s error=%s: going on without it", path, error)  # noqa: TRY400 - a line, not a trace
        return None


def keep(data: Path, config: Config) -> None:
    """Keep a revision, so that it holds after a restart.

    Raises:
        OSError: it can't be written.
    """
    path = kept_file(data)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(config), indent=1))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def settings(agent_file: Path, config: Config | None) -> Agent:
    """The file with `config` laid over it.

    Raises:
        BadSettings: one of them is wrong.
    """
    document = yamlfile.read(agent_file)
    agent = yamlfile.check(document.data, document.where)
    if config is None:
        return agent
    name = f"config revision {config.rev}"
    refused = next((key for key in config.document if key not in ALLOWED), None)
    if refused is not None:
        raise BadSettings(f"{name}: `{refused}` can't be set from afar; allowed: {', '.join(ALLOWED)}")
    return yamlfile.check(laid_over(document.data, config.document), lambda _: name)


def laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`under` with the values of `over`: mappings key by key, lists of things with names thing by thing; null removes.

    >>> laid_over({"cameras": [{"name": "a", "rate": 5}]}, {"cameras": [{"name": "a", "rate": 9}, {"name": "b"}]})
    {'cameras': [{'name': 'a', 'rate': 9}, {'name': 'b'}]}
    """
    whole = dict(under)
    for key, value in over.items():
        below = whole.get(key)
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            whole[key] = laid_over(below, value)
        elif key == "cameras" and below is not None and _named(value) and _named(below):
            whole[key] = _by_name(below, value)
        else:
            whole[key] = value
    return whole


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and "name" in item for item in value)


def _by_name(under: list[Mapping[str, Any]], over: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    changes = {item["name"]: item for item in over}
    changed = [laid_over(item, changes.pop(item["name"], {})) for item in under]
    return [*changed, *changes.values()]
