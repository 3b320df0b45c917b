"""How it ended on a host: for each component that was to be changed there, and for the host as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal

from sluicegate.errors import RemoteUnavailable, SluicegateError, TimedOut
from sluicegate.model.frozen import frozen

Ending = Literal["done", "failed", "unreachable", "timed out", "not started"]
WORST_FIRST: tuple[Ending, ...] = ("failed", "timed out", "unreachable", "not started", "done")


@frozen
class Outcome:
    """One result; `problem` says why it is not `done`, None where it is or where nothing was begun.

    `remark` is what people should know all the same, such as a failure that was to be ignored; it decides nothing.
    """

    ending: Ending
    problem: SluicegateError | None = None
    remark: str = field(default="", compare=False)

    @classmethod
    def of(cls, problem: SluicegateError) -> Outcome:
        """What a failure means: nobody there, not in time, or refused."""
        if isinstance(problem, TimedOut):
            return cls(ending="timed out", problem=problem)
        if isinstance(problem, RemoteUnavailable):
            return cls(ending="unreachable", problem=problem)
        return cls(ending="failed", problem=problem)

    @property
    def why(self) -> str:
        return self.problem.message if self.problem else self.remark


def of_hosts(hosts: Iterable[str], failed: Mapping[str, Exception]) -> dict[str, Outcome]:
    """The outcome of each host that failed, in the order of `hosts`. Raises what is no failure of a host."""
    outcomes = {}
    for name in hosts:
        problem = failed.get(name)
        if isinstance(problem, SluicegateError):
            outcomes[name] = Outcome.of(problem)
        elif problem is not None:
            raise problem
    return outcomes


DONE = Outcome(ending="done")
NOT_STARTED = Outcome(ending="not started")


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """What a host as a whole ended with; *done* when there was nothing to do."""
    return min(outcomes, key=lambda outcome: WORST_FIRST.index(outcome.ending), default=DONE)
