"""An agent's YAML file → `Settings`. Every error names the line, the key, and what may stand there."""

import difflib
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from edge.settings import Agent, parse_bytes

Path_ = tuple[str | int, ...]
Where = Callable[[Path_], str]

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SIZES: Final = {("outbox", "budget"), ("uplink", "window_bytes")}


class BadSettings(ValueError):
    """A file or a revision of `config` that can't be used. The message says where, what, and what may stand there."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file, and on which line each of its values stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[Path_, int]

    def where(self, path: Path_) -> str:
        """`agent.yaml line 7`, of a value or of the nearest that holds it."""
        while path not in self.lines and path:
            path = path[:-1]
        return f"{self.path} line {self.lines.get(path, 1)}"


def load(path: Path) -> Agent:
    """Read, check, and give the facts.

    Raises:
        BadSettings: it can't be read, is not YAML, or something in it is wrong.
    """
    document = read(path)
    return check(document.data, document.where)


def read(path: Path) -> Document:
    """Read YAML.

    Raises:
        BadSettings: it can't be read, is not YAML, or not a mapping.
    """
    try:
        loader = LOADER(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines: dict[Path_, int] = {}
        data = _construct(loader, node, (), lines, path) if node is not None else {}
    except OSError as error:
        raise BadSettings(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: not UTF-8 at byte {error.start}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadSettings(f"{path}: not YAML: {_one_line(error)}") from error
    if not isinstance(data, dict):
        raise BadSettings(f"{path} line 1: expected keys and values such as `device: camera-a`")
    return Document(path, data, lines)


def check(data: Mapping[str, Any], where: Where) -> Agent:
    """Turn plain data into settings.

    Raises:
        BadSettings: the first thing that is wrong with it.
    """
    agent: Agent = _convert(data, Agent, (), where)
    names = [camera.name for camera in agent.cameras]
    twice = next((index for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise BadSettings(f"{where(('cameras', twice, 'name'))}: a second camera named {names[twice]!r}")
    return agent


def _construct(loader: Any, node: yaml.Node, path: Path_, lines: dict[Path_, int], file: Path) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise BadSettings(f"{file} line {key_node.start_mark.line + 1}: key {key!r} is not a word")
            if key in found:
                raise BadSettings(f"{file} line {key_node.start_mark.line + 1}: key `{key}` stands here twice")
            found[key] = _construct(loader, value_node, (*path, key), lines, file)
            lines[*path, key] = key_node.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, (*path, index), lines, file) for index, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def _convert(value: Any, kind: Any, path: Path_, where: Where) -> Any:
    """`value` as `kind`; structs and lists are walked, so that an error knows its place."""
    union = _structs(kind)
    if value is None and type(None) in get_args(kind):
        return None
    if union:
        return _struct(value, union, path, where)
    if get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,) and _structs(get_args(kind)[0]):
        if not isinstance(value, list):
            raise BadSettings(f"{where(path)}: `{_key(path)}` must be a list (lines that begin with `- `)")
        return tuple(_convert(item, get_args(kind)[0], (*path, index), where) for index, item in enumerate(value))
    return _leaf(value, kind, path, where)


def _structs(kind: Any) -> tuple[type[msgspec.Struct], ...]:
    """The structs that `kind` may be."""
    members = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    return tuple(member for member in members if isinstance(member, type) and issubclass(member, msgspec.Struct))


def _struct(value: Any, union: tuple[type[msgspec.Struct], ...], path: Path_, where: Where) -> Any:
    if not isinstance(value, dict):
        raise BadSettings(f"{where(path)}: `{_key(path)}` must hold keys and values, not {_short(value)}")
    kind = _tagged(value, union, path, where)
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    tag = kind.__struct_config__.tag_field
    allowed = [*([tag] if tag else []), *fields]
    unknown = next((key for key in value if key not in allowed), None)
    if unknown is not None:
        raise BadSettings(f"{where((*path, unknown))}: unknown key `{unknown}`{_hint(unknown, allowed)}")
    missing = next((name for name, field in fields.items() if field.required and name not in value), None)
    if missing is not None:
        raise BadSettings(f"{where(path)}: `{missing}` is missing{f' in `{_key(path)}`' if path else ''}")
    given = {
        field.name: _convert(value[name], hints[field.name], (*path, name), where)
        for name, field in fields.items()
        if name in value
    }
    return kind(**given)


def _tagged(
    value: dict[str, Any], union: tuple[type[msgspec.Struct], ...], path: Path_, where: Where
) -> type[msgspec.Struct]:
    if len(union) == 1:
        return union[0]
    kinds = {str(kind.__struct_config__.tag): kind for kind in union}
    given = value.get("kind")
    if given not in kinds:
        problem = "`kind` is missing" if given is None else f"`kind` is {_short(given)}"
        raise BadSettings(f"{where((*path, 'kind'))}: {problem}{_hint(str(given), list(kinds))}")
    return kinds[given]


def _leaf(value: Any, kind: Any, path: Path_, where: Where) -> Any:
    try:
        if path in SIZES:
            parse_bytes(value)
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said = re.sub(r" - at `\$(.*)`", r" at \1", str(error))
        literal = _literal(kind)
        if literal:
            said = f"{_short(value)}{_hint(str(value), literal)}"
        raise BadSettings(f"{where(path)}: `{_key(path)}`: {said}; given: {_short(value)}") from error
    except ValueError as error:
        raise BadSettings(f"{where(path)}: `{_key(path)}`: {error}") from error


def _literal(kind: Any) -> list[str]:
    if get_origin(kind) is Annotated:
        return _literal(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if get_origin(kind) in {Union, types.UnionType}:
        return [value for member in get_args(kind) for value in _literal(member)]
    return []


def _hint(given: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(given, allowed, n=1)
    meant = f" (did you mean `{close[0]}`?)" if close else ""
    return f"{meant}; allowed: {', '.join(allowed)}"


def _key(path: Path_) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _one_line(error: BaseException) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).split("\n", maxsplit=1)[0] or type(error).__name__
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)
