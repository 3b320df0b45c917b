"""What a host that gets its files by itself has to prove: that it has each version, and that this one answers.

Components that were changed and have not answered since are marked, in a folder on the host itself: nothing else tells
a version that failed, or was broken off, from one that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sluicegate.errors import NotFound, SluicegateError
from sluicegate.model.config import Component, Config
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome
from sluicegate.model.values import Installed
from sluicegate.ports import Host, Wanted
from sluicegate.tools.probe import wait_for_version

FOLDER = "unproven"


def marked(host: Host) -> tuple[str, ...]:
    """The components that do not count."""
    return tuple(host.run(["ls", "-1", FOLDER]).text.split())


def mark(host: Host, components: Iterable[str]) -> None:
    _change(host, f'mkdir -p {FOLDER} && cd {FOLDER} && touch -- "$@"', components, "check rights and space")


def _unmark(host: Host, components: Iterable[str]) -> None:
    _change(host, f'cd {FOLDER} && rm -f -- "$@"', components, "check rights there")


def _change(host: Host, script: str, components: Iterable[str], hint: str) -> None:
    done = host.run(["sh", "-c", script, "sh", *components])
    if done.status != 0:
        raise SluicegateError(f"the host '{host.name}': {FOLDER}: {done.error_text}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a change is looked at. `asking` is the command by which a person asks what is there, `log` where to look.

    A component without a port on its host is not probed: then the word of what installed it is all there is.
    """

    config: Config
    seconds: float
    asking: Callable[[str], str]
    log: Callable[[str], str]

    def of(self, host: Host, wanted: Wanted, standing: Mapping[str, Installed]) -> dict[str, Outcome]:
        """Each component by what stands there and by its own word; those after a failure are not started."""
        outcomes = dict.fromkeys(wanted, NOT_STARTED)
        for name, release in wanted.items():
            version = release.version if release else ""
            there = standing[name].version if name in standing else ""
            try:
                if there != version:
                    raise SluicegateError(
                        f"the host '{host.name}' has {name} {there or '-'} after the change, expected {version or '-'}",
                        hint=f"ask there: {self.asking(name)}",
                    )
                if release is not None:
                    self._probe(host, self.config.component(name), version)
            except SluicegateError as problem:
                outcomes[name] = Outcome.of(problem)
                break
            outcomes[name] = DONE
        _unmark(host, [name for name, outcome in outcomes.items() if outcome == DONE])
        return outcomes

    def _probe(self, host: Host, component: Component, version: str) -> None:
        try:
            url = host.address(component.name) + component.probe
        except NotFound:
            return
        wait_for_version(url, version, seconds=self.seconds, hint=self.log(component.name))
