"""Stand-ins in memory for every port: no processes, no waiting. They pass the same contract tests as the drivers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from sluicegate.errors import Conflict, Malformed, NotFound, RemoteUnavailable, SluicegateError, UnknownName
from sluicegate.model.config import Component
from sluicegate.model.values import Artifact, Installed, Release, Service
from sluicegate.ports import Host
from sluicegate.repositories import maven2
from sluicegate.repositories.maven2 import place


class FakeRepository:
    """Files in a dictionary; `down` makes every call fail."""

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


class FakeHost:
    """Files, links and services in dictionaries; `down` makes every call fail, `broken` services do not start."""

    def __init__(self, name: str = "host") -> None:
        self.name = name
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.services: dict[str, Service] = {}
        self.broken: set[str] = set()
        self.down = False

    def read(self, path: str) -> bytes | None:
        return self.files.get(self._resolved(self._place(path)))

    def send(self, folder: Path, to: str) -> None:
        place = self._place(to)
        sent = {f"{place}/{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        below = f"{place}/"
        self.files = {path: content for path, content in self.files.items() if not path.startswith(below)} | sent
        self.links = {path: goal for path, goal in self.links.items() if not path.startswith(below)}

    def link(self, path: str, target: str) -> None:
        self.links[self._place(path)] = self._place(target)

    def restart(self, service: Service) -> None:
        self._place(service.folder)
        if service.name in self.broken:
            raise SluicegateError(f"the service '{service.name}' ended at once")
        self.services[service.name] = service

    def stop(self, name: str) -> None:
        self._check_up()
        self.services.pop(name, None)

    def address(self, component: str) -> str:
        return f"http://{self.name}.invalid/{component}"

    def _place(self, path: str) -> str:
        self._check_up()
        parts = PurePosixPath(path)
        if not path or parts.is_absolute() or ".." in parts.parts:
            raise Malformed(f"'{path}' is not a path below a host's folder")
        return str(parts)

    def _resolved(self, path: str) -> str:
        for link, goal in self.links.items():
            if path.startswith(f"{link}/"):
                return goal + path[len(link) :]
        return path

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable(f"the host '{self.name}' is down")


class FakeDeployer:
    """Notes on a FakeHost what it has. A version in `silent` never answers; `down` makes every call fail."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.down = False

    def installed(self, host: Host, component: Component) -> Installed | None:
        self._check_up()
        content = host.read(f"apps/{component.name}/current")
        if not content:
            return None
        version, _, manifest = content.decode().partition("\n")
        return Installed(version=version, manifest=manifest)

    def install(self, host: Host, component: Component, release: Release) -> None:
        self._check_up()
        if self.installed(host, component) == Installed(version=release.version, manifest=release.manifest):
            return
        place, fake = f"apps/{component.name}/current", _fake(host)
        fake.files.pop(place, None)
        fake.restart(Service(name=component.name, command=release.version, folder=f"apps/{component.name}"))
        if release.version in self.silent:
            raise SluicegateError(f"{component.name} {release.version} did not answer")
        fake.files[place] = f"{release.version}\n{release.manifest}".encode()

    def remove(self, host: Host, component: Component) -> None:
        self._check_up()
        host.stop(component.name)
        _fake(host).files.pop(f"apps/{component.name}/current", None)

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable("the deployer's server is down")


def _fake(host: Host) -> FakeHost:
    assert isinstance(host, FakeHost), "a FakeDeployer needs a FakeHost"
    return host


class FakeBalancer:
    """The live group and whether sessions are kept; `reached` says where a user arrives."""

    def __init__(self, live: str = "blue", groups: tuple[str, ...] = ("blue", "green")) -> None:
        self.group = live
        self.groups = groups
        self.keeps = False
        self.down = False

    def configuration(self, upstreams: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
        return "".join(f"{group}: {components}\n" for group, components in upstreams.items())

    def live(self) -> str:
        self._check_up()
        return self.group

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        self._check_up()
        if to not in self.groups:
            raise UnknownName(f"no group is called '{to}'")
        self.group, self.keeps = to, keep_sessions

    def release(self) -> None:
        self._check_up()
        self.keeps = False

    def address(self, component: str) -> str:
        return f"http://users.invalid/{component}"

    def reached(self, logged_in_on: str = "") -> str:
        """The group that a user reaches, new or logged in on a group."""
        return logged_in_on if logged_in_on and self.keeps else self.group

    def _check_up(self) -> None:
        if self.down:
            raise RemoteUnavailable("the balancer is down")
