"""Looks at TCP ports of this machine: is one free, does somebody listen?"""

from __future__ import annotations

import errno
import ipaddress
import socket
from functools import lru_cache

from sluicegate.errors import UsageError
from sluicegate.tools import door


@lru_cache
def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, whatever a name server says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_free(address: str, port: int) -> None:
    """Raise UsageError when no program of ours could listen there now."""
    door.passing(f"bind {address}:{port}")
    try:
        with _socket(address) as probe:
            # As servers do: connections of an earlier one that fade out (TIME_WAIT) are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} on {address} is in use by another program",
                hint=f"see which: ss -ltnp 'sport = :{port}'; stop it or choose another port",
            ) from problem
        raise UsageError(
            f"no program can listen on {address}:{port}: {problem.strerror or problem}",
            hint="choose an address of this machine and a port from 1024 on",
        ) from problem


def listens(address: str, port: int) -> bool:
    """True when somebody accepts connections there."""
    try:
        with _socket(address) as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((address, port)) == 0
    except OSError:
        return False


def _socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)


def keep_port() -> socket.socket:
    """A socket that keeps a port of 127.0.0.1 for a server that is still to be started, until the socket is closed.

    The kernel gives the port to nobody else; a server that sets SO_REUSEADDR, as all do, may listen there meanwhile.
    """
    kept = _socket("127.0.0.1")
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return kept


def port_of(kept: socket.socket) -> int:
    return int(kept.getsockname()[1])
