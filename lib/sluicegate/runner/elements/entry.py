"""What the catalogue knows of one element, and the objects of elements for which a build does nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from sluicegate.runner.build import Build
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result

UNPUBLISHED, FINE = "SLUICEGATE_UNPUBLISHED", "fine"
"""The variable by which users say that a build may stay green which would have published something."""
KINDS = {
    "project": "kind of project",
    "builder": "step",
    "publisher": "publisher",
    "wrapper": "build wrapper",
    "property": "property",
    "parameter": "parameter",
    "scm": "source code management",
    "trigger": "trigger",
    "binding": "credentials binding",
    "condition": "run condition",
    "parameter source": "parameter source",
    "build selector": "build selector",
}
"""Every kind with the words that messages use for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One element: its tag (or `class` attribute), the plugin it comes from, its kind, and what happens to it.

    Exactly one of four: `make` reads it into an object that acts; `skips` says why nothing is done and is named in the
    console; `ignores` says why nothing has to be done; `refuses` says why a job with it cannot run, and what to do.
    What `publishes` and is skipped makes a build yellow: people would look for what was not published.
    """

    tag: str
    plugin: str
    kind: str
    make: Callable[[Fields], object] | None = None
    skips: str = ""
    ignores: str = ""
    refuses: Callable[[Fields], str] | None = None
    publishes: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS or sum(map(bool, (self.make, self.skips, self.ignores, self.refuses))) != 1:
            raise ValueError(f"<{self.tag}>: one kind, and one of make, skips, ignores and refuses")

    @property
    def short_name(self) -> str:
        return self.tag.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A step that only notifies, or talks to an outside service: named in the log, nothing more."""

    label: str
    why: str
    publishes: bool = False

    def plan(self) -> str:
        return f"skip {self.label}: {self.why}"

    def perform(self, build: Build) -> None:
        build.say(f"Skipped {self.label}: {self.why}")
        if self.publishes and build.variables.get(UNPUBLISHED) != FINE:
            build.say(f"Nothing was published: the build is unstable. Where this is fine, set {UNPUBLISHED}={FINE}")
            build.worsen(Result.UNSTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """An element without influence on the result, wherever it stands."""

    label: str
    why: str
    before_scm: bool = True

    def plan(self) -> str:
        return f"ignore {self.label}: {self.why}"

    def perform(self, build: Build) -> None:
        """Nothing."""

    def around(self, build: Build) -> AbstractContextManager[None]:
        return nullcontext()
