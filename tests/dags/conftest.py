"""Airflow of its own for these tests: its home and its connection stand in the environment before it is imported."""

import atexit
import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HOME = Path(tempfile.mkdtemp(prefix="ngatu-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)  # after Airflow's own last words
DAGS = Path(__file__).parents[2] / "dags"
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def airflow() -> None:
    """Its metadata, made once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own start-up: SQLAlchemy and its providers warn about each other
        from airflow.utils.db import initdb

        initdb()


@pytest.fixture
def connected(airflow: None, dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: ARG001 — set up first
    """The connection `ngatu` leads to this test's database."""
    monkeypatch.setenv("AIRFLOW_CONN_NGATU", dsn.replace("postgresql://", "postgres://", 1))
    return dsn


@pytest.fixture
def dag_of(connected: str) -> Callable[[str], Any]:  # noqa: ARG001 — a DAG is only run where `ngatu` leads somewhere
    """Load `dags/<name>.py` as Airflow does, and give its DAG, known to the metadata."""

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"dag_file_{name}", DAGS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        (dag,) = [made for made in vars(module).values() if type(made).__name__ == "DAG"]
        return dag

    return load
