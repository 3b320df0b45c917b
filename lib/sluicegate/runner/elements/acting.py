"""What a build expects of the objects that are made from elements: steps, wrappers, and the plan that holds them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sluicegate.runner.build import Build
from sluicegate.runner.scm.model import NOTHING, Source


class Step(Protocol):
    """A builder or publisher, made from its fields. Its constructor raises UsageError for what it cannot do."""

    @property
    def label(self) -> str:
        """What the log calls it, as Jenkins does."""

    def plan(self) -> str:
        """What it will do, for `run --plan`."""

    def perform(self, build: Build) -> None:
        """Do it. Worsens the build's result, or raises StepFailed."""


@runtime_checkable
class Wrapper(Protocol):
    """A build wrapper, made from its fields."""

    @property
    def before_scm(self) -> bool:
        """Whether it begins before the checkout."""

    def plan(self) -> str:
        """What it will do, for `run --plan`."""

    def around(self, build: Build) -> AbstractContextManager[None]:
        """Entered before the steps, left after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a build of a job will do, and what it leaves out."""

    wrappers: tuple[Wrapper, ...]
    builders: tuple[Step, ...]
    publishers: tuple[Step, ...]
    source: Source = NOTHING

    def lines(self) -> list[str]:
        """One line a step, for people."""
        return [
            *(f"scm:    {line}" for line in self.source.plan()),
            *(f"around: {wrapper.plan()}" for wrapper in self.wrappers),
            *(f"build:  {step.plan()}" for step in self.builders),
            *(f"after:  {step.plan()}" for step in self.publishers),
        ]
