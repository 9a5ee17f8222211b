"""People of the console, their sessions and tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

Role = Literal["operator", "planner", "admin"]
KeyKind = Literal["session", "token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in."""

    name: str
    role: Role
    password: str  # argon2id, as pwdlib writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program shows to act for its user; the token itself is nowhere kept."""

    id: str  # its hash, in hexadecimal
    label: str
    created: datetime
    expires: datetime


_USER = "SELECT name, role, password FROM console_user WHERE name = %s AND NOT disabled"
_ADD = "INSERT INTO console_user (name, role, password) VALUES (%s, %s, %s) ON CONFLICT (name) DO NOTHING"
_SET = "UPDATE console_user SET password = %s WHERE name = %s"
_ADD_KEY = """
INSERT INTO console_key (sha256, user_id, kind, label, expires)
SELECT %(sha256)s, id, %(kind)s, %(label)s, %(expires)s FROM console_user WHERE name = %(name)s
"""
_BY_KEY = """
SELECT u.name, u.role, u.password FROM console_key k JOIN console_user u ON u.id = k.user_id
WHERE k.sha256 = %s AND k.expires > now() AND NOT u.disabled
"""
_LIVING = """
SELECT encode(k.sha256, 'hex') AS id, k.label, k.created, k.expires
FROM console_key k JOIN console_user u ON u.id = k.user_id
WHERE u.name = %s AND k.kind = 'token' AND k.expires > now() ORDER BY k.created
"""
_END = """
DELETE FROM console_key k USING console_user u
WHERE u.id = k.user_id AND u.name = %s AND k.kind = 'token' AND encode(k.sha256, 'hex') = %s
"""


def find_user(conn: Connection[Any], name: str) -> User | None:
    """Return the user of this name, unless disabled."""
    with conn.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(_USER, (name,)).fetchone()


def has_users(conn: Connection[Any]) -> bool:
    """Tell whether anybody at all may log in."""
    return conn.execute("SELECT FROM console_user LIMIT 1").fetchone() is not None


def add_user(conn: Connection[Any], name: str, role: Role, password: str) -> bool:
    """Add a user whose argon2id hash is `password`; return False where the name is taken."""
    return conn.execute(_ADD, (name, role, password)).rowcount == 1


def set_password(conn: Connection[Any], name: str, password: str) -> bool:
    """Set the argon2id hash and end the user's sessions and tokens; return False where nobody has this name."""
    with conn.transaction():
        drop_keys(conn, name)
        return conn.execute(_SET, (password, name)).rowcount == 1


def add_key(conn: Connection[Any], name: str, sha256: bytes, kind: KeyKind, expires: datetime, label: str = "") -> None:
    """Remember a session or token of `name` by its hash; forget those that have ended."""
    with conn.transaction():
        conn.execute("DELETE FROM console_key WHERE expires < now()")
        conn.execute(_ADD_KEY, {"sha256": sha256, "kind": kind, "label": label, "expires": expires, "name": name})


def user_of_key(conn: Connection[Any], sha256: bytes) -> User | None:
    """Return whose session or token this is, while it lives."""
    with conn.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(_BY_KEY, (sha256,)).fetchone()


def drop_key(conn: Connection[Any], sha256: bytes) -> None:
    """End one session or token."""
    conn.execute("DELETE FROM console_key WHERE sha256 = %s", (sha256,))


def drop_keys(conn: Connection[Any], name: str) -> None:
    """End all of a user's sessions and tokens."""
    conn.execute("DELETE FROM console_key USING console_user u WHERE u.id = user_id AND u.name = %s", (name,))


def tokens_of(conn: Connection[Any], name: str) -> list[Token]:
    """Return a user's tokens that still live, oldest first."""
    with conn.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute(_LIVING, (name,)).fetchall()


def end_token(conn: Connection[Any], name: str, token: str) -> bool:
    """End one token of this user; return False where they have no such token."""
    return conn.execute(_END, (name, token)).rowcount == 1
