"""What delivery expects of the outside where configuration chooses: one Protocol a driver family.

`configure` makes a driver from its part of sluicegate.yaml; `name` is the entry's. Raises ConfigError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from sluicegate.errors import SluicegateError
from sluicegate.model.config import Component, Config, Environment
from sluicegate.model.manifest import Artifact, Release
from sluicegate.model.outcomes import Outcome
from sluicegate.model.serving import Serving, Standing, Stay
from sluicegate.model.settings import Settings
from sluicegate.model.story import Candidate
from sluicegate.model.values import Installed, Verdict
from sluicegate.tools.process import Completed

if TYPE_CHECKING:
    from sluicegate.tools.reports.puppet import PuppetReport


class Repository(Protocol):
    """Where artifacts live. A file is named by component, version and file name; the driver knows the layout."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> Self: ...

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
    """A machine that runs components. Paths are relative to the folder that is ours there.

    Every call raises RemoteUnavailable for a host that is down, TimedOut for one that hangs, SluicegateError with the
    host's own words for one that refuses.
    """

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> Self: ...

    @property
    def name(self) -> str:
        """What sluicegate.yaml calls it."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0, root: bool = False
    ) -> Completed:
        """Run a program in our folder, to its end; its status is an answer, whatever it is. `timeout` in seconds.

        With `root` as the superuser, by `sudo -n` where we are not that already. Raises Denied when sudo refuses.
        """

    def read(self, path: str) -> bytes | None:
        """A file's content, None when it is missing."""

    def send(self, folder: Path, to: str) -> None:
        """Copy a local folder to the host; it appears under `to` at once and whole, replacing what was there."""

    def link(self, path: str, target: str) -> None:
        """Make the link `path` point to `target`, in one step."""

    def remove(self, path: str) -> None:
        """Take away a file, a link or a whole folder; nothing happens when there is none."""

    def address(self, component: str) -> str:
        """The base URL of a component on this host, without a slash at the end. Raises NotFound without a port."""


Wanted = Mapping[str, Release | None]
"""Component -> what a host shall have of it, None for nothing; in the order in which it is to be changed."""


class Deployer(Protocol):
    """How versions get onto a host. Each call is about all components of a host, in one round trip where it can be."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> Self:
        """Make it from its settings; `hosts` gives a host that they name, such as a puppetserver."""

    @property
    def carries(self) -> bool:
        """Whether the files pass through us: then `apply` is given what changes, each release with its files.

        Else the host gets them by itself, and `apply` is given all that shall be there, without files.
        """

    def survey(self, host: Host) -> Mapping[str, Installed]:
        """What the host has now of the configuration's components. Raises as Host does."""

    def inspect(self, release: Release) -> tuple[str, ...]:
        """What is doubtful about files that are about to be published, a sentence each.

        Raises IntegrityError for files that `apply` would refuse on every host.
        """

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        """What keeps this from being installed, a sentence each; asked while planning, and changes nothing there."""

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        """Make the host have what is wanted, start it, and probe until it answers with its version.

        `intent` is the id of the open intent under which it is done, the same when that is resumed. One result a
        component. Where they are changed one by one those after a failure are *not started*.
        """


@runtime_checkable
class Reporter(Protocol):
    """A deployer whose hosts change themselves at their own times, and report each run (of Puppet)."""

    @property
    def waits(self) -> bool:
        """Whether `apply` starts nothing on a host and waits for its own time: all may wait side by side."""

    def reported_name(self, host: str) -> str:
        """What a host calls itself in its reports."""

    def objection(self, host: str, report: PuppetReport) -> str:
        """Why a run did not do what had been assigned to the host then; '' where it did."""

    def prove(self, host: Host, wanted: Wanted) -> Mapping[str, Outcome]:
        """Whether the host has what is wanted and answers, one result a component; nothing is installed there."""

    def kept_reports(self, hosts: Sequence[str]) -> Iterable[PuppetReport] | None:
        """The last report of each of these hosts, by a database of reports; None where none is configured."""


@runtime_checkable
class Engine(Deployer, Protocol):
    """A deployer whose own program works on many hosts in one run; what could not be asked or tried is that host's.

    It is given the hosts of a batch together, never one by one. Each answer is by the host's name, for every host.
    """

    def survey_all(self, hosts: Sequence[Host]) -> Mapping[str, Mapping[str, Installed] | SluicegateError]:
        """What each has now."""

    def refusals_all(self, work: Sequence[tuple[Host, Wanted]]) -> Mapping[str, tuple[str, ...] | SluicegateError]:
        """What keeps each from being given what is wanted."""

    def apply_all(self, work: Sequence[tuple[Host, Wanted]], intent: str) -> Mapping[str, Mapping[str, Outcome]]:
        """Make each have what is wanted, side by side, under the intent."""


class Balancer(Protocol):
    """What leads users to a group."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> Self:
        """Make it from its settings; `hosts` gives the host that they name, for a balancer on another machine."""

    def live(self) -> str:
        """The group that new users reach."""

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        """Lead new users to the group `to`; with keep_sessions logged-in users stay where they are."""

    def release(self) -> None:
        """End the stay of logged-in users on the other group."""

    def preview(self, on: bool) -> None:
        """Let testers reach the other group through the users' address, or no more. A switch ends it."""

    def addresses(self, component: str) -> tuple[str, ...]:
        """Base URLs that reach the component, one through each server of the balancer; empty when there are none."""

    def configuration(self, upstreams: Mapping[str, Mapping[str, Sequence[str]]], *, against: str | None = None) -> str:
        """What the server behind it is to be started with; group -> component -> `host:port` of each of its hosts.

        With `against`, the lines of it that this existing configuration does not have.
        """


class Pool(Protocol):
    """What leads users to the single hosts of an environment. A host is called as in sluicegate.yaml."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> Self:
        """Make it from its settings; `hosts` gives a host of the configuration: a balancer's, or one of the pool."""

    @property
    def stay(self) -> Stay | None:
        """What bounds the stay of users on a host that is drained; None where nobody stays."""

    def turn(self, hosts: Sequence[str], to: Standing) -> None:
        """Make these hosts `ready` for all users, `drain` them (nobody new), or take them `out`; returns when it is so.

        `out` cuts off what is still under way after a moment. Raises NotFound for a host that the pool does not have.
        """

    def survey(self) -> Mapping[str, Serving]:
        """How each host of the pool stands now."""

    def addresses(self, component: str) -> tuple[str, ...]:
        """Base URLs that reach the component, one through each server of the balancer; empty when there are none."""

    def configuration(self, upstreams: Mapping[str, Mapping[str, str]], *, against: str | None = None) -> str:
        """What the server behind it is to be started with; component -> host -> `host:port`. `against` as above."""


class Directory(Protocol):
    """Where people and groups are kept. Every call is answered within a time limit, in whole.

    Raises RemoteUnavailable where there is no answer in time, Denied where it does not take our own login, NotFound for
    a group that is not there.
    """

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> Self: ...

    def holds(self, group: str, name: str) -> bool:
        """Whether somebody (login name, exactly) is in a group, now."""

    def refuse_unknown(self, group: str) -> None:
        """Raise NotFound for a group that is not there, Malformed for what can be no group's name."""


class Gate(Protocol):
    """A rule that reads evidence and answers with a verdict; pure."""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> Self: ...

    def __call__(self, candidate: Candidate, now: datetime) -> Verdict: ...


class Drivers(Protocol):
    """Makes what the configuration names; the wiring's side of every port above."""

    def config(self, content: bytes, read_other: Callable[[str], bytes | None]) -> Config:
        """sluicegate.yaml, checked; `read_other` reads another file of the delivery repo."""

    def repository(self, config: Config, name: str) -> Repository: ...

    def directory(self, config: Config, name: str) -> Directory: ...

    def gates(self, config: Config, environment: Environment) -> tuple[Gate, ...]:
        """The environment's gates in their order, and those that always hold."""

    def host(self, config: Config, name: str) -> Host: ...

    def deployer(self, config: Config, environment: Environment) -> Deployer: ...

    def reporter(self, config: Config, environment: Environment) -> Reporter | None:
        """The environment's deployer where its hosts report to us."""

    def balancer(self, config: Config, environment: Environment) -> Balancer: ...

    def pool(self, config: Config, environment: Environment) -> Pool: ...
