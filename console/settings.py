"""What the console is told at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class BadSettingError(ValueError):
    """A setting that cannot be used; the message names it and what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The console's environment, checked."""

    dsn: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free one, told in the log
    city: str = "Hà Nội"
    admin_password: str | None = field(default=None, repr=False)  # makes the user `admin` where there are no users yet
    secret: str | None = field(default=None, repr=False)  # signs sessions; None: a new one, sessions end at a restart
    tiles: str | None = (
        None  # a map's tile address, as https://tiles.example/{z}/{x}/{y}.png; None: wards without tiles
    )
    attribution: str = ""  # what whoever gives the tiles wants to be said
    open_data: Path | None = None  # the folder that the DAG publication writes; None: it is not here
    secure: bool = False  # cookies over HTTPS only


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Read NGATU_DSN, _HOST, _PORT, _CITY, _ADMIN_PASSWORD, _STORAGE_SECRET, _TILES…, _OPEN_DATA and _HTTPS.

    Raises:
        BadSettingError: one is missing or wrong.
    """
    dsn = environ.get("NGATU_DSN", "")
    if not dsn:
        raise BadSettingError("NGATU_DSN is missing: set it to the database, as postgresql://user@host:5432/ngatu")
    port = environ.get("NGATU_PORT", "8080")
    if not port.isdecimal() or int(port) > 65535:
        raise BadSettingError(f"NGATU_PORT={port!r} is not a port: set it to a number from 0 to 65535")
    password = environ.get("NGATU_ADMIN_PASSWORD") or None
    if password is not None and len(password) < 8:
        raise BadSettingError("NGATU_ADMIN_PASSWORD is too short: set at least 8 characters")
    secret = environ.get("NGATU_STORAGE_SECRET") or None
    if secret is not None and len(secret) < 16:
        raise BadSettingError("NGATU_STORAGE_SECRET is too short: set at least 16 random characters")
    return Settings(
        dsn=dsn,
        host=environ.get("NGATU_HOST") or "127.0.0.1",
        port=int(port),
        city=environ.get("NGATU_CITY") or "Hà Nội",
        admin_password=password,
        secret=secret,
        tiles=environ.get("NGATU_TILES") or None,
        attribution=environ.get("NGATU_TILES_ATTRIBUTION", ""),
        open_data=Path(environ["NGATU_OPEN_DATA"]) if environ.get("NGATU_OPEN_DATA") else None,
        secure=environ.get("NGATU_HTTPS", "") in {"1", "true", "yes"},
    )
