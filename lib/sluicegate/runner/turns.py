"""Whose turn it is: every rule of the queue as a function of what waits and what runs. Nothing here has an effect.

`fold` says what is merged, `ready` in which order items come, `RULES` is the table of what makes one wait.
Imitates hudson.model.Queue: merging of equal items, the oldest first, blocking by neighbours; plugins' rules come last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, Protocol, TypeVar

from sluicegate.errors import SluicegateError
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.steps.blocking import Candidate, Hindrance

Direction = Literal["up", "down"]
WORDS: dict[Direction, str] = {"up": "Upstream", "down": "Downstream"}


class Turn(Protocol):
    """What waits. `due` is when its quiet period ends, on the same clock as `now`."""

    @property
    def id(self) -> int: ...

    @property
    def job(self) -> str: ...

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    @property
    def actions(self) -> tuple[str, ...]: ...

    @property
    def due(self) -> float: ...


T = TypeVar("T", bound=Turn)


class View(Protocol):
    """What the rules may ask: jobs by their full names, what runs, and what waits. All answers are of one moment."""

    def concurrent(self, job: str) -> bool:
        """Whether a job may be built several times at once."""

    def building(self, job: str) -> Collection[int]:
        """The numbers of a job's running builds."""

    def waits_for(self, job: str, direction: Direction) -> bool:
        """Whether a job waits while a neighbour on this side is busy."""

    def neighbours(self, job: str, direction: Direction) -> Sequence[str]:
        """The jobs next to it on this side."""

    def queued(self) -> Collection[str]:
        """The jobs that wait."""

    def hindrances(self, job: str) -> Sequence[Hindrance]:
        """The rules of plugins among a job's properties."""

    def running(self) -> Iterable[Candidate]:
        """Every build that runs."""

    def ahead(self, turn: Turn) -> Iterable[Candidate]:
        """What came before it and waits still."""


def fold(waiting: Iterable[T], job: str, parameters: tuple[Parameter, ...], actions: tuple[str, ...]) -> T | None:
    """The item that a new trigger is merged with: same job, values, and commit or subset (Queue.scheduleInternal)."""
    wanted = (job, parameters, actions)
    return next((item for item in waiting if (item.job, item.parameters, item.actions) == wanted), None)


def hastened(ready_at: float, wanted: float) -> float:
    """When a merged item may start: a shorter delay than what is left counts, a longer one does not."""
    return min(ready_at, wanted)


def ready(waiting: Iterable[T], now: float) -> list[T]:
    """What is past its quiet period, the oldest first."""
    return sorted((turn for turn in waiting if turn.due <= now), key=lambda turn: turn.id)


def next_moment(waiting: Iterable[Turn], now: float) -> float | None:
    """When the next quiet period ends; None when there is none."""
    return min((turn.due for turn in waiting if turn.due > now), default=None)


def _own(turn: Turn, view: View) -> str:
    numbers = view.building(turn.job)
    if numbers and not view.concurrent(turn.job):
        return f"Build #{max(numbers)} is already in progress (ETA: N/A)"
    return ""


def _beside(direction: Direction) -> Callable[[Turn, View], str]:
    """A busy job on the way up or down (AbstractProject.getBuildingUpstream, getBuildingDownstream)."""

    def rule(turn: Turn, view: View) -> str:
        if not view.waits_for(turn.job, direction):
            return ""
        queued, seen = view.queued(), {turn.job}
        following = list(view.neighbours(turn.job, direction))
        while following:
            name = following.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if view.building(name) or name in queued:
                return f"{WORDS[direction]} project {name} is already building."
            following += view.neighbours(name, direction)
        return ""

    return rule


def _by_plugins(turn: Turn, view: View) -> str:
    rules = view.hindrances(turn.job)
    if not rules:
        return ""
    own = Candidate(job=turn.job, parameters=turn.parameters, hindrances=tuple(rules))
    running, ahead = list(view.running()), list(view.ahead(turn))
    try:
        return next((hindrance for rule in rules if (hindrance := rule.reason(own, running, ahead))), "")
    except SluicegateError as problem:
        return f"Its rules cannot be judged: {problem.message}"


RULES: tuple[Callable[[Turn, View], str], ...] = (_own, _beside("up"), _beside("down"), _by_plugins)
"""What makes an item wait that is past its quiet period, in the order in which people are told."""


def reason(turn: Turn, view: View) -> str:
    """Why it may not start now, for people; empty when it may."""
    return next((hindrance for rule in RULES if (hindrance := rule(turn, view))), "")
