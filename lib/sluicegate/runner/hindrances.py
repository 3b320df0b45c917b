"""Why a job that waits may not start yet: what else runs and waits, and the job's own rules about that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from sluicegate.errors import ConfigError, SluicegateError
from sluicegate.runner.elements import catalogue
from sluicegate.runner.items import Item, Items
from sluicegate.runner.jobxml import JobConfig
from sluicegate.runner.queue import QueueItem
from sluicegate.runner.steps.blocking import Candidate, Hindrance
from sluicegate.tools import xml


@lru_cache(maxsize=4096)
def of_job(config: JobConfig) -> tuple[Hindrance, ...]:
    """The rules among a job's properties; what is not understood is told when the job is built."""
    found: list[Hindrance] = []
    for element in config.section("properties"):
        try:
            made = catalogue.make("property", element)
        except ConfigError:
            continue
        if isinstance(made, Hindrance):
            found.append(made)
    return tuple(found)


def reason(item: Item, waiting: QueueItem, items: Items, queued: Sequence[QueueItem]) -> str:
    """Why the waiting item may not start now, for people; empty when it may."""
    config = item.config
    if item.history.running and not config.concurrent:
        return f"Build #{max(item.history.running)} is already in progress (ETA: N/A)"
    if xml.flag(config.root, "blockBuildWhenUpstreamBuilding") and (name := _busy(item, items, items.upstream, queued)):
        return f"Upstream project {name} is already building."
    down = xml.flag(config.root, "blockBuildWhenDownstreamBuilding")
    if down and (name := _busy(item, items, lambda one: [child.name for child in items.downstream(one)], queued)):
        return f"Downstream project {name} is already building."
    rules = of_job(config)
    return _first(rules, item, waiting, items, queued) if rules else ""


def _first(
    rules: Iterable[Hindrance], item: Item, waiting: QueueItem, items: Items, queued: Sequence[QueueItem]
) -> str:
    own = Candidate(job=item.full_name, parameters=waiting.parameters, hindrances=of_job(item.config))
    running = [
        Candidate(job=job.full_name, parameters=record.parameters, hindrances=of_job(job.config))
        for job in list(items.by_name.values())  # not `jobs()`: that would read every config.xml
        for record in list(job.history.running.values())
    ]
    before = queued[: queued.index(waiting)] if waiting in queued else ()
    ahead = [
        Candidate(job=other.job, parameters=other.parameters, hindrances=of_job(job.config))
        for other in before
        if (job := items.job(other.job)) is not None
    ]
    try:
        return next((told for rule in rules if (told := rule.reason(own, running, ahead))), "")
    except SluicegateError as problem:
        return f"Its rules cannot be judged: {problem.message}"


def _busy(item: Item, items: Items, step: Callable[[Item], list[str]], queued: Sequence[QueueItem]) -> str:
    """The first job on the way up or down that builds or waits (AbstractProject.getBuildingUpstream)."""
    waiting = {one.job for one in queued}
    seen = {item.full_name}
    todo = step(item)
    while todo:
        name = todo.pop(0)
        job = items.job(name)
        if name in seen or job is None:
            continue
        seen.add(name)
        if job.history.running or name in waiting:
            return name
        todo += step(job)
    return ""
