"""Balancer driver `haproxy`: the live group stands in a map; a swap changes its file and the running HAProxy.

Nothing is reloaded for a swap, and a reload at any moment changes nothing. HAProxy 2.4 and newer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sluicegate.balancers.haproxy import reading
from sluicegate.balancers.haproxy.configuration import PROBES, Layout, Upstreams, fragments, missing_lines
from sluicegate.balancers.haproxy.runtime import HaproxyProcess
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
        places = reading.places(name, settings, KEYS)
        for below in places.values():
            below.only(*KEYS)
        processes = tuple(reading.process(place, below, config, hosts, file="map") for place, below in places.items())
        if len({process.file for process in processes}) > 1:
            raise settings.fail("the balancers below 'at' name different map files; expected the same path on each")
        routes = read_routes(settings, config)
        layout = Layout(
            map_file=processes[0].file,
            groups=tuple(config.environments[name].groups) if name in config.environments else tuple(config.groups),
            routes=dict(sorted(routes.items(), key=lambda route: -len(route[1]))),  # the longest prefix is asked first
            probes={component: config.components[component].probe for component in routes},
            session=reading.session(settings),
        )
        return cls(
            processes=processes,
            urls=tuple(reading.address(below) for below in places.values()),
            layout=layout,
        )

    def live(self) -> str:
        """The group that new users reach. Raises Conflict when file and process, or two balancers, disagree."""
        live_groups = {
            place: entries.get("live", "nothing")
            for process in self.processes
            for place, entries in (
                (f"{process.name}", process.running()),
                (f"the map file {process.file} of {process.name}", process.written()),
            )
        }
        if len(set(live_groups.values())) > 1:
            raise Conflict(
                f"the balancer does not agree on who is live: {'; '.join(f'{p}: {g}' for p, g in live_groups.items())}",
                hint="make it so again: sluicegate resume; without an interrupted swap, correct the file and reload",
            )
        (group,) = set(live_groups.values())
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
            process.running()  # refuses a map that HAProxy does not use
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
