"""What the console tells Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()
LISTENERS: Final = Gauge("ngatu_console_listeners", "Pages and event streams that are open now.", registry=REGISTRY)
LISTENING: Final = Gauge("ngatu_console_database_up", "1 while the database is heard.", registry=REGISTRY)
TOLD: Final = Counter("ngatu_console_told", "What was told to open pages.", ["event"], registry=REGISTRY)
LOGINS: Final = Counter("ngatu_console_logins", "Attempts to log in.", ["result"], registry=REGISTRY)
ACTIONS: Final = Counter("ngatu_console_actions", "What operators did about alerts.", ["action"], registry=REGISTRY)
REQUESTS: Final = Counter("ngatu_console_requests", "API requests.", ["status"], registry=REGISTRY)
OVERDUE: Final = Gauge(
    "ngatu_aggregate_overdue",
    "1 where aggregates are further behind than a healthy night explains.",
    ["source", "level"],
    registry=REGISTRY,
)
BEHIND: Final = Gauge(
    "ngatu_aggregate_behind_seconds",
    "Age of the last computed bucket's end; level late: how long rows that came late have waited.",
    ["source", "level"],
    registry=REGISTRY,
)
TROUBLES: Final = Gauge(
    "ngatu_dag_troubles",
    "Runs that failed for good or missed their deadline in the last hour.",
    ["dag", "kind"],
    registry=REGISTRY,
)
DELAY: Final = Histogram(
    "ngatu_console_alert_delay_seconds",
    "From the frame that decided an incident to the console's telling its pages.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 2, 5, 10, 60, 600),
    registry=REGISTRY,
)
