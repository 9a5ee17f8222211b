"""Ports of this machine."""

import socket

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if it is free, else the next that is; 0: any."""
    if wanted == 0:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
            return port
    for port in range(wanted, min(wanted + 200, 65_536)):
        if is_free(port):
            return port
    raise OSError(f"ports {wanted} to {wanted + 199} are all taken: end what holds them")
