"""A deployer whose program works on many hosts in one run: what is said of each host, and how that is proven."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

from sluicegate.deployers.proof import Proof, mark, marked
from sluicegate.errors import SluicegateError
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, Outcome, of_hosts, worst
from sluicegate.model.values import Installed, Json
from sluicegate.ports import Host, Wanted
from sluicegate.tools.parallel import each

AT_ONCE = 20
"""Hosts whose marks are read and written side by side."""
Work = Sequence[tuple[Host, Wanted]]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a run says of one host: how it ended there, and what the host has now where it was asked."""

    outcome: Outcome = DONE
    installed: Mapping[str, Installed] = field(default_factory=dict)


class Together(ABC):
    """The port `Engine` by three runs: one that asks, one that tries, one that changes and asks."""

    carries: ClassVar[bool] = False
    proof: Proof

    @abstractmethod
    def ask(self, hosts: Sequence[Host]) -> Mapping[str, Said]:
        """What every host has."""

    @abstractmethod
    def attempt(self, work: Work) -> Mapping[str, Said]:
        """Whether the change could be made, without making it."""

    @abstractmethod
    def change(self, work: Work) -> Mapping[str, Said]:
        """Make it, and say what every host has then."""

    def survey_all(self, hosts: Sequence[Host]) -> dict[str, Mapping[str, Installed] | SluicegateError]:
        marks, silent = _each({host.name: host for host in hosts}, marked)
        reached = [host for host in hosts if host.name in marks]
        answers: dict[str, Mapping[str, Installed] | SluicegateError] = dict(silent)
        for name, statement in (self.ask(reached) if reached else {}).items():
            answers[name] = _problem(statement.outcome, name) or counting(statement.installed, marks[name])
        return {host.name: answers[host.name] for host in hosts}

    def refusals_all(self, work: Work) -> dict[str, tuple[str, ...] | SluicegateError]:
        """Where the program tried it and it failed, that is a refusal; where there was nobody, a failure."""
        answers: dict[str, tuple[str, ...] | SluicegateError] = {}
        for name, statement in self.attempt(work).items():
            problem = _problem(statement.outcome, name)
            refused = problem is not None and statement.outcome.ending == "failed"
            answers[name] = (f"{name}: {problem.message}",) if problem and refused else problem or ()
        return answers

    def apply_all(self, work: Work, intent: str) -> dict[str, Mapping[str, Outcome]]:
        hosts, wanted = {host.name: host for host, _ in work}, {host.name: wanted_there for host, wanted_there in work}
        ready, unmarkable = _each(hosts, lambda host: mark(host, wanted[host.name]))
        statements = {name: Said(outcome=Outcome.of(problem)) for name, problem in unmarkable.items()}
        if ready:
            statements |= self.change([(host, wanted_there) for host, wanted_there in work if host.name in ready])

        def prove(host: Host) -> Mapping[str, Outcome]:
            ended = statements[host.name]
            if ended.outcome != DONE:
                return dict.fromkeys(wanted[host.name], ended.outcome)
            outcomes = self.proof.of(host, wanted[host.name], ended.installed)
            if ended.outcome.remark and outcomes and worst(outcomes.values()) == DONE:
                outcomes = dict.fromkeys(outcomes, replace(DONE, remark=ended.outcome.remark))
            return outcomes

        ends, failed = _each(hosts, prove)
        return {
            name: ends[name] if name in ends else dict.fromkeys(wanted[name], Outcome.of(failed[name]))
            for name in hosts
        }

    def survey(self, host: Host) -> Mapping[str, Installed]:
        return _only(self.survey_all([host]))

    def inspect(self, release: Release) -> tuple[str, ...]:
        """Nothing: what is published gets to the hosts past us."""
        return ()

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        return _only(self.refusals_all([(host, wanted)]))

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        return self.apply_all([(host, wanted)], intent)[host.name]


def _each(
    hosts: Mapping[str, Host], action: Callable[[Host], Answer]
) -> tuple[dict[str, Answer], dict[str, SluicegateError]]:
    """What each host answered, and why the others did not."""
    results = each([*hosts], lambda name: action(hosts[name]), AT_ONCE, max_failed=len(hosts))
    problems = of_hosts(hosts, results.failed)
    return dict(results.done), {name: silent.problem for name, silent in problems.items() if silent.problem}


def _problem(outcome: Outcome, host: str) -> SluicegateError | None:
    if outcome == DONE:
        return None
    return outcome.problem or SluicegateError(f"the host '{host}' was not started", hint="see what failed before it")


def _only(answers: Mapping[str, Answer | SluicegateError]) -> Answer:
    (answer,) = answers.values()
    if isinstance(answer, SluicegateError):
        raise answer
    return answer


def counting(standing: Mapping[str, Installed], marks: Collection[str]) -> dict[str, Installed]:
    """What a host has, less what was changed and has not answered since."""
    return {component: there for component, there in standing.items() if component not in marks}


def files_of(release: Release) -> list[dict[str, Json]]:
    """A version's files as programs read them."""
    return [{"url": source.url, **source.artifact.json()} for source in release.sources]


def versions_in(answer: object, components: Sequence[str] | Mapping[str, object]) -> dict[str, Installed]:
    """What a program says that a host has: a JSON object, component -> version. Raises ValueError for anything else.

    '' and null are nothing installed; a number is refused, as 1.10 would be 1.1.
    """
    if not isinstance(answer, dict):
        raise ValueError(f"expected an object with a version for each component, not {_shown(answer)}")
    standing = {}
    for component in components:
        version = answer.get(component) or ""
        if not isinstance(version, str):
            raise ValueError(f"the version of {component} is {_shown(version)}, expected a text: quote it")
        if version:
            standing[component] = Installed(version=version)
    return standing


def _shown(value: object) -> str:
    return repr(value)[:60]
