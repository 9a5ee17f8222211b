"""Who may log in, from the command line."""

import psycopg
from pwdlib import PasswordHash
from typer.testing import CliRunner

from ngatu.commands.user import app
from storage.users import find_user


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


def hash_of(db: psycopg.Connection, name: str) -> str:
    user = find_user(db, name)
    assert user is not None
    return user.password


def test_somebody_is_added_once_and_the_password_shown_opens(dsn: str, db: psycopg.Connection) -> None:
    shown = said("add", "Lan", "--dsn", dsn, "--role", "planner").split()[-1]
    assert PasswordHash.recommended().verify(shown, hash_of(db, "lan"))
    assert "is there already" in said("add", "lan", "--dsn", dsn, code=2)


def test_a_new_password_replaces_the_old_one(dsn: str, db: psycopg.Connection) -> None:
    old = said("add", "minh", "--dsn", dsn).split()[-1]
    new = said("password", "minh", "--dsn", dsn).split()[-1]
    assert PasswordHash.recommended().verify(new, hash_of(db, "minh"))
    assert not PasswordHash.recommended().verify(old, hash_of(db, "minh"))
    assert "is nobody" in said("password", "nobody-here", "--dsn", dsn, code=2)
