"""What a process of ingest is told from outside, and the lanes that follow from it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from events.topic import Kind, subscription
from ingest.consumer import BrokerAddress, Subscription
from ingest.inbox import Limits
from ingest.lane import Plan

GROUP: Final = "ingest"  # of the shared subscription: its members share the messages out
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """From the environment."""

    dsn: str
    broker: BrokerAddress
    metrics_port: int | None  # None: no HTTP

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read NGATU_DSN and NGATU_MQTT_URL; optional NGATU_MQTT_PASSWORD, NGATU_MQTT_CA (PEM), NGATU_METRICS_PORT.

        Raises:
            ValueError: one is missing or wrong; the message says which, and what it should be.
        """
        missing = [name for name in ("NGATU_DSN", "NGATU_MQTT_URL") if not environ.get(name)]
        if missing:
            raise ValueError(f"set {missing[0]}" + _EXAMPLES[missing[0]])
        try:
            broker = BrokerAddress.parse(
                environ["NGATU_MQTT_URL"], environ.get("NGATU_MQTT_PASSWORD"), environ.get("NGATU_MQTT_CA")
            )
        except ValueError as error:
            raise ValueError(f"NGATU_MQTT_URL: {error}") from error
        port = environ.get("NGATU_METRICS_PORT")
        if port and not (port.isdecimal() and int(port) < 65_536):
            raise ValueError(f"NGATU_METRICS_PORT: {port!r} is not a port")
        return cls(dsn=environ["NGATU_DSN"], broker=broker, metrics_port=int(port) if port else None)


_EXAMPLES: Final = {
    "NGATU_DSN": ", such as postgresql://ngatu@127.0.0.1/ngatu",
    "NGATU_MQTT_URL": ", such as mqtt://ingest@127.0.0.1:1883",
}


def plans() -> list[Plan]:
    """The lanes of one process: nothing that is urgent waits behind what is much."""
    name = secrets.token_hex(4)

    def shared(*kinds: Kind) -> list[str]:
        return [subscription(kind, group=GROUP) for kind in kinds]

    return [
        Plan(
            name="alerts",
            subscription=Subscription(
                client_id=f"ngatu-ingest-{name}-alerts",
                filters=shared("incident", "health", "about"),
                receive_maximum=500,
            ),
            limits=Limits(messages=50, payload_bytes=4 * MEGABYTE),
        ),
        Plan(
            name="status",
            # retained, which a shared subscription would not hear: each process hears all devices, at its start at once
            subscription=Subscription(
                client_id=f"ngatu-ingest-{name}-status", filters=[subscription("status")], receive_maximum=500
            ),
            limits=Limits(messages=50, payload_bytes=4 * MEGABYTE),
        ),
        Plan(
            name="evidence",
            subscription=Subscription(
                client_id=f"ngatu-ingest-{name}-evidence", filters=shared("evidence"), receive_maximum=32
            ),
            limits=Limits(messages=16, payload_bytes=4 * MEGABYTE),
        ),
        Plan(
            name="bulk",
            subscription=Subscription(
                client_id=f"ngatu-ingest-{name}-bulk", filters=shared("readings", "traffic"), receive_maximum=4000
            ),
            limits=Limits(messages=4000, payload_bytes=32 * MEGABYTE, flush_s=0.05),
        ),
    ]
