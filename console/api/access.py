"""Who is asking: a session's cookie, HTTP Basic, or a bearer token."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from console.database import Database
from console.doors import Doors, TooManyAttemptsError, WrongPasswordError
from console.live import Live
from console.settings import Settings
from storage.users import User

COOKIE: Final = "ngatu_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What every request may need."""

    settings: Settings
    database: Database
    doors: Doors
    live: Live


def console_of(request: Request) -> Console:
    """Return the parts that the application was made with."""
    found = request.app.state.console
    assert isinstance(found, Console)
    return found


Parts = Annotated[Console, Depends(console_of)]


def address_of(request: Request) -> str:
    """Return where the request came from."""
    return request.client.host if request.client else "?"


def who_asks(request: Request, console: Parts) -> User:
    """Return the user, or answer 401 (429 after too many wrong passwords).

    A browser sends the cookie along by itself, so writing with it is taken from our own pages only.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() == "basic":
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
            return console.doors.check_basic(name, password, address_of(request))
        key = given if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        user = console.doors.user_of(key.strip()) if key else None
    except TooManyAttemptsError as error:
        raise HTTPException(429, str(error), {"Retry-After": f"{error.seconds:.0f}"}) from error
    except WrongPasswordError as error:
        raise HTTPException(401, str(error), {"WWW-Authenticate": 'Basic realm="ngatu"'}) from error
    except (binascii.Error, UnicodeDecodeError) as error:
        raise HTTPException(401, "the Authorization header is not name:password in base64") from error
    if user is None:
        raise HTTPException(401, "log in at /login, or send HTTP Basic or a bearer token")
    if not scheme and request.method not in {"GET", "HEAD"} and not _same_origin(request):
        raise HTTPException(403, "a session's cookie may write only from the console's own pages")
    return user


def may_act(user: Annotated[User, Depends(who_asks)]) -> User:
    """Return the user if they may change what operators see; planners only look."""
    if user.role == "planner":
        raise HTTPException(403, "planners look; ask for the role operator to act on alerts")
    return user


SignedIn = Annotated[User, Depends(who_asks)]
Operator = Annotated[User, Depends(may_act)]


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
