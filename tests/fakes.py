"""Stand-ins in memory for every port: no processes, no waiting. They pass the same contract tests as the drivers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sluicegate.errors import Conflict, Malformed, NotFound, RemoteUnavailable, SluicegateError, TimedOut, UnknownName
from sluicegate.hosts import places
from sluicegate.model.config import Component, Config
from sluicegate.model.manifest import Artifact, Release
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome
from sluicegate.model.serving import Counters, Serving, Standing, Stay
from sluicegate.model.settings import Settings
from sluicegate.model.values import Installed
from sluicegate.ports import Host, Wanted
from sluicegate.repositories import maven2
from sluicegate.repositories.maven2 import place
from sluicegate.tools.process import Completed
from sluicegate.tools.reports.puppet import PuppetReport

Answer = TypeVar("Answer")


class FakeRepository:
    """Files in a dictionary; `down` makes every call fail."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> FakeRepository:
        return cls()

    def __init__(self) -> None:
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.announced: dict[str, tuple[str, ...]] = {}
        self.down = False

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        place(component, version, name)
        key = self._key(component, version, name)
        if not source.is_file():
            raise UnknownName(f"there is no file {source}")
        content = source.read_bytes()
        if self.files.setdefault(key, content) != content:
            raise Conflict(f"{name} is already published with other content")
        return Artifact(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        key = self._key(component, version, name)
        if key not in self.files:
            raise NotFound(f"there is no file {name}")
        to.write_bytes(self.files[key])

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        self._check_up()
        return tuple(sorted(name for of, at, name in self.files if (of, at) == (component.name, version)))

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        self._check_up()
        self.announced[component.name] = tuple(versions)

    def address(self, component: Component, version: str, name: str) -> str:
        return f"fake:{component.name}/{version}/{name}"

    def remove(self, component: Component, version: str) -> None:
        self._check_up()
        maven2.check_name(version, "version")
        for key in [key for key in self.files if key[:2] == (component.name, version)]:
            del self.files[key]

    def _key(self, component: Component, version: str, name: str) -> tuple[str, str, str]:
        self._check_up()
        maven2.check_file_name(name)
        maven2.check_name(version, "version")
        return component.name, version, name

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable("the repository is down")


class FakeDirectory:
    """Groups in a dictionary, name -> login names; `down` makes every question fail. `asked` counts them."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> FakeDirectory:
        return cls()

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {}
        self.down = False
        self.calls = 0

    def holds(self, group: str, name: str) -> bool:
        self.refuse_unknown(group)
        return name in self.groups[group]

    def refuse_unknown(self, group: str) -> None:
        self.calls += 1
        if self.down:
            raise RemoteUnavailable("the directory does not answer")
        if "=" not in group:
            raise Malformed(f"'{group}' is no distinguished name")
        if group not in self.groups:
            raise NotFound(f"the directory has no group '{group}'")


class FakeHost:
    """Files and links in dictionaries, and services that a FakeDeployer notes; it runs no programs.

    `down` makes every call fail, `broken` services do not start.
    """

    def __init__(self, name: str = "host") -> None:
        self.name = name
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.services: dict[str, str] = {}
        self.broken: set[str] = set()
        self.down = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> FakeHost:
        return cls(name)

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0, root: bool = False
    ) -> Completed:
        self._check_up()
        return Completed(argv=tuple(argv), status=127, stdout=b"", stderr=b"a fake host runs nothing")

    def read(self, path: str) -> bytes | None:
        return self.files.get(self._resolved(self._place(path)))

    def send(self, folder: Path, to: str) -> None:
        place = self._place(to)
        sent = {f"{place}/{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        self.remove(to)
        self.files |= sent

    def remove(self, path: str) -> None:
        place = self._place(path)
        self.files = {at: content for at, content in self.files.items() if at != place and not _is_below(at, place)}
        self.links = {at: goal for at, goal in self.links.items() if at != place and not _is_below(at, place)}

    def link(self, path: str, target: str) -> None:
        self.links[self._place(path)] = self._place(target)

    def address(self, component: str) -> str:
        return f"http://{self.name}.invalid/{component}"

    def restart(self, name: str, version: str) -> None:
        self._check_up()
        if name in self.broken:
            raise SluicegateError(f"the service '{name}' ended at once")
        self.services[name] = version

    def stop(self, name: str) -> None:
        self._check_up()
        self.services.pop(name, None)

    def _place(self, path: str) -> str:
        self._check_up()
        return str(places.below(path))

    def _resolved(self, path: str) -> str:
        for link, goal in self.links.items():
            if _is_below(path, link):
                return goal + path[len(link) :]
        return path

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable(f"the host '{self.name}' is down")


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


class FakeDeployer:
    """Notes on a FakeHost what it has. A version in `silent` never answers; `down` makes every call fail."""

    carries = True

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.down = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> FakeDeployer:
        return cls()

    def survey(self, host: Host) -> dict[str, Installed]:
        self._check_up()
        fake = _fake(host)
        fake.read("apps")  # raises when the host is down
        installed = {}
        for path, content in fake.files.items():
            _, component, place = path.split("/")
            if place == "current":
                version, _, manifest = content.decode().partition("\n")
                installed[component] = Installed(version=version, manifest=manifest)
        return installed

    def inspect(self, release: Release) -> tuple[str, ...]:
        return ()

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        return ()

    def apply(self, host: Host, wanted: Wanted, intent: str) -> dict[str, Outcome]:
        outcomes = dict.fromkeys(wanted, NOT_STARTED)
        for component, release in wanted.items():
            try:
                self.install(host, component, release) if release else self.remove(host, component)
            except SluicegateError as problem:
                outcomes[component] = Outcome.of(problem)
                break
            outcomes[component] = DONE
        return outcomes

    def install(self, host: Host, component: str, release: Release) -> None:
        self._check_up()
        if self.survey(host).get(component) == Installed(version=release.version, manifest=release.manifest):
            return
        place, fake = f"apps/{component}/current", _fake(host)
        fake.files.pop(place, None)
        fake.restart(component, release.version)
        if release.version in self.silent:
            raise SluicegateError(f"{component} {release.version} did not answer")
        fake.files[place] = f"{release.version}\n{release.manifest}".encode()

    def remove(self, host: Host, component: str) -> None:
        self._check_up()
        _fake(host).stop(component)
        _fake(host).files.pop(f"apps/{component}/current", None)

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable("the deployer's server is down")


class FakeAgents(FakeDeployer):
    """Hosts that change themselves when their agents run, as Puppet's do: a deploy assigns, and waits in vain.

    Every host in `kicked` runs at once.
    """

    carries = False
    waits = False

    def __init__(self) -> None:
        super().__init__()
        self.assigned: dict[str, tuple[str, dict[str, Release | None]]] = {}
        self.kicked: set[str] = set()
        self.kept: list[PuppetReport] | None = None

    def apply(self, host: Host, wanted: Wanted, intent: str) -> dict[str, Outcome]:
        self.assigned[host.name] = (intent, dict(wanted))
        if host.name in self.kicked:
            self.run(host)
            return dict.fromkeys(wanted, DONE)
        late = Outcome.of(TimedOut(f"{host.name}: its agent has not applied this"))
        return dict.fromkeys(wanted, late)

    def run(self, host: Host) -> str:
        """The agent runs; the intent of what it did."""
        intent, wanted = self.assigned[host.name]
        super().apply(host, wanted, intent)
        return intent

    def reported_name(self, host: str) -> str:
        return f"{host}.example.com"

    def objection(self, host: str, report: PuppetReport) -> str:
        return "; ".join(report.errors) if report.status == "failed" else ""

    def kept_reports(self, hosts: Sequence[str]) -> list[PuppetReport] | None:
        return self.kept

    def prove(self, host: Host, wanted: Wanted) -> dict[str, Outcome]:
        there = self.survey(host)
        lacking = Outcome.of(SluicegateError(f"{host.name} does not answer"))
        return {
            name: DONE if release and name in there and there[name].version == release.version else lacking
            for name, release in wanted.items()
        }


class FakeEngine(FakeDeployer):
    """A FakeDeployer that works on many hosts in one run; `runs` are the hosts of each change."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[tuple[str, ...]] = []

    def survey_all(self, hosts: Sequence[Host]) -> dict[str, Mapping[str, Installed] | SluicegateError]:
        return {host.name: _or_problem(lambda host=host: self.survey(host)) for host in hosts}

    def refusals_all(self, work: Sequence[tuple[Host, Wanted]]) -> dict[str, tuple[str, ...] | SluicegateError]:
        return {
            host.name: _or_problem(lambda host=host, wanted=wanted: self.refusals(host, wanted))
            for host, wanted in work
        }

    def apply_all(self, work: Sequence[tuple[Host, Wanted]], intent: str) -> dict[str, Mapping[str, Outcome]]:
        self.runs.append(tuple(host.name for host, _ in work))
        return {host.name: self.apply(host, wanted, intent) for host, wanted in work}


def _or_problem(ask: Callable[[], Answer]) -> Answer | SluicegateError:
    try:
        return ask()
    except SluicegateError as problem:
        return problem


def _fake(host: Host) -> FakeHost:
    assert isinstance(host, FakeHost), "a FakeDeployer needs a FakeHost"
    return host


class FakeBalancer:
    """The live group and whether sessions are kept; `reached` says where a user arrives."""

    def __init__(self, live: str = "blue", groups: tuple[str, ...] = ("blue", "green")) -> None:
        self.group = live
        self.groups = groups
        self.keeps = self.previewed = False
        self.down = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> FakeBalancer:
        return cls(groups=tuple(config.groups))

    def configuration(self, upstreams: Mapping[str, Mapping[str, Sequence[str]]], *, against: str | None = None) -> str:
        lines = [f"{group}: {components}\n" for group, components in upstreams.items()]
        return "".join(line for line in lines if line not in (against or ""))

    def live(self) -> str:
        self._check_up()
        return self.group

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        self._check_up()
        if to not in self.groups:
            raise UnknownName(f"no group is called '{to}'")
        self.group, self.keeps, self.previewed = to, keep_sessions, False

    def preview(self, on: bool) -> None:
        self._check_up()
        self.previewed = on

    def release(self) -> None:
        self._check_up()
        self.keeps = False

    def addresses(self, component: str) -> tuple[str, ...]:
        return (f"http://users.invalid/{component}",)

    def reached(self, logged_in_on: str = "", wish: str = "") -> str:
        """The group that a user reaches, new or logged in on a group, or one who asks for the preview."""
        if self.previewed and wish == "on":
            return next(group for group in self.groups if group != self.group)
        return logged_in_on if logged_in_on and self.keeps else self.group

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable("the balancer is down")


class FakePool:
    """What each host of a pool is to its users, and how many requests it works on."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self.states: dict[str, Standing] = dict.fromkeys(hosts, "ready")
        self.requests = dict.fromkeys(self.states, 0)
        self.sick: set[str] = set()
        self.counters: dict[str, Counters] = {}
        self.quiet: dict[str, timedelta] = {}
        self.bound: Stay | None = Stay(idle=timedelta(minutes=5), life=timedelta(minutes=30))
        self.down = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> FakePool:
        return cls(host for hosts in config.groups.values() for host in hosts)

    @property
    def stay(self) -> Stay | None:
        return self.bound

    def turn(self, hosts: Sequence[str], to: Standing) -> None:
        self._check_up()
        for host in hosts:
            if host not in self.states:
                raise NotFound(f"no host of the pool is called '{host}'")
        self.states |= dict.fromkeys(hosts, to)

    def survey(self) -> dict[str, Serving]:
        self._check_up()
        return {
            host: Serving(
                standing=standing, healthy=host not in self.sick, in_flight=self.requests[host],
                quiet=self.quiet.get(host), counters=self.counters.get(host, Counters()),
            )
            for host, standing in self.states.items()
        }  # fmt: skip

    def addresses(self, component: str) -> tuple[str, ...]:
        return ()

    def configuration(self, upstreams: Mapping[str, Mapping[str, str]], *, against: str | None = None) -> str:
        lines = [f"{component}: {hosts}\n" for component, hosts in upstreams.items()]
        return "".join(line for line in lines if line not in (against or ""))

    def leads(self) -> set[str]:
        """The hosts that new users reach."""
        return {host for host, state in self.states.items() if state == "ready"}

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable("the balancer is down")
