"""One campaign in a place of its own, thrown away afterwards."""

from ngatu.bench.place import servers
from ngatu.month.report import Report
from ngatu.month.run import Plan, Site, live


def run(devices: int, days: int, seed: int) -> Report:
    """Start broker and database, live through the month, compare.

    Raises:
        ChildFailed: a server did not start, or something ended that nobody had killed.
    """
    with servers() as place:
        site = Site(
            dsn=place.database("month"),
            broker=f"mqtt://127.0.0.1:{place.mqtt_port}",
            guard=place.guard,
            folder=place.folder,
        )
        return live(site, Plan(devices=devices, days=days, seed=seed)).verify()
