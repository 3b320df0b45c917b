"""Properties that keep a job in the queue: build blocker, throttle, lockable resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sluicegate.errors import Malformed
from sluicegate.runner.build import Build
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import Parameter
from sluicegate.tools import patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A build that runs, or an item that waits: its job, its parameters, and the job's own hindrances."""

    job: str
    parameters: tuple[Parameter, ...]
    hindrances: tuple[Hindrance, ...]


@runtime_checkable
class Hindrance(Protocol):
    """A rule of one job about what else runs or waits."""

    def reason(self, own: Candidate, running: Iterable[Candidate], ahead: Iterable[Candidate]) -> str:
        """Why this candidate must wait, for people; empty when it may run. `ahead` waits in the queue before it."""


class BuildBlocker:
    """hudson.plugins.buildblocker.BuildBlockerProperty: jobs by expression that must not run beside this one.

    Of the queue only what stands before an item blocks it, so that two jobs never wait for each other.
    """

    def __init__(self, fields: Fields) -> None:
        on = fields.flag("useBuildBlocker")
        lines = [line.strip() for line in fields.text("blockingJobs").splitlines()]
        self.expressions = [line for line in lines if on and line and _is_expression(line)]
        self.scans = fields.text("scanQueueFor", "DISABLED").strip() != "DISABLED"
        fields.harmless("blockLevel")  # One machine: its level and the global one are the same.

    def reason(self, own: Candidate, running: Iterable[Candidate], ahead: Iterable[Candidate]) -> str:
        for candidate in (*running, *(ahead if self.scans else ())):
            if any(patterns.matches(expression, candidate.job) for expression in self.expressions):
                return f"Blocking job {candidate.job} is running."
        return ""


def _is_expression(line: str) -> bool:
    """What is none blocks nothing, as with the plugin (BlockingJobsMonitor)."""
    try:
        patterns.compiled(line)
    except Malformed:
        return False
    return True


class Throttle:
    """hudson.plugins.throttleconcurrents.ThrottleJobProperty: so many builds of a job, or of a category, at a time."""

    def __init__(self, fields: Fields) -> None:
        self.on = fields.flag("throttleEnabled")
        self.by_category = fields.text("throttleOption", "project").strip() == "category"
        limits = (fields.number("maxConcurrentPerNode", 0), fields.number("maxConcurrentTotal", 0))
        self.limit = min((limit for limit in limits if limit > 0), default=0)  # One machine: the smaller one counts.
        self.categories = frozenset(fields.texts("categories/string"))
        self.by_parameters = fields.flag("limitOneJobWithMatchingParams")
        self.parameters = frozenset(filter(None, fields.text("paramsToUseForLimit").replace(",", " ").split()))
        fields.harmless("configVersion", "matrixOptions", "matrixBuildsDistribution")

    def reason(self, own: Candidate, running: Iterable[Candidate], ahead: Iterable[Candidate]) -> str:
        if not self.on:
            return ""
        beside = list(running)
        same_job = [candidate for candidate in beside if candidate.job == own.job]
        if self.by_parameters and any(self._values(candidate) == self._values(own) for candidate in same_job):
            return "A build with matching parameters is already running"
        peers = [candidate for candidate in beside if self._shares(candidate)] if self.by_category else same_job
        if self.limit and len(peers) >= self.limit:
            return f"Already running {len(peers)} builds across all nodes"
        return ""

    def _values(self, candidate: Candidate) -> list[tuple[str, object]]:
        chosen = [
            parameter for parameter in candidate.parameters if not self.parameters or parameter.name in self.parameters
        ]
        return sorted((parameter.name, str(parameter.value)) for parameter in chosen)

    def _shares(self, candidate: Candidate) -> bool:
        return any(isinstance(rule, Throttle) and rule.categories & self.categories for rule in candidate.hindrances)


class Resources:
    """org.jenkins.plugins.lockableresources.RequiredResourcesProperty: no two builds hold one resource.

    Resources by name; a label stands for one resource of its name, as this server has no list of them.
    """

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.names = frozenset(filter(None, (*fields.text("resourceNames").split(), fields.text("labelName").strip())))
        self.variable = fields.text("resourceNamesVar").strip()
        fields.harmless("resourceNumber")
        fields.refuse("resourceMatchScript/script", "it is Groovy, which is not run here; name the resources")
        fields.harmless("resourceMatchScript")

    def reason(self, own: Candidate, running: Iterable[Candidate], ahead: Iterable[Candidate]) -> str:
        for candidate in running:
            held = [
                name for rule in candidate.hindrances if isinstance(rule, Resources) for name in rule.names & self.names
            ]
            if held:
                return f"Waiting for resource [{', '.join(sorted(held))}], {candidate.job} holds it"
        return ""

    def plan(self) -> str:
        return f"hold the resources {', '.join(sorted(self.names))}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        build.say(f"[lockable-resources] acquired lock on [{', '.join(sorted(self.names))}]")
        with build.variables_set({self.variable: " ".join(sorted(self.names))} if self.variable else {}):
            yield


ELEMENTS = (
    Entry(
        tag="hudson.plugins.buildblocker.BuildBlockerProperty",
        plugin="build-blocker-plugin",
        kind="property",
        make=BuildBlocker,
    ),
    Entry(
        tag="hudson.plugins.throttleconcurrents.ThrottleJobProperty",
        plugin="throttle-concurrents",
        kind="property",
        make=Throttle,
    ),
    Entry(
        tag="org.jenkins.plugins.lockableresources.RequiredResourcesProperty",
        plugin="lockable-resources",
        kind="property",
        make=Resources,
    ),
)
