"""An adapter as the city file names it."""

from typing import Annotated, Any

import msgspec

Filter = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class AdapterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `adapters:` lists."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,19}$")]  # device names begin with it
    format: str
    topics: Annotated[tuple[Filter, ...], msgspec.Meta(min_length=1)]  # MQTT topic filters
    options: dict[str, Any] = {}
