"""mqtts: a Mosquitto with a certificate of an authority of this test's own."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from events.reading import Reading, encode_senml
from ingest.__main__ import run
from ingest.consumer import BrokerAddress, Consumer, Subscription
from ingest.mqtt.connection import Connection, Login
from ingest.settings import Settings
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto
from ngatu.servers.mosquitto import BrokerSite
from tests.ingest.conftest import now, scalar
from tests.servers import Broker, WaitFor

if TYPE_CHECKING:
    from ingest.item import Arrival

FILES = {"ca": "city.pem", "cert": "broker.pem", "key": "broker.key"}


def authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = _builder(subject, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signed = certificate.add_extension(usage, True).add_extension(identifier, False).sign(key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return signed, key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    today = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=today - timedelta(days=1),
        not_valid_after=today + timedelta(days=1),
    )


@pytest.fixture
def folder(server_folder: Path, request: pytest.FixtureRequest) -> Path:
    """Where the broker, another user, may read."""
    made = server_folder / f"tls-{abs(hash(request.node.nodeid))}"
    made.mkdir()
    made.chmod(0o755)
    return made


@pytest.fixture
def secure_url(packages: Path, folder: Path, guard: Guard) -> Iterator[str]:
    """A broker with a second listener, for TLS, at 127.0.0.1 and localhost."""
    ca, ca_key = authority(folder, "city")
    authority(folder, "stranger")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = _builder(subject, ca.subject, key).add_extension(names, False).add_extension(known, False)
    pem = serialization.Encoding.PEM
    (folder / "broker.pem").write_bytes(builder.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "broker.key").write_bytes(private)
    site = BrokerSite(packages=packages, folder=folder / "mosquitto", port=free_port())
    port = free_port()
    mosquitto.initialise(site)
    with (site.folder / "mosquitto.conf").open("a") as configuration:
        files = "".join(f"{what}file {folder}/{file}\n" for what, file in FILES.items())
        configuration.write(f"listener {port}\n{files}")
    server = Broker(site, guard)
    server.start()
    yield f"mqtts://127.0.0.1:{port}"
    server.stop()


def test_readings_come_through_tls_into_the_database(
    dsn: str, db: psycopg.Connection, secure_url: str, folder: Path, wait_for: WaitFor
) -> None:
    environ = {"NGATU_DSN": dsn, "NGATU_MQTT_URL": secure_url, "NGATU_MQTT_CA": str(folder / "city.pem")}
    settings, stopped, results = Settings.read(environ), threading.Event(), list[bool]()
    thread = threading.Thread(target=lambda: results.append(run(settings, stopped.is_set)))
    thread.start()
    sender = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    sender.tls_set_context(ssl.create_default_context(cafile=str(folder / "city.pem")))
    payload = encode_senml([Reading("temp", now(), 20.5, "Cel")], "box")

    def stored() -> bool:
        sender.publish("ngatu/v1/box/readings", payload, qos=1).wait_for_publish(10)
        return scalar(db, "SELECT count(*) FROM foreign_reading") == 1

    try:
        sender.connect(settings.broker.host, settings.broker.port)
        sender.loop_start()
        wait_for(stored, timeout=30)
    finally:
        sender.disconnect()
        sender.loop_stop()
        stopped.set()
        thread.join(30)
    assert results == [True]


def test_much_goes_both_ways_at_once(secure_url: str, folder: Path, wait_for: WaitFor) -> None:
    address = BrokerAddress.parse(secure_url, ca_file=str(folder / "city.pem"))
    arrived: list[Arrival] = []

    def deliver(arrivals: object) -> None:
        assert isinstance(arrivals, list)
        arrived.extend(arrivals)
        consumer.acknowledge([arrival.token for arrival in arrivals])

    consumer = Consumer(address, Subscription(client_id="both", filters=["t/#"], receive_maximum=500), deliver)
    consumer.start()
    try:
        wait_for(lambda: "t/#" in consumer.listen([]), timeout=20)
        for number in range(3000):
            consumer.publish(f"t/{number}", bytes([number % 256]) * 1500)
        wait_for(lambda: len(arrived) == 3000, timeout=60)
    finally:
        consumer.stop()
    assert [arrival.topic for arrival in arrived] == [f"t/{number}" for number in range(3000)]
    assert all(arrival.payload == bytes([number % 256]) * 1500 for number, arrival in enumerate(arrived))


def test_a_broker_of_another_authority_or_name_is_not_spoken_to(secure_url: str, folder: Path) -> None:
    stranger = BrokerAddress.parse(secure_url, ca_file=str(folder / "stranger.pem"))
    with pytest.raises(ssl.SSLCertVerificationError):
        Connection(stranger.host, stranger.port, Login(client_id="c"), stranger.tls)
    city = BrokerAddress.parse(secure_url, ca_file=str(folder / "city.pem"))
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        Connection("127.0.0.2", city.port, Login(client_id="c"), city.tls)


def test_a_file_that_holds_no_authority_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for file in ("empty.pem", "missing.pem"):
        with pytest.raises(ValueError, match=rf"NGATU_MQTT_URL: .*{file}: no certificates"):
            Settings.read({"NGATU_DSN": "x", "NGATU_MQTT_URL": "mqtts://b", "NGATU_MQTT_CA": str(tmp_path / file)})
