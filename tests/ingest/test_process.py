"""What an ingest process says of itself, and what it needs to be allowed."""

import json
import urllib.error
import urllib.request

import psycopg
import pytest

from events.fact import to_json
from events.reading import Reading
from events.status import Status
from ingest.consumer import BrokerAddress
from ingest.settings import Settings
from ngatu.process.ports import free_port
from tests.ingest.conftest import Device, StartIngest, now, scalar
from tests.servers import Broker, WaitFor


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_count_what_is_stored_repeated_rejected_and_missing(
    device: Device, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    port = free_port()
    start_ingest(NGATU_METRICS_PORT=str(port))
    first = device.send_readings(Reading("n", now(), 1.0), Reading("m", now(), 1.0))
    device.send_readings(Reading("n", now(), 1.0), message_id=first)
    bad = device.next_id("readings")
    device.send("readings", b"nonsense", bad)
    device.send_status(Status(state="online", connection=1, n=1, streams={first.stream: 12}))
    wait_for(lambda: device.knows_stored(first, bad))
    wait_for(lambda: 'ngatu_ledger_gap_messages{explained="false"} 10.0' in get(port, "/metrics")[1])
    shown = get(port, "/metrics")[1]
    for line in (
        'ngatu_ingest_messages_total{lane="bulk"} 1.0',
        'ngatu_ingest_readings_total{lane="bulk"} 2.0',
        'ngatu_ingest_duplicates_total{lane="bulk"} 1.0',
        f'ngatu_ingest_rejected_total{{device="{device.name}",reason="json"}} 1.0',
        'ngatu_ingest_batch_messages_count{lane="bulk"}',
        'ngatu_ingest_lag_seconds_sum{lane="bulk"}',
    ):
        assert line in shown
    assert get(port, "/elsewhere")[0] == 404


def test_health_says_which_part_is_ill(private_broker: Broker, start_ingest: StartIngest, wait_for: WaitFor) -> None:
    port = free_port()
    start_ingest(NGATU_METRICS_PORT=str(port), NGATU_MQTT_URL=private_broker.url)
    wait_for(lambda: get(port, "/healthz")[0] == 200)
    private_broker.stop()
    wait_for(lambda: get(port, "/healthz")[0] == 503)
    assert json.loads(get(port, "/healthz")[1])["ailments"]["bulk"] == "the broker is away"
    private_broker.start()
    wait_for(lambda: get(port, "/healthz")[0] == 200, timeout=20)


def test_the_access_list_allows_ingest_all_that_it_does(
    db: psycopg.Connection, guarded_broker: Broker, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    device = Device(guarded_broker, "camera-a", password=guarded_broker.site.users["camera-a"])
    start_ingest(
        NGATU_MQTT_URL=f"mqtt://ingest@127.0.0.1:{guarded_broker.port}",
        NGATU_MQTT_PASSWORD=guarded_broker.site.users["ingest"],
    )
    message = device.send_readings(Reading("n", now(), 1.0))
    wait_for(lambda: device.knows_stored(message))
    device.send("readings", b"", None)  # not numbered: from now on it is heard by name, too
    wait_for(lambda: scalar(db, "SELECT count(*) FROM rejected") == 1)
    device.close()


def test_a_wrong_password_is_one_line_that_says_so(guarded_broker: Broker, start_ingest: StartIngest) -> None:
    with pytest.raises(Exception, match=r"refused client=.* check user, password and ACL"):
        start_ingest(NGATU_MQTT_URL=guarded_broker.url, timeout=5)


def test_a_retained_status_is_known_to_an_ingest_that_starts_later(
    db: psycopg.Connection, device: Device, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    device.send("status", to_json(Status(state="online", connection=3, n=1)), None, retain=True)
    start_ingest()
    known = "SELECT count(*) FROM device WHERE name = %s AND online AND status_connection = 3"
    wait_for(lambda: scalar(db, known, device.name) == 1)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "set NGATU_DSN, such as"),
        ({"NGATU_DSN": "x"}, "set NGATU_MQTT_URL, such as"),
        ({"NGATU_DSN": "x", "NGATU_MQTT_URL": "localhost:1883"}, "NGATU_MQTT_URL: 'localhost:1883' is not mqtt://"),
        ({"NGATU_DSN": "x", "NGATU_MQTT_URL": "mqtt://b:x"}, "NGATU_MQTT_URL: "),
        ({"NGATU_DSN": "x", "NGATU_MQTT_URL": "mqtt://b", "NGATU_METRICS_PORT": "http"}, "NGATU_METRICS_PORT: 'http'"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.read(environ)


def test_the_password_comes_from_a_variable_of_its_own() -> None:
    settings = Settings.read({"NGATU_DSN": "x", "NGATU_MQTT_URL": "mqtt://me@b", "NGATU_MQTT_PASSWORD": "p@ss"})
    assert settings.broker == BrokerAddress(host="b", port=1883, username="me", password="p@ss")
