"""`python -m console`: serve the pages and the API until SIGTERM."""

import logging
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from console.app import make_app
from console.settings import BadSettingError, Settings, settings_from

log = logging.getLogger("console")


def main() -> int:
    """Run the console; return 0 when asked to stop, 2 for a wrong setting, 1 where its port is taken."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = settings_from(os.environ)
    except BadSettingError as error:
        log.critical("%s", error)
        return 2
    try:
        listener = bind(settings)
    except OSError as error:
        log.critical(
            "%s:%d cannot be used (%s): set NGATU_HOST and NGATU_PORT to a free one",
            settings.host,
            settings.port,
            error,
        )
        return 1
    serve(settings, listener)
    return 0


def bind(settings: Settings) -> socket.socket:
    """Take the port.

    Raises:
        OSError: it is taken, or the address is not ours.
    """
    family, kind, proto, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, proto)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    # uvicorn stops gracefully on a signal and then raises it again, for whoever was there before: us.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    app = make_app(settings)
    log.info("console=up address=http://%s:%d", settings.host, listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=2, ws="websockets-sansio"
    )
    uvicorn.Server(config).run(sockets=[listener])


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
