"""XML tag -> step. The group `sluicegate.steps` is open, as jenkins-job-builder's components are: a tag is the name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Protocol, TypeVar, cast
from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build
from sluicegate.runner.jobxml import JobConfig
from sluicegate.runner.steps import skipped

GROUP = "sluicegate.steps"
T = TypeVar("T")


class Step(Protocol):
    """A builder or publisher, made from its element. Raises UsageError from its constructor for what it cannot do."""

    label: str

    def plan(self) -> str:
        """What it will do, for `run --plan`."""

    def perform(self, build: Build) -> None:
        """Do it. Worsens the build's result, or raises StepFailed."""


class Wrapper(Protocol):
    """A build wrapper, made from its element."""

    before_scm: bool

    def plan(self) -> str:
        """What it will do, for `run --plan`."""

    def around(self, build: Build) -> AbstractContextManager[None]:
        """Entered before the steps, left after them."""


@dataclass(slots=True, kw_only=True)
class Skipped:
    """A publisher that only notifies, or talks to an outside service: named in the log, nothing more."""

    label: str
    why: str

    def plan(self) -> str:
        return f"skip {self.label}: {self.why}"

    def perform(self, build: Build) -> None:
        build.say(f"Skipped {self.label}: {self.why}")


@dataclass(slots=True, kw_only=True)
class Silent:
    """A wrapper without influence on the result."""

    tag: str
    before_scm: bool = True

    def plan(self) -> str:
        return f"accept {self.tag} silently"

    def around(self, build: Build) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a build of a job will do."""

    wrappers: tuple[Wrapper, ...]
    builders: tuple[Step, ...]
    publishers: tuple[Step, ...]

    def lines(self) -> list[str]:
        """One line a step, for people."""
        return [
            *(f"around: {one.plan()}" for one in self.wrappers),
            *(f"build:  {one.plan()}" for one in self.builders),
            *(f"after:  {one.plan()}" for one in self.publishers),
        ]


@cache
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def factory(tag: str) -> Callable[[Element], object] | None:
    """What makes the step for a tag, None when nobody knows it."""
    point = _entry_points().get(tag)
    return None if point is None else cast(Callable[[Element], object], point.load())


def step(element: Element) -> Step:
    """The builder or publisher of an element. Raises UsageError that names the element."""
    if (why := skipped.STEPS.get(element.tag)) is not None:
        return Skipped(label=element.tag.rpartition(".")[2], why=why)
    made = factory(element.tag)
    if made is None:
        raise UsageError(f"this runner does not know the step <{element.tag}>")
    return cast(Step, made(element))


def wrapper(element: Element) -> Wrapper:
    """The wrapper of an element. Raises UsageError that names the element."""
    if element.tag in skipped.WRAPPERS:
        return Silent(tag=element.tag.rpartition(".")[2])
    made = factory(element.tag)
    if made is None:
        raise UsageError(f"this runner does not know the build wrapper <{element.tag}>")
    return cast(Wrapper, made(element))


def plan(config: JobConfig) -> Plan:
    """Everything a build will do. Raises UsageError naming every element that is not understood."""
    if config.tag != "project":
        raise UsageError(skipped.why_not(config))
    mistakes = [f"this runner does not know the parameter <{tag}>" for tag in config.unknown_parameters]
    mistakes += [
        f"this runner does not know the property <{one.tag}>"
        for one in config.section("properties")
        if one.tag not in skipped.PROPERTIES
    ]

    def gather(elements: tuple[Element, ...], make: Callable[[Element], T]) -> tuple[T, ...]:
        made = []
        for element in elements:
            try:
                made.append(make(element))
            except UsageError as problem:
                mistakes.append(problem.message)
        return tuple(made)

    wrappers = gather(config.section("buildWrappers"), wrapper)
    builders = gather(config.section("builders"), step)
    publishers = gather(config.section("publishers"), step)
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return Plan(wrappers=wrappers, builders=builders, publishers=publishers)
