"""`ngatu user`: who may log in to the console. Passwords are made here and shown once."""

import secrets
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Who may log in to the console.")
Dsn = Annotated[str, typer.Option(envvar="NGATU_DSN", help="the database")]


class Role(StrEnum):
    """What somebody may do."""

    operator = "operator"
    planner = "planner"
    admin = "admin"


@app.command()
def add(name: str, dsn: Dsn, role: Annotated[Role, typer.Option()] = Role.operator) -> None:
    """Add somebody, and show the password."""
    from console.doors import add_user
    from storage.connect import connect

    password = secrets.token_urlsafe(9)
    with connect(dsn, application="ngatu user") as conn:
        if not add_user(conn, name, password, role.value):
            raise typer.BadParameter(f"{name} is there already: ngatu user password {name} makes a new password")
    print(f"{name}: {role.value}, password {password}")


@app.command()
def password(name: str, dsn: Dsn) -> None:
    """Make a new password for somebody, end their sessions, and show it."""
    from console.doors import change_password
    from storage.connect import connect

    made = secrets.token_urlsafe(9)
    with connect(dsn, application="ngatu user") as conn:
        if not change_password(conn, name, made):
            raise typer.BadParameter(f"{name} is nobody: ngatu user add {name}")
    print(f"{name}: password {made}")
