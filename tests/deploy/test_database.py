import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ngatu.process.guard import Guard
from storage.migrate import migrate
from tests.deploy import compose
from tests.servers import PostgresServer, running_postgres

DASHBOARDS = sorted((compose.ROOT / "deploy/grafana/dashboards").glob("*.json"))


def as_role(server: PostgresServer, role: str, database: str = "ngatu") -> str:
    return server.cluster.dsn(database).replace("postgres@", f"{role}@", 1)


@pytest.fixture(scope="module")
def city(packages: Path, server_folder: Path, guard: Guard) -> Iterator[PostgresServer]:
    """A cluster as compose makes it: roles.sh, migrations by the role `ngatu`, grants.sql."""
    with running_postgres(packages, server_folder / "compose-postgres", guard) as server:
        environ = {
            "PATH": f"{server.cluster.bin}:{os.defpath}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.cluster.port),
            **{name: value for name, value in compose.filled().items() if name.endswith("DB_PASSWORD")},
        }
        subprocess.run(["/bin/sh", compose.ROOT / "deploy/postgres/roles.sh"], env=environ, check=True)
        migrate(as_role(server, "ngatu"))
        with psycopg.connect(as_role(server, "ngatu"), autocommit=True) as conn:
            conn.execute((compose.ROOT / "deploy/postgres/grants.sql").read_bytes())
        yield server


def expand(sql: str) -> str:
    """As Grafana does before it sends a panel's SQL."""
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", r"\1 BETWEEN now() - interval '1 day' AND now()", sql)
    sql = re.sub(r"\$\{\w+:sqlstring\}", "'a','b'", sql)
    sql = sql.replace("$__interval", "1m")
    assert "$" not in sql, "a macro that this test does not know"
    return sql


def queries() -> Iterator[object]:
    for file in DASHBOARDS:
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield pytest.param(target["rawSql"], target["format"], id=f"{board['title']}: {panel['title']}")
        for variable in board["templating"]["list"]:
            yield pytest.param(variable["query"], "table", id=f"{board['title']}: variable {variable['name']}")


@pytest.mark.parametrize(("sql", "shape"), list(queries()))
def test_grafana_may_run_each_panel(city: PostgresServer, sql: str, shape: str) -> None:
    with psycopg.connect(as_role(city, "grafana"), autocommit=True) as conn:
        cursor = conn.execute(expand(sql).encode())
    columns = [column.name for column in cursor.description or ()]
    assert columns
    if shape == "time_series":
        assert columns == ["time", "metric", "value"]


@pytest.mark.parametrize("table", ["console_user", "console_key", "evidence", "rejected"])
def test_grafana_may_not_read(city: PostgresServer, table: str) -> None:
    with (
        psycopg.connect(as_role(city, "grafana"), autocommit=True) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(f"SELECT FROM {table}".encode())


def test_grafana_may_not_write_nor_see_airflow(city: PostgresServer) -> None:
    with psycopg.connect(as_role(city, "grafana"), autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM device")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(as_role(city, "grafana", "airflow"))


def test_nobody_who_enters_is_a_superuser(city: PostgresServer) -> None:
    with psycopg.connect(city.cluster.dsn()) as conn:
        found = conn.execute("SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin").fetchall()
    assert found == [("postgres",)]


def test_a_dashboard_uses_the_provisioned_data_source() -> None:
    source = (compose.ROOT / "deploy/grafana/provisioning/datasources/ngatu.yaml").read_text()
    used = {
        target["datasource"]["uid"]
        for file in DASHBOARDS
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    }
    assert len(DASHBOARDS) == 3
    assert all(f"uid: {uid}\n" in source for uid in used)
