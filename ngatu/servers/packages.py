"""The one private folder of Debian packages that both servers run from: downloaded together, once."""

from pathlib import Path

from ngatu.servers.debs import unpack_programs

POSTGRES_MAJOR = 17
PACKAGES = (f"postgresql-{POSTGRES_MAJOR}-timescaledb", "mosquitto")


def server_packages(home: Path, *, mirror: str | None = None) -> Path:
    """Return the folder with PostgreSQL, TimescaleDB and Mosquitto; fill it at the first call (some 45 MB)."""
    return unpack_programs(PACKAGES, home / "packages", mirror=mirror)
