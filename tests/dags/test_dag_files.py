"""All DAG files, as Airflow's dag-processor reads them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DAGS = sorted(path for path in (Path(__file__).parents[2] / "dags").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", [path.stem for path in DAGS])
def test_each_dag_says_what_it_is_and_how_it_fails(name: str, dag_of: Callable[[str], Any]) -> None:
    dag = dag_of(name)
    assert dag.dag_id == name
    assert dag.doc_md
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert dag.deadline
    for task in dag.tasks:
        assert task.retries > 0
        assert task.execution_timeout is not None
        assert task.on_failure_callback


def test_parsing_all_dag_files_takes_less_than_a_second() -> None:
    """Beyond importing Airflow itself, which the dag-processor has done before; ours is imported by the tasks alone."""
    code = (
        "import sys, time, runpy, airflow.sdk\n"
        "begun = time.process_time()\n"
        "for path in sys.argv[1:]: runpy.run_path(path)\n"
        "print(time.process_time() - begun)\n"
        "assert not {'storage', 'psycopg', 'numpy'} & set(sys.modules), 'our code is imported while a file is parsed'\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, DAGS)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 0, told.stderr
    assert float(told.stdout.split()[-1]) < 1
