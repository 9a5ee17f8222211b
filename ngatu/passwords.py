"""The passwords of one house, made at its first start and kept in a file that only its owner may read."""

import base64
import os
import secrets
from pathlib import Path

import msgspec

DEVICES = ("camera-a", "host-sensors", "detectors")


def _secret() -> str:
    return secrets.token_urlsafe(18)


class Passwords(msgspec.Struct, frozen=True, kw_only=True):
    """Everything secret. Devices log in to the broker under their own names."""

    postgres: str = msgspec.field(default_factory=_secret)
    ingest: str = msgspec.field(default_factory=_secret)
    console: str = msgspec.field(default_factory=_secret)
    devices: dict[str, str] = msgspec.field(default_factory=lambda: {name: _secret() for name in DEVICES})
    admin: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(9))  # typed in by a person
    storage_secret: str = msgspec.field(default_factory=_secret)  # signs the console's cookies
    airflow_jwt: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(48))
    airflow_fernet: str = msgspec.field(default_factory=lambda: base64.urlsafe_b64encode(os.urandom(32)).decode())

    def broker_users(self) -> dict[str, str]:
        """Return who may connect to the broker."""
        return {"ingest": self.ingest, "console": self.console, **self.devices}


def kept_passwords(file: Path) -> Passwords:
    """Return the passwords in `file` (mode 0600), made at the first call."""
    if not file.exists():
        made = msgspec.json.format(msgspec.json.encode(Passwords()))
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(made)
    return msgspec.json.decode(file.read_bytes(), type=Passwords)
