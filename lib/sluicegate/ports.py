"""What delivery expects of the outside where configuration chooses: one Protocol a driver family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sluicegate.model.config import Component, Config, Environment
from sluicegate.model.story import Candidate
from sluicegate.model.values import Artifact, Installed, Release, Service, Verdict


class Repository(Protocol):
    """Where artifacts live. A file is named by component, version and file name; the driver knows the layout."""

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once, hashing on the way: size and SHA-256 of what went out.

        Equal content again is fine; other content under the name raises Conflict. Called from several threads at once.
        """

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        """Write the file to the new path `to`. Raises NotFound when there is no such file."""

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        """The files of a version, sorted; empty when there is no such version."""

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Make these versions (oldest first) the component's list, where the format keeps one."""

    def address(self, component: Component, version: str, name: str) -> str:
        """Where a person finds the file: a URL or a path."""

    def remove(self, component: Component, version: str) -> None:
        """Delete every file of a version; nothing happens when there is none."""


class Host(Protocol):
    """A machine that runs components. Paths are relative to the host's root folder for us."""

    def read(self, path: str) -> bytes | None:
        """A file's content, None when it is missing. Raises RemoteUnavailable when the host is down."""

    def send(self, folder: Path, to: str) -> None:
        """Copy a local folder to the host; it appears under `to` at once and whole, replacing what was there.

        An empty folder takes away what was there.
        """

    def link(self, path: str, target: str) -> None:
        """Make the link `path` point to `target`, in one step."""

    def restart(self, service: Service) -> None:
        """Start the service, or replace the running one, under the host's supervisor."""

    def stop(self, name: str) -> None:
        """Stop the service and forget it; nothing happens when there is none."""

    def address(self, component: str) -> str:
        """The base URL of a component on this host, without a slash at the end."""


class Deployer(Protocol):
    """How a version gets onto a host."""

    def installed(self, host: Host, component: Component) -> Installed | None:
        """What the host has now, None when it has nothing of the component."""

    def install(self, host: Host, component: Component, release: Release) -> None:
        """Put the release on the host, start it, and probe until the host answers with its version."""

    def remove(self, host: Host, component: Component) -> None:
        """Take the component off the host."""


class Balancer(Protocol):
    """What leads users to a group."""

    def live(self) -> str:
        """The group that new users reach."""

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        """Lead new users to the group `to`; with keep_sessions logged-in users stay where they are."""

    def release(self) -> None:
        """End the stay of logged-in users on the other group."""

    def address(self, component: str) -> str:
        """A base URL that reaches the component through the balancer; empty when there is none."""

    def configuration(self, upstreams: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
        """What the server behind it is to be started with; group -> component -> `host:port` of each of its hosts."""


class Gate(Protocol):
    """A rule that reads evidence and answers with a verdict; pure."""

    def __call__(self, candidate: Candidate, now: datetime) -> Verdict: ...


class Drivers(Protocol):
    """Makes what the configuration names; the wiring's side of every port above."""

    def config(self, content: bytes) -> Config:
        """sluicegate.yaml, checked."""

    def repository(self, config: Config, name: str) -> Repository: ...

    def gates(self, config: Config, environment: Environment) -> tuple[Gate, ...]:
        """The environment's gates in their order, and those that always hold."""

    def host(self, config: Config, name: str) -> Host: ...

    def deployer(self, config: Config, environment: Environment) -> Deployer: ...

    def balancer(self, config: Config, environment: Environment) -> Balancer: ...
