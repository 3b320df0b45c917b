"""Pool driver `haproxy`: the hosts of an environment are servers of one backend a component, `ENVIRONMENT_COMPONENT`.

Two ways to take a host away from its users. `socket`: its weight and state, first in the configuration file, then in
the running HAProxy, so that a reload at any moment changes nothing. `health`: a file on the host, which its health
check or agent reads; that needs no right on any balancer. HAProxy 2.4 and newer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sluicegate.balancers.haproxy import reading
from sluicegate.balancers.haproxy.configuration import PROBES, PoolLayout, Session, missing_lines, pool_fragments
from sluicegate.balancers.haproxy.runtime import HaproxyProcess
from sluicegate.balancers.haproxy.servers import Server, edited, read_servers
from sluicegate.balancers.haproxy.statistics import merged, says, serving_of
from sluicegate.balancers.routes import read_routes
from sluicegate.errors import Conflict, NotFound, SluicegateError
from sluicegate.model.config import Config
from sluicegate.model.serving import Serving, Standing, Stay
from sluicegate.model.settings import Settings
from sluicegate.ports import Host
from sluicegate.tools.parallel import each

KEYS = ("servers", "socket", "host", "address")
GRACE = 3.0  # seconds that a request which is under way has when a host is taken out
SEEN = 10.0  # seconds until a health check has told HAProxy what a host says
AT_ONCE = 20  # hosts that are told side by side
COMMANDS = 40  # on one line of the runtime socket, which takes 16 kB
WORDS: Mapping[Standing, str] = {"ready": "ready", "drain": "drain", "out": "maint"}
"""What an agent answers HAProxy, so what the file on a host says."""


@dataclass(frozen=True, kw_only=True)
class HaproxyPool:
    """One or several HAProxy that are kept equal, in front of the hosts of one environment."""

    processes: tuple[HaproxyProcess, ...]
    urls: tuple[str, ...]
    layout: PoolLayout
    members: Callable[[], tuple[str, ...]]
    hosts: Callable[[str], Host]
    flag: str = ""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> HaproxyPool:
        """Read `servers`, `socket`, `host`, `address` (or `at`), `routes`, `way` with its `file` and `agent`, and the
        session's `cookie`, `idle` and `life`."""
        settings.only(*KEYS, "at", "routes", "way", "file", "agent", "cookie", "sessions", "idle", "life")
        # Either its socket is told who is in, or a file that its health check reads.
        by_health = settings.choice("way", ("socket", "health"), "socket") == "health"
        if by_health != ("file" in settings.values):
            raise settings.fail(
                "'way: health' and 'file', the path on each host that its health check reads, go together"
            )
        places = reading.places(name, settings, KEYS)
        for below in places.values():
            below.only(*KEYS)
        routes = read_routes(settings, config)
        if not routes:
            raise settings.fail("'routes' is missing: which path leads to which component, such as {auth: /}", "routes")
        session = reading.session(settings)
        layout = PoolLayout(
            name=name,
            servers="" if by_health else next(iter(places.values())).text("servers"),
            routes=dict(sorted(routes.items(), key=lambda route: -len(route[1]))),
            probes={component: config.components[component].probe for component in routes},
            session=session,
            by_health=by_health,
            agent=settings.number("agent", 0),
        )
        return cls(
            processes=tuple(
                reading.process(place, below, config, hosts, file="" if by_health else "servers")
                for place, below in places.items()
                if not by_health or "socket" in below.values
            ),
            urls=tuple(reading.address(below) for below in places.values()),
            layout=layout,
            members=lambda: tuple(host for group in config.environments[name].groups for host in config.groups[group]),
            hosts=hosts,
            flag=settings.text("file", ""),
        )

    @property
    def stay(self) -> Stay | None:
        session: Session | None = self.layout.session
        return Stay(idle=session.idle, life=session.life) if session else None

    @cached_property
    def backends(self) -> frozenset[str]:
        return frozenset(f"{self.layout.name}_{component}" for component in self.layout.routes)

    def turn(self, hosts: Sequence[str], to: Standing) -> None:
        for host in hosts:
            if host not in self.members():
                raise self._unknown(host)
        if not hosts:
            return
        if self.flag:
            self._tell_hosts(hosts, to)
        else:
            self._turn_servers(hosts, to)
        if to == "out":
            self._cut(hosts)

    def survey(self) -> dict[str, Serving]:
        by_host: dict[str, Serving] = {}
        for process in self.processes:
            seen = self._seen_by(process)
            by_host = {
                host: merged(by_host[host], serving, process.name) if host in by_host else serving
                for host, serving in seen.items()
            }
        if not self.processes:
            return {host: Serving(standing=None, in_flight=None) for host in self.members()}
        return {host: by_host[host] for host in self.members() if host in by_host}

    def addresses(self, component: str) -> tuple[str, ...]:
        if component not in self.layout.routes:
            return ()
        return tuple(f"{url}{PROBES}/{component}" for url in self.urls)

    def configuration(self, upstreams: Mapping[str, Mapping[str, str]], *, against: str | None = None) -> str:
        text = pool_fragments(self.layout, upstreams)
        if against is None:
            return text
        # who takes users now is no difference
        return "".join(f"{line}\n" for line in missing_lines(_all_ready(text, self), _all_ready(against, self)))

    def _turn_servers(self, hosts: Sequence[str], to: Standing) -> None:
        """File first, then the process, then look, at each HAProxy; before that what would keep any from it."""
        texts = {}
        for process in self.processes:
            process.refuse_unchangeable()
            texts[process] = process.read_file(self._no_file(process))
            named = {server.host for server in read_servers(texts[process], self.backends)}
            for host in hosts:
                if host not in named:
                    raise self._unknown(host, f"; {process.file} of {process.name} has no server of that name")
        for process, text in texts.items():
            written = edited(text, self.backends, hosts, to)
            if written != text:
                process.write_file(written.encode())
            self._use(process, [s for s in read_servers(written, self.backends) if s.host in hosts])

    def _use(self, process: HaproxyProcess, servers: Sequence[Server]) -> None:
        """Make the running HAProxy do what its file says of these servers; once more where a reload came between."""
        wanted = {server.host: server.standing for server in servers}
        commands = [command for server in servers for command in _commands(server)]
        for _ in range(3):
            for start in range(0, len(commands), COMMANDS):
                process.ask("; ".join(commands[start : start + COMMANDS]))
            seen = self._seen_by(process)
            odd = {host: seen[host].standing if host in seen else None for host in wanted}
            odd = {host: standing for host, standing in odd.items() if standing != wanted[host]}
            if not odd:
                return
        odd_hosts = ", ".join(f"{host} is {standing or 'unknown'}" for host, standing in odd.items())
        raise Conflict(
            f"the balancer {process.name} does not do what was written into {process.file}: {odd_hosts}",
            hint="compare its configuration: sluicegate balancer config ENV --against haproxy.cfg",
        )

    def _tell_hosts(self, hosts: Sequence[str], to: Standing) -> None:
        def tell(name: str) -> None:
            host = self.hosts(name)
            word = WORDS[to]
            script = 'rm -f "$1"' if to == "ready" else 'echo "$2" > "$1.new" && mv -f "$1.new" "$1"'
            done = host.run(["sh", "-c", script, "sh", self.flag, word])
            if done.status != 0:
                raise SluicegateError(f"{name}: its file {self.flag} cannot be written: {done.error_text}")

        results = each(hosts, tell, AT_ONCE)
        if results.first_failure is not None:
            raise results.first_failure
        if not self.processes:  # nobody can be asked; the next checks see it
            time.sleep(SEEN / 5)
            return
        deadline = time.monotonic() + SEEN
        while odd := [host for host, serving in self.survey().items() if host in hosts and not says(serving, to)]:
            if time.monotonic() > deadline:
                raise SluicegateError(
                    f"HAProxy does not see within {SEEN:g} s that {', '.join(odd)} says '{WORDS[to]}'",
                    hint=f"does the health check, or the agent, of these hosts read {self.flag}?",
                )
            time.sleep(0.1)

    def _cut(self, hosts: Sequence[str]) -> None:
        """Let what is under way end for a moment, then cut it off, where the socket may."""
        deadline = time.monotonic() + GRACE
        while self.processes and any(serving.in_flight for host, serving in self.survey().items() if host in hosts):
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            for process in self.processes if not self.flag else ():
                for backend in sorted(self.backends):
                    servers = {row["svname"] for row in process.statistics() if row["pxname"] == backend}
                    for host in servers & set(hosts):
                        process.ask(f"shutdown sessions server {backend}/{host}")
            return

    def _seen_by(self, process: HaproxyProcess) -> dict[str, Serving]:
        """Host -> how this HAProxy sees it, over the backends that it is a server of."""
        by_host: dict[str, Serving] = {}
        for row in process.statistics():
            if row["pxname"] in self.backends:
                serving = serving_of(row)
                by_host[row["svname"]] = (
                    merged(by_host[row["svname"]], serving) if row["svname"] in by_host else serving
                )
        if not by_host:
            raise Conflict(
                f"the balancer {process.name} has none of the backends {', '.join(sorted(self.backends))}",
                hint="compare its configuration: sluicegate balancer config ENV --against haproxy.cfg",
            )
        return by_host

    def _unknown(self, host: str, more: str = "") -> NotFound:
        return NotFound(
            f"no host of the pool of {self.layout.name} is called '{host}'{more}",
            hint=f"compare its configuration: sluicegate balancer config {self.layout.name} --against haproxy.cfg",
        )

    def _no_file(self, process: HaproxyProcess) -> NotFound:
        return NotFound(
            f"{process.name}: the file {process.file} with the pool's servers is not there",
            hint=f"sluicegate balancer config {self.layout.name} prints it; HAProxy reads it with -f",
        )


def _commands(server: Server) -> list[str]:
    place = f"{server.backend}/{server.host}"
    if server.standing == "out":
        return [f"set server {place} state maint"]
    weight = server.weight if server.standing == "ready" else 0
    return [f"set server {place} weight {weight}", f"set server {place} state ready"]


def _all_ready(text: str, pool: HaproxyPool) -> str:
    return edited(text, pool.backends, pool.members(), "ready")
