import os
import socket
import stat
from pathlib import Path

import psycopg
import pytest

from ngatu.home import CHECKOUT, SYSTEM_HOME, find_home, reachable_by_all
from ngatu.passwords import kept_passwords
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port, is_free
from ngatu.servers import mosquitto, postgres
from tests.servers import Broker, PostgresServer


def test_a_home_that_is_named_is_used_and_made(tmp_path: Path) -> None:
    assert find_home({"NGATU_HOME": str(tmp_path / "a/b")}) == tmp_path / "a/b"
    assert (tmp_path / "a/b").is_dir()


def test_home_is_in_the_checkout_unless_root_s_stand_in_cannot_reach_it() -> None:
    out_of_reach = os.geteuid() == 0 and not reachable_by_all(CHECKOUT)
    assert find_home({}) == (SYSTEM_HOME if out_of_reach else CHECKOUT / ".ngatu")


def test_a_folder_behind_a_closed_one_is_out_of_reach(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    assert not reachable_by_all(closed / "inner")


def test_a_busy_port_is_passed_over() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        held = holder.getsockname()[1]
        assert not is_free(held)
        assert held < free_port(held) < held + 200


def test_passwords_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    first, second = kept_passwords(file), kept_passwords(file)
    assert first == second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_passwords(tmp_path / "other.json").admin != first.admin
    assert len(set(first.broker_users().values())) == len(first.broker_users())


def test_a_cluster_with_a_password_lets_nobody_in_without(packages: Path, server_folder: Path, guard: Guard) -> None:
    cluster = postgres.Cluster(packages=packages, folder=server_folder / "secret", port=free_port(), password="s3cret")
    postgres.initialise(cluster)
    server = PostgresServer(cluster, guard)
    server.start()
    try:
        with psycopg.connect(cluster.dsn()) as conn:
            assert conn.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
        for wrong in ("postgresql://postgres@", "postgresql://postgres:guess@"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"{wrong}127.0.0.1:{cluster.port}/postgres")
    finally:
        server.stop()
    assert not any("s3cret" in file.read_text(errors="replace") for file in (server_folder / "secret").glob("*.log"))


def test_what_was_committed_is_there_after_a_kill(private_postgres: PostgresServer) -> None:
    private_postgres.execute("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
    private_postgres.kill()
    private_postgres.start()
    with psycopg.connect(private_postgres.cluster.dsn()) as conn:
        assert conn.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_an_initialisation_that_was_cut_short_is_made_good(packages: Path, server_folder: Path, guard: Guard) -> None:
    cluster = postgres.Cluster(packages=packages, folder=server_folder / "cut", port=free_port())
    (cluster.data / "base").mkdir(parents=True)
    postgres.initialise(cluster)
    server = PostgresServer(cluster, guard)
    server.start()
    server.stop()


def test_a_setting_that_the_template_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="listner"):
        mosquitto.configured("listener 1883\n", {"listner": "1"})


def test_hashes_stand_in_the_broker_s_password_file_and_only_its_user_reads_it(guarded_broker: Broker) -> None:
    file = guarded_broker.site.folder / "passwords"
    text = file.read_text()
    assert sorted(line.split(":")[0] for line in text.splitlines()) == ["camera-a", "camera-b", "ingest"]
    assert not any(line.endswith((":one", ":two", ":three")) for line in text.splitlines())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
