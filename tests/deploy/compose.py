"""What docker-compose.yml, the Dockerfile and .env.example say, read for the tests."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[?-][^}]*)?\}")

Service = dict[str, Any]


def services() -> dict[str, Service]:
    found: dict[str, Service] = yaml.safe_load(FILE.read_text())["services"]
    return found


def wanted() -> set[str]:
    return {match[1] for match in VARIABLE.finditer(FILE.read_text())}


def required() -> set[str]:
    return {match[1] for match in VARIABLE.finditer(FILE.read_text()) if (match[2] or "").startswith(":?")}


def example() -> dict[str, str]:
    lines = (line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def filled() -> dict[str, str]:
    return {name: value or "made-up-for-the-test" for name, value in example().items()}


def is_job(service: Service) -> bool:
    return str(service["restart"]).startswith("on-failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM … of the Dockerfile, with what it takes over from the stages that it stands on."""

    image: str
    lines: tuple[str, ...]

    def values(self, instruction: str) -> list[str]:
        return [line.partition(" ")[2].strip() for line in self.lines if line.startswith(instruction + " ")]

    @property
    def rooms(self) -> list[str]:
        """The folders that are copied from the checkout."""
        copies = [value.split() for value in self.values("COPY") if not value.startswith("--from")]
        return [target for source, target in copies if target != "."]

    @property
    def lock(self) -> str:
        """The name of the lock that its packages come from."""
        (packages,) = (value for value in self.values("COPY") if value.startswith("--from="))
        return packages.split()[0].removeprefix("--from=").removesuffix("-packages")


def stages() -> dict[str, Stage]:
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    found: dict[str, Stage] = {}
    name = ""
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        if line.startswith("FROM "):
            _, image, _, name = line.split()
            above = found.get(image)
            found[name] = Stage(image=above.image if above else image, lines=above.lines if above else ())
        elif name:
            found[name] = Stage(image=found[name].image, lines=(*found[name].lines, line))
    return found


def processes() -> dict[str, Stage]:
    """The stages that become images."""
    return {name: stage for name, stage in stages().items() if stage.values("USER")}
