"""A private Mosquitto, out of the unpacked packages, configured as in deploy/mosquitto.conf."""

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ngatu.home import CHECKOUT, server_user
from ngatu.process.child import Program, run_as

TEMPLATE = CHECKOUT / "deploy" / "mosquitto.conf"
ACCESS = CHECKOUT / "deploy" / "mosquitto.acl"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSite:
    """Where a broker keeps its things, and who may use it."""

    packages: Path
    folder: Path  # holds data/, log, mosquitto.conf, passwords and acl
    port: int
    users: Mapping[str, str] = field(default_factory=dict)  # name → password; none: anyone may connect (tests)

    def answers(self) -> bool:
        """Whether it takes connections now."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            return False
        return True


def initialise(site: BrokerSite) -> None:
    """Write its configuration, passwords (hashed) and access list; what it has persisted stays."""
    data = site.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    site.folder.chmod(0o755)
    changes: dict[str, str | None] = {
        "listener": f"{site.port} 127.0.0.1",
        "persistence_location": f"{data}/",
        "password_file": str(site.folder / "passwords") if site.users else None,
        "acl_file": str(site.folder / "acl") if site.users else None,
        "allow_anonymous": "false" if site.users else "true",
    }
    (site.folder / "mosquitto.conf").write_text(configured(TEMPLATE.read_text(), changes))
    if site.users:
        _write_users(site)
    if user := server_user():
        shutil.chown(data, user)


def configured(template: str, changes: Mapping[str, str | None]) -> str:
    r"""Return `template` with the values of some of its settings changed, or (None) the setting left out.

    >>> configured("listener 1883\npersistence true\n", {"listener": "2883 127.0.0.1"})
    'listener 2883 127.0.0.1\npersistence true\n'
    """
    lines = template.splitlines()
    absent = changes.keys() - {line.split(" ")[0] for line in lines}
    if absent:
        raise KeyError(f"not in the template: {', '.join(sorted(absent))}")
    changed = (f"{key} {changes[key]}" if (key := line.split(" ")[0]) in changes else line for line in lines)
    return "".join(f"{line}\n" for line in changed if not line.endswith(" None"))


def program(site: BrokerSite) -> Program:
    """Return how to run it in the foreground."""
    return Program(
        name="mosquitto",
        command=(str(site.packages / "usr/sbin/mosquitto"), "-c", str(site.folder / "mosquitto.conf")),
        log=site.folder / "log",
        user=server_user(),
    )


def _write_users(site: BrokerSite) -> None:
    passwords, access = site.folder / "passwords", site.folder / "acl"
    access.write_text(ACCESS.read_text())
    passwords.unlink(missing_ok=True)
    with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.writelines(f"{name}:{secret}\n" for name, secret in site.users.items())
    access.chmod(0o600)
    run_as(None, (site.packages / "usr/bin/mosquitto_passwd", "-U", passwords))
    if user := server_user():
        shutil.chown(passwords, user)
        shutil.chown(access, user)
