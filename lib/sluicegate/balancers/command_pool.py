"""Pool driver `command`: workers that no balancer leads to; what drains and starts them are commands on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sluicegate.errors import NotFound, SluicegateError
from sluicegate.model.config import Config
from sluicegate.model.numbers import whole
from sluicegate.model.serving import Serving, Standing, Stay
from sluicegate.model.settings import Settings
from sluicegate.ports import Host
from sluicegate.tools.parallel import each

AT_ONCE = 20  # hosts side by side
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPool:
    """Argument lists: what makes a host `ready`, `drain` and `out`, and `busy`, which prints how much it works on."""

    name: str
    commands: Mapping[Standing, tuple[str, ...]]
    busy: tuple[str, ...]
    root: bool
    members: Callable[[], tuple[str, ...]]
    hosts: Callable[[str], Host]

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> CommandPool:
        settings.only("drain", "ready", "out", "busy", "root")
        for key in ("drain", "ready"):
            if not settings.texts(key):
                raise settings.fail(f"'{key}' is missing: the command with its arguments, as a list")
        return cls(
            name=name,
            commands={"drain": settings.texts("drain"), "ready": settings.texts("ready"), "out": settings.texts("out")},
            busy=settings.texts("busy"),
            root=settings.flag("root"),
            members=lambda: tuple(host for group in config.environments[name].groups for host in config.groups[group]),
            hosts=hosts,
        )

    @property
    def stay(self) -> Stay | None:
        return None

    def turn(self, hosts: Sequence[str], to: Standing) -> None:
        for host in hosts:
            if host not in self.members():
                raise NotFound(f"no host of the pool of {self.name} is called '{host}'")
        if self.commands[to]:
            self._everywhere(hosts, lambda host: self._run(host, self.commands[to]))

    def survey(self) -> dict[str, Serving]:
        """What each host says that it works on; how it stands nobody knows."""
        return self._everywhere(self.members(), self._serving)

    def addresses(self, component: str) -> tuple[str, ...]:
        return ()

    def configuration(self, upstreams: Mapping[str, Mapping[str, str]], *, against: str | None = None) -> str:
        return ""

    def _serving(self, host: str) -> Serving:
        if not self.busy:
            return Serving(standing=None, in_flight=None)
        output = self._run(host, self.busy).strip()
        if (number := whole(output)) is None:
            raise SluicegateError(f"{host}: {self.busy[0]} printed {output[:60]!r}, expected how much it works on")
        return Serving(standing=None, in_flight=number)

    def _run(self, name: str, command: tuple[str, ...]) -> str:
        done = self.hosts(name).run(list(command), root=self.root)
        if done.status != 0:
            raise SluicegateError(f"{name}: {command[0]} ended with {done.status}: {done.error_text}")
        return done.text

    def _everywhere(self, hosts: Sequence[str], action: Callable[[str], Result]) -> dict[str, Result]:
        results = each(hosts, action, AT_ONCE)
        if results.first_failure is not None:
            raise results.first_failure
        return dict(results.done)
