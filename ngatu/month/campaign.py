"""One campaign in a place of its own, thrown away afterwards."""

from ngatu.bench.place import servers
from ngatu.month.report import Report
from ngatu.month.run import Place, Plan, live


def run(devices: int, days: int, seed: int) -> Report:
    """Start broker and database, live through the month, compare.

    Raises:
        ChildFailed: a server did not start, or something ended that nobody had killed.
    """
    with servers() as started:
        place = Place(
            dsn=started.database("month"),
            broker=f"mqtt://127.0.0.1:{started.mqtt_port}",
            guard=started.guard,
            folder=started.folder,
        )
        return live(place, Plan(devices=devices, days=days, seed=seed)).verify()
