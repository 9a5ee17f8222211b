"""The command line: `ngatu VERB …`, one module of `ngatu/commands/` for each verb or group of verbs."""

import importlib
import logging
import pkgutil
import sys

import typer

import ngatu.commands
from ngatu.city import BadCity
from ngatu.demo.site import DemoStopped
from ngatu.prepare import NotPrepared
from ngatu.process.child import ChildFailed
from ngatu.servers.debs import PackagesUnavailable
from vision.errors import VisionError

TOLD = (
    BadCity,
    ChildFailed,
    DemoStopped,
    NotPrepared,
    PackagesUnavailable,
    VisionError,
)  # their message says what to do: no traceback


def build() -> typer.Typer:
    """Return the application: a module's `app` is a group of verbs, else its function of the same name is a verb."""
    whole = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    whole.callback()(_begin)
    for found in pkgutil.iter_modules(ngatu.commands.__path__):
        module = importlib.import_module(f"ngatu.commands.{found.name}")
        verb = found.name.replace("_", "-")
        if hasattr(module, "app"):
            whole.add_typer(module.app, name=verb)
        else:
            whole.command(verb)(getattr(module, found.name))
    return whole


def _begin() -> None:
    """Ngã Tư: city sensors and cameras, from the street to the operator's page."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


def main() -> None:
    """Run one verb; exit 0 only when what it checks holds."""
    try:
        build()()
    except TOLD as error:
        sys.exit(f"ngatu: {error}")


if __name__ == "__main__":
    main()
