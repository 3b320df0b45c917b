"""Whether a job can run here, with every reason why not, before anything is started; and the same of many jobs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.errors import ConfigError, Malformed
from sluicegate.runner import jobxml, properties
from sluicegate.runner.elements import catalogue, projects
from sluicegate.runner.elements.acting import Plan
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.jobxml import JobConfig

VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
OF_EVERY_BUILD = re.compile(r"(?:JOB|BUILD|NODE|JENKINS|HUDSON|EXECUTOR)_[A-Z_]+|WORKSPACE|HOME|USER")
"""Variables that a build has whatever is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One job: why it cannot run (no reasons: it can), and what a build of it leaves out or takes for granted."""

    job: str
    reasons: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def runnable(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One reason: how many jobs it stands in the way of, and of how many of them alone."""

    reason: str
    jobs: int
    alone: int


def assess(name: str, content: bytes, variables: Mapping[str, str]) -> Assessment:
    """Read a job to the end. `variables` are those that every build has, beside Jenkins' own."""
    try:
        config = jobxml.parse(content, source=name)
    except Malformed as problem:
        return Assessment(job=name, reasons=(problem.message,), notices=())
    reasons: Sequence[str] = ()
    plan = None
    try:
        plan = projects.plan(config)
    except ConfigError as problem:
        reasons = problem.mistakes
    except Malformed as problem:
        reasons = (problem.message,)
    notices = dict.fromkeys([*_left_out(config), *_labels(config), *_unset(config, plan, variables)])
    return Assessment(job=name, reasons=tuple(dict.fromkeys(reasons)), notices=tuple(notices))


def _left_out(config: JobConfig) -> Iterator[str]:
    """The elements for which a build does nothing."""
    known = catalogue.entries()
    for element in config.root.iter():
        entry = known.get(element.get("class") or element.tag)
        if entry is not None and (why := entry.skips or entry.ignores):
            yield f"<{entry.tag}> is {'skipped' if entry.skips else 'ignored'}: {why}"


def _labels(config: JobConfig) -> Iterator[str]:
    if config.label:
        yield f"the job asks for a node with the label '{config.label}': here is one node, which takes every job"


def _unset(config: JobConfig, plan: Plan | None, variables: Mapping[str, str]) -> Iterator[str]:
    """Variables without which the checkout fails, as people set them for all jobs of a Jenkins."""
    variables_set = {definition.name: str(definition.default) for definition in definitions(config)} | dict(variables)
    values = properties.resolved(variables_set, variables_set)
    axes = {(name.text or "").strip() for name in config.root.iterfind("axes/*/name")}
    for git in plan.source.gits if plan is not None else ():
        for remote in git.remotes:
            for name in VARIABLE.findall(properties.expand(remote.url, values)):
                if name not in variables_set and name not in axes and not OF_EVERY_BUILD.fullmatch(name):
                    yield f"the repository URL {remote.url} needs the variable {name}: --env {name}=VALUE"


def obstacles(assessments: Iterable[Assessment]) -> list[Obstacle]:
    """What stands in the way of jobs, the most frequent first."""
    jobs: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for assessment in assessments:
        jobs.update(assessment.reasons)
        if len(assessment.reasons) == 1:
            alone.update(assessment.reasons)
    return [Obstacle(reason=reason, jobs=count, alone=alone[reason]) for reason, count in jobs.most_common()]
