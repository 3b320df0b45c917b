"""What both drivers of HAProxy read from sluicegate.yaml: where each one is, and what bounds a session."""

from __future__ import annotations

import re
from collections.abc import Callable

from sluicegate.balancers.haproxy.configuration import Session
from sluicegate.balancers.haproxy.runtime import HaproxyProcess
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings, suggestion
from sluicegate.ports import Host


def places(name: str, settings: Settings, keys: tuple[str, ...]) -> dict[str, Settings]:
    """The settings of each HAProxy by its name: those below `at`, else those that stand in the balancer itself."""
    below = settings.below("at")
    own = settings.keys(*keys)
    if not below.values:
        return {name: own}
    if own.values:
        key = next(iter(own.values))
        raise settings.fail(f"'{key}' stands beside 'at'; expected it below each name there", key)
    return {place: below.below(place) for place in below.values}


def process(
    place: str, settings: Settings, config: Config, hosts: Callable[[str], Host], *, file: str
) -> HaproxyProcess:
    """One HAProxy; its file stands below the key `file`, '' for one that is only looked at."""
    path = settings.text(file) if file else ""
    socket, host = settings.text("socket"), settings.text("host", "")
    if file and not re.fullmatch(r"/[A-Za-z0-9._/+@-]+", path):
        raise settings.fail(f"'{file}' is '{path}', expected an absolute path without blanks or commas")
    if not re.fullmatch(r"/\S+|[A-Za-z0-9.-]+:[0-9]{1,5}", socket):
        raise settings.fail(f"'socket' is '{socket}', expected an absolute path, or ADDRESS:PORT", "socket")
    if file and not socket.startswith("/") and not host:
        raise settings.fail(
            f"the socket {socket} alone changes only what runs: the next reload would swap back; "
            f"name with 'host' where the {file} file is written"
        )
    if host and host not in config.hosts:
        raise settings.fail(f"no host is called '{host}'.{suggestion(host, [*config.hosts])}")
    reached = (lambda: hosts(host)) if host else None
    return HaproxyProcess(name=place, file=path, socket=socket, host=reached)


def address(settings: Settings) -> str:
    url = settings.text("address").rstrip("/")
    if not re.fullmatch(r"https?://[^/?#\s]+", url):
        raise settings.fail(f"'address' is '{url}', expected a form such as http://127.0.0.1:8080", "address")
    return url


def session(settings: Settings) -> Session | None:
    """The bound of kept sessions. Raises ConfigError where they are kept without one: they would never end."""
    keep = settings.choice("sessions", ("keep", "end"), "end") == "keep"
    if not keep:
        return None
    if "idle" not in settings.values or "life" not in settings.values:
        raise settings.fail("'sessions: keep' needs a bound: 'idle' (such as 30 min) and 'life' (such as 8 h)")
    cookie = settings.text("cookie", "SLUICEGATE")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", cookie):
        raise settings.fail(f"'cookie' is '{cookie}', expected a name of letters, digits, '_' and '-'", "cookie")
    return Session(cookie=cookie, idle=settings.span("idle"), life=settings.span("life"))
