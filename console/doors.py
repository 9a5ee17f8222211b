"""Who may come in: passwords, sessions, tokens, and patience with those who guess."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from itsdangerous import BadSignature, Signer
from psycopg import Connection
from pwdlib import PasswordHash

from console.database import Database
from storage import users
from storage.users import KeyKind, Role, User

SESSION: Final = timedelta(days=7)
LONGEST_PASSWORD: Final = 256  # argon2's cost grows with it


class WrongPasswordError(PermissionError):
    """The name or the password is wrong; which, is not said."""


class TooManyAttemptsError(PermissionError):
    """Attributes: seconds: how long to wait."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"too many attempts: wait {seconds:.0f} s")


class Throttle:
    """Waits that double with each failure beyond a few that are free."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._failures: dict[str, tuple[int, float]] = {}  # count, when the next attempt is allowed
        self._lock = threading.Lock()

    def attempt(self, limits: dict[str, int]) -> None:
        """Count an attempt under each key, where each has so many free ones.

        Raises:
            TooManyAttemptsError: one of the keys must wait.
        """
        now = self._clock()
        with self._lock:
            wait = max(self._failures.get(key, (0, now))[1] - now for key in limits)
            if wait > 0:
                raise TooManyAttemptsError(max(wait, 1))
            for key, free in limits.items():
                count = self._failures.pop(key, (0, now))[0] + 1
                self._failures[key] = (count, now + (min(300, 2.0 ** min(count - free, 9)) if count >= free else 0))
            while len(self._failures) > self._most:
                del self._failures[next(iter(self._failures))]

    def forgive(self, keys: dict[str, int]) -> None:
        """Forget the failures of those who proved who they are."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)


class Doors:
    """Checks passwords, hands out sessions and tokens, and knows whose they are."""

    def __init__(self, database: Database, secret: str | None) -> None:
        self._database = database
        self._secret = (secret or secrets.token_urlsafe(32)).encode()
        self._signer = Signer(self._secret, salt="ngatu-console-session")
        self._hash = PasswordHash.recommended()
        self._nobody = self._hash.hash(secrets.token_urlsafe(16))  # as slow for unknown names as for known ones
        self._hashing = threading.BoundedSemaphore(2)  # argon2 takes 64 MiB each
        self._throttle = Throttle()
        self._proven: dict[bytes, tuple[float, User]] = {}  # HTTP Basic sends the password with each request

    def check_password(self, name: str, password: str, address: str) -> User:
        """Return the user.

        Raises:
            WrongPasswordError: name or password is wrong.
            TooManyAttemptsError: too many were wrong lately.
            DatabaseAwayError: nobody can be looked up now.
        """
        name = name.strip().lower()[:64]
        mine = {f"{name} from {address}": 4}
        self._throttle.attempt(mine | {f"from {address}": 40, name: 100})
        with self._database.connection() as conn:
            user = users.find_user(conn, name)
        with self._hashing:
            right = self._hash.verify(password[:LONGEST_PASSWORD], user.password if user else self._nobody)
        if user is None or not right:
            raise WrongPasswordError("the name or the password is wrong")
        self._throttle.forgive(mine | {f"from {address}": 0})
        return user

    def check_basic(self, name: str, password: str, address: str) -> User:
        """As `check_password`, remembering for a minute that it was right."""
        key = hashlib.blake2b(f"{name}\0{password}".encode(), key=self._secret[:64]).digest()
        until, user = self._proven.get(key, (0.0, None))
        if user is not None and until > time.monotonic():
            return user
        user = self.check_password(name, password, address)
        if len(self._proven) > 1000:
            self._proven.clear()
        self._proven[key] = (time.monotonic() + 60, user)
        return user

    def open_session(self, user: User, kind: KeyKind = "session", lasting: timedelta = SESSION, label: str = "") -> str:
        """Return a signed key that stands for the user until it expires."""
        key = self._signer.sign(secrets.token_urlsafe(24)).decode()
        with self._database.connection() as conn:
            users.add_key(conn, user.name, _sha256(key), kind, datetime.now(UTC) + lasting, label)
        return key

    def user_of(self, key: str) -> User | None:
        """Return whose session or token this is."""
        try:
            self._signer.unsign(key)
        except BadSignature:
            return None
        with self._database.connection() as conn:
            return users.user_of_key(conn, _sha256(key))

    def close_session(self, key: str) -> None:
        """End the session."""
        with self._database.connection() as conn:
            users.drop_key(conn, _sha256(key))


def add_user(conn: Connection, name: str, password: str, role: Role) -> bool:
    """Add somebody who may log in; return False where the name is taken."""
    return users.add_user(conn, name.strip().lower(), role, PasswordHash.recommended().hash(password))


def change_password(conn: Connection, name: str, password: str) -> bool:
    """Set a new password and end all sessions; return False where there is nobody of that name."""
    return users.set_password(conn, name.strip().lower(), PasswordHash.recommended().hash(password))


def ensure_admin(conn: Connection, password: str | None) -> bool:
    """Where there is nobody yet, add `admin`; return whether somebody can log in now."""
    if users.has_users(conn):
        return True
    return password is not None and add_user(conn, "admin", password, "admin")


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
