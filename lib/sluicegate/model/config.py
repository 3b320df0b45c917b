"""What sluicegate.yaml says: components, environments, roles, hosts and drivers.

Longer than a module should be: it is the table of all that can be configured, to be read on one page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import timedelta
from typing import Literal, TypeVar

from sluicegate.errors import UnknownName
from sluicegate.model.frozen import frozen
from sluicegate.model.people import People
from sluicegate.model.settings import Plain, Settings, suggestion

VERBS = ("approve", "reject", "veto", "unveto", "hold", "unhold", "continue")
"""What a role's jobs may carry."""


Value = TypeVar("Value")


class ReadLater(Mapping[str, Value]):
    """A mapping that is read when it is first asked for: most commands ask no inventory. Raises what `read` raises."""

    def __init__(self, read: Callable[[], Mapping[str, Value]]) -> None:
        self._read = read

    def __getitem__(self, name: str) -> Value:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


@frozen
class DriverSpec:
    """The name of a driver and the settings it reads."""

    driver: str
    settings: Settings


@frozen
class Jenkins:
    """The build server whose word counts for who did it, and the environment variable that holds our token.

    It is asked with the authorities in `ca` and over `proxy` only, never as the environment of a job has them.
    """

    url: str
    user: str = ""
    token_variable: str = ""
    ca: str = ""
    proxy: str = ""


@frozen
class Signing:
    """Records that decide are signed by a key of `signers`, a file on main.

    Unsigned ones count only where they stand in the ledger's commit `since`; '' for none.
    """

    signers: str
    since: str = ""


TAG_VERSION = "{version}"


@frozen
class After:
    """What the installation starts: a job of the build server, or a command. `{component}` is filled in."""

    name: str
    job: str = ""
    command: tuple[str, ...] = ()


SCHEMA_STEPS = ("expand", "verify", "contract")


@frozen
class Schema:
    """How a component's schema is changed: step -> a job or a command, each with this much time."""

    steps: Mapping[str, After]
    timeout: timedelta = timedelta(minutes=10)


@frozen
class Component:
    """Something built and deployed on its own; `tag_pattern` says where its version stands in a tag of its source."""

    name: str
    repository: str
    group: str = ""
    versions: str = "semver"
    git: str = ""
    branch: str = ""
    needs: tuple[str, ...] = ()
    probe: str = "/version"
    issues: str = ""
    tag_pattern: str = ""
    schema: Schema | None = None


@frozen
class Group:
    """A group of a directory, whose people are members of a role; `where` is file:line of the role."""

    directory: str
    name: str
    where: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.directory}:{self.name}"


@frozen
class Role:
    """Who may act in a role, and through which jobs each verb: what carries a rejection carries no approval.

    `members` are people by name; further members are those of `groups`, as their directories say when they are asked.
    """

    name: str
    members: tuple[str, ...]
    groups: tuple[Group, ...] = ()
    jobs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """The members as sluicegate.yaml has them, '' for nobody."""
        return ", ".join([*self.members, *map(str, self.groups)])


@frozen
class Follow:
    """Which versions an environment takes by itself: the latest, within a range where one is given."""

    range: str = ""


@frozen
class Share:
    """So many of a group's hosts, or so many percent of them."""

    number: int
    percent: bool = False

    def of(self, hosts: int) -> int:
        return hosts * self.number // 100 if self.percent else self.number

    def at_least(self, hosts: int) -> int:
        """The same rounded up."""
        return -(-hosts * self.number // 100) if self.percent else self.number


TEN_HOSTS = Share(number=10)
ALL_HOSTS = Share(number=100, percent=True)
NO_HOST = Share(number=0)


Undrained = Literal["wait", "cut", "stop"]
UNDRAINED: tuple[Undrained, ...] = ("wait", "cut", "stop")


@frozen
class Analysis:
    """When new hosts count as worse than old ones: `errors` is a difference in percent, `slower` a factor.

    Below `requests` on either side nothing can be said.
    """

    requests: int = 100
    errors: float = 1.0
    slower: float = 2.0


@frozen
class Rolling:
    """How versions are replaced over a pool: the first host alone, `canary` hosts, then batches of `batch`.

    At least `capacity` hosts take new users all the time. A drain that lasts longer than `limit` (None: until nobody
    can be left, and ten minutes) ends as `undrained` says: wait on, cut off who is left, or stop. After each batch
    comes a `pause`, after the canary hosts somebody in the role `approval` says that it may go on.
    """

    batch: Share = Share(number=25, percent=True)
    canary: Share = NO_HOST
    capacity: Share = Share(number=50, percent=True)
    limit: timedelta | None = None
    undrained: Undrained = "stop"
    pause: timedelta = timedelta(0)
    approval: str = ""
    analysis: Analysis | None = None


def _without(spec: DriverSpec | None, names: set[str]) -> DriverSpec | None:
    at = spec.settings.values.get("at") if spec else None
    if spec is None or not isinstance(at, dict):
        return spec
    left: Plain = {name: below for name, below in at.items() if name not in names}
    settings = Settings(where=spec.settings.where, values={**spec.settings.values, "at": left})
    return DriverSpec(driver=spec.driver, settings=settings)


@frozen
class Environment:
    """A place to run: what flows in, which gates, which hosts, how deployed. `groups` has two for a swapping pair.

    `at_once` hosts are changed side by side (None: as many as suits how they are changed), and `max_failed` may fail in
    one deploy. With a `pool` its hosts are changed without a lost request, as `rolling` says.
    """

    name: str
    origin: str = ""
    follow: Follow | None = None
    gates: tuple[DriverSpec, ...] = ()
    groups: tuple[str, ...] = ()
    deploy: DriverSpec | None = None
    at_once: Share | None = None
    max_failed: Share = NO_HOST
    after: tuple[After, ...] = ()
    swaps_with: str = ""
    balancer: DriverSpec | None = None
    keep_sessions: timedelta | None = None
    pool: DriverSpec | None = None
    rolling: Rolling = Rolling()

    def without(self, names: Iterable[str]) -> Environment:
        """The same where its balancer, or its pool, has other servers than these."""
        left = set(names)
        return replace(self, balancer=_without(self.balancer, left), pool=_without(self.pool, left)) if left else self


@frozen
class Config:
    """The whole of sluicegate.yaml, checked. `variables`: host -> what its services find in their environment.

    `name` is that of the delivery repo, which no other one has: signatures hold in it alone.
    """

    repositories: Mapping[str, DriverSpec]
    components: Mapping[str, Component]
    environments: Mapping[str, Environment]
    roles: Mapping[str, Role] = field(default_factory=dict)
    hosts: Mapping[str, DriverSpec] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objective: timedelta = timedelta(minutes=15)
    jenkins: Jenkins | None = None
    name: str = ""
    signing: Signing | None = None
    people: People = field(default_factory=People)
    directories: Mapping[str, DriverSpec] = field(default_factory=dict)

    def component(self, name: str) -> Component:
        if name not in self.components:
            raise UnknownName(f"no component is called '{name}'.{suggestion(name, list(self.components))}")
        return self.components[name]

    def environment(self, name: str) -> Environment:
        if name not in self.environments:
            raise UnknownName(f"no environment is called '{name}'.{suggestion(name, list(self.environments))}")
        return self.environments[name]

    def role(self, name: str) -> Role:
        if name not in self.roles:
            raise UnknownName(f"no role is called '{name}'.{suggestion(name, list(self.roles))}")
        return self.roles[name]

    def swap_partner(self, environment: Environment) -> Environment | None:
        """The environment whose group is exchanged with this one's: staging for production and the reverse."""
        if environment.swaps_with:
            return self.environments[environment.swaps_with]
        return next((partner for partner in self.environments.values() if partner.swaps_with == environment.name), None)

    def is_final(self, environment: Environment) -> bool:
        """Whether what is here is what users have, or will have by a swap: the last of a chain, and its pair."""
        last = environment.origin and len(self.downstream(environment.name)) == 1
        return bool(last) or self.swap_partner(environment) is not None

    def downstream(self, name: str) -> tuple[str, ...]:
        """The environment and all that versions reach from it, nearest first."""
        reached = [name]
        for step in reached:
            reached += [e.name for e in self.environments.values() if e.origin == step and e.name not in reached]
        return tuple(reached)

    def veto_scopes(self, name: str) -> tuple[str, ...]:
        """Where a veto must stand to keep a version out of this environment: '' (everywhere), here, or before it.

        A veto in production counts in the staging that swaps with it: what staging has is production's candidate.
        """
        before = [environment for environment in self.environments if name in self.downstream(environment)]
        swapping = [environment.name for environment in self.environments.values() if environment.swaps_with == name]
        return ("", *before, *swapping)

    def in_order(self, names: set[str]) -> tuple[str, ...]:
        """Components so that each comes after those it needs."""
        done: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in done:
                for needed in self.components[name].needs:
                    visit(needed)
                done[name] = None

        for name in sorted(names):
            visit(name)
        return tuple(name for name in done if name in names)
