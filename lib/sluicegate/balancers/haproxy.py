"""Balancer driver `haproxy`: the live group stands in a map; a swap changes its file and the running HAProxy.

Nothing is reloaded for a swap, and a reload at any moment changes nothing. HAProxy 2.4 and newer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sluicegate.balancers.haproxy_config import PROBES, Layout, Session, Upstreams, fragments, missing_lines
from sluicegate.balancers.haproxy_runtime import HaproxyProcess
from sluicegate.balancers.routes import read_routes
from sluicegate.errors import Conflict, UnknownName
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings, suggestion
from sluicegate.ports import Host

GRACE = 3.0  # seconds that a request which is under way has when sessions end
KEYS = ("map", "socket", "host", "address")


@dataclass(frozen=True, slots=True, kw_only=True)
class HaproxyBalancer:
    """One or several HAProxy that are kept equal. The map's keys: `live` (a group), `sessions` and `preview`."""

    processes: tuple[HaproxyProcess, ...]
    urls: tuple[str, ...]
    layout: Layout

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> HaproxyBalancer:
        """Read `map`, `socket`, `host`, `address` (or `at`: NAME -> those), `routes`, `cookie`, `idle` and `life`."""
        settings.only(*KEYS, "at", "routes", "cookie", "sessions", "idle", "life")
        places = _places(name, settings)
        processes = tuple(_process(place, below, config, hosts) for place, below in places.items())
        if len({process.map_file for process in processes}) > 1:
            raise settings.fail("the balancers below 'at' name different map files; expected the same path on each")
        routes = read_routes(settings, config)
        layout = Layout(
            map_file=processes[0].map_file,
            groups=tuple(config.environments[name].groups) if name in config.environments else tuple(config.groups),
            routes=dict(sorted(routes.items(), key=lambda route: -len(route[1]))),  # the longest prefix is asked first
            probes={component: config.components[component].probe for component in routes},
            session=_session(settings),
        )
        return cls(
            processes=processes,
            urls=tuple(_address(below) for below in places.values()),
            layout=layout,
        )

    def live(self) -> str:
        """The group that new users reach. Raises Conflict when file and process, or two balancers, disagree."""
        told = {
            place: entries.get("live", "nothing")
            for process in self.processes
            for place, entries in (
                (f"{process.name}", process.running()),
                (f"the map file {process.map_file} of {process.name}", process.written()),
            )
        }
        if len(set(told.values())) > 1:
            raise Conflict(
                f"the balancer does not agree on who is live: {'; '.join(f'{p}: {g}' for p, g in told.items())}",
                hint="make it so again: sluicegate resume; without an interrupted swap, correct the file and reload",
            )
        (group,) = set(told.values())
        if group not in self.layout.groups:
            raise Conflict(f"the balancer leads users to '{group}', expected one of {', '.join(self.layout.groups)}")
        return group

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        if to not in self.layout.groups:
            raise UnknownName(f"no group is called '{to}'.{suggestion(to, list(self.layout.groups))}")
        self._set({"live": to, "sessions": "keep" if keep_sessions else "end", "preview": "off"})

    def preview(self, on: bool) -> None:
        """Let testers reach the idle group through the users' address, or no more."""
        self._set(self.processes[0].written() | {"preview": "on" if on else "off"})

    def release(self) -> None:
        """End the sessions of the groups that are not live; what is still open to them after a moment is cut off."""
        live = self.live()
        self._set(self.processes[0].written() | {"sessions": "end"})
        deadline = time.monotonic() + GRACE
        while (connected := self._connected(live)) and time.monotonic() < deadline:
            time.sleep(0.1)
        for process, server in connected:
            process.ask(f"shutdown sessions server {server}")

    def addresses(self, component: str) -> tuple[str, ...]:
        if component not in self.layout.routes:
            return ()
        return tuple(f"{url}{PROBES}/{component}" for url in self.urls)

    def configuration(self, upstreams: Upstreams, *, against: str | None = None) -> str:
        text = fragments(self.layout, upstreams)
        return text if against is None else "".join(f"{line}\n" for line in missing_lines(text, against))

    def _set(self, entries: Mapping[str, str]) -> None:
        for process in self.processes:
            process.refuse_unchangeable()
        for process in self.processes:
            process.write(entries)
        for process in self.processes:
            process.use(entries)

    def _connected(self, live: str) -> list[tuple[HaproxyProcess, str]]:
        """The servers of other groups that somebody is still connected to: requests, websockets, event streams."""
        idle = tuple(f"{group}_" for group in self.layout.groups if group != live)
        return [
            (process, server)
            for process in self.processes
            for server, sessions in process.sessions().items()
            if server.startswith(idle) and sessions
        ]


def _places(name: str, settings: Settings) -> dict[str, Settings]:
    """The settings of each HAProxy by its name: those below `at`, else those that stand in the balancer itself."""
    below = settings.below("at")
    own = {key: value for key, value in settings.values.items() if key in KEYS}
    if not below.values:
        return {name: Settings(where=settings.where, values=own)}
    if own:
        raise settings.fail(f"'{next(iter(own))}' stands beside 'at'; expected it below each name there")
    return {place: below.below(place) for place in below.values}


def _process(place: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> HaproxyProcess:
    settings.only(*KEYS)
    map_file, socket, host = settings.text("map"), settings.text("socket"), settings.text("host", "")
    if not re.fullmatch(r"/[A-Za-z0-9._/+@-]+", map_file):
        raise settings.fail(f"'map' is '{map_file}', expected an absolute path without blanks or commas")
    if not re.fullmatch(r"/\S+|[A-Za-z0-9.-]+:[0-9]{1,5}", socket):
        raise settings.fail(f"'socket' is '{socket}', expected an absolute path, or ADDRESS:PORT")
    if not socket.startswith("/") and not host:
        raise settings.fail(
            f"the socket {socket} alone changes only what runs: the next reload would swap back; "
            "name with 'host' where the map file is written"
        )
    if host and host not in config.hosts:
        raise settings.fail(f"no host is called '{host}'.{suggestion(host, [*config.hosts])}")
    reached = (lambda: hosts(host)) if host else None
    return HaproxyProcess(name=place, map_file=map_file, socket=socket, host=reached)


def _address(settings: Settings) -> str:
    url = settings.text("address").rstrip("/")
    if not re.fullmatch(r"https?://[^/?#\s]+", url):
        raise settings.fail(f"'address' is '{url}', expected a form such as http://127.0.0.1:8080")
    return url


def _session(settings: Settings) -> Session | None:
    """The bound of kept sessions. Raises ConfigError where they are kept without one: they would never end."""
    keep = settings.choice("sessions", ("keep", "end"), "end") == "keep"
    if not keep:
        return None
    if "idle" not in settings.values or "life" not in settings.values:
        raise settings.fail("'sessions: keep' needs a bound: 'idle' (such as 30 min) and 'life' (such as 8 h)")
    cookie = settings.text("cookie", "SLUICEGATE")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", cookie):
        raise settings.fail(f"'cookie' is '{cookie}', expected a name of letters, digits, '_' and '-'")
    return Session(cookie=cookie, idle=settings.span("idle"), life=settings.span("life"))
