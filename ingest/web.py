"""`/metrics` for Prometheus and `/healthz` for whoever restarts us."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import psycopg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from storage.agents import how_agents_are
from storage.connect import connect
from storage.gaps import gap_totals

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - Prometheus comes from another machine


AGENT_GAUGES: Final = {
    "outbox_messages": "Messages that wait in agents' outboxes, as they last said.",
    "outbox_bytes": "Bytes that wait in agents' outboxes, as they last said.",
    "outbox_fullest": "Share of its budget that the fullest outbox holds.",
    "outbox_oldest_s": "Age of the oldest message in an outbox, seconds.",
    "clock_offset_s": "The worst clock of an agent that is online: seconds from ours.",
}


class DatabaseCollector(Collector):
    """Asks the database at each scrape; says nothing while it is away. All processes of ingest say the same."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def describe(self) -> Iterable[Any]:
        """Nothing to say before a scrape: the database may be away at the start."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Messages that the database misses, and how the agents are."""
        try:
            with connect(self._dsn, application="ngatu ingest metrics", timeout=2) as conn:
                explained, unexplained = gap_totals(conn)
                agents = how_agents_are(conn)
        except psycopg.Error:
            return
        gaps = {"true": explained, "false": unexplained}
        yield _family("ngatu_ledger_gap_messages", "Messages that the database misses.", "explained", gaps)
        states = {"online": agents.online, "offline": agents.offline, "silent": agents.silent}
        yield _family("ngatu_agents", "Agents by state; silent ones are among those online.", "state", states)
        for name, said in AGENT_GAUGES.items():
            unit = name.removesuffix("_s")
            family = f"ngatu_agent_{unit}_seconds" if unit != name else f"ngatu_agent_{name}"
            yield GaugeMetricFamily(family, said, value=getattr(agents, name))


def _family(name: str, said: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, said, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


@contextmanager
def serving(
    port: int, registry: CollectorRegistry, ailments: Callable[[], Mapping[str, str]], host: str = EVERYWHERE
) -> Iterator[int]:
    """Answer in a thread of its own; gives the port (a free one for 0).

    Args:
        port: where to listen.
        registry: what /metrics shows.
        ailments: asked by /healthz: what keeps each part from working; empty means well.
        host: the interface to listen on.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry))
            elif self.path == "/healthz":
                ill = ailments()
                body = json.dumps({"status": "ill" if ill else "ok", "ailments": dict(ill)}).encode()
                self._answer(503 if ill else 200, "application/json", body)
            else:
                self._answer(404, "text/plain", b"/metrics or /healthz\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are no news."""

    server = ThreadingHTTPServer((host, port), Handler)
    thread = Thread(target=server.serve_forever, name="web", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
