"""What the table of the queue (`turns`) asks about the jobs of a home."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from sluicegate.errors import ConfigError
from sluicegate.runner import turns
from sluicegate.runner.elements import catalogue
from sluicegate.runner.item import Item
from sluicegate.runner.items import Items
from sluicegate.runner.jobxml import JobConfig
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.steps.blocking import Candidate, Hindrance
from sluicegate.runner.turns import Direction, Turn
from sluicegate.tools import xml

FLAGS: dict[Direction, str] = {"up": "blockBuildWhenUpstreamBuilding", "down": "blockBuildWhenDownstreamBuilding"}


@lru_cache(maxsize=4096)
def of_job(config: JobConfig) -> tuple[Hindrance, ...]:
    """The rules among a job's properties; what is not understood is told when the job is built."""
    rules: list[Hindrance] = []
    for element in config.section("properties"):
        try:
            rule = catalogue.make("property", element)
        except ConfigError:
            continue
        if isinstance(rule, Hindrance):
            rules.append(rule)
    return tuple(rules)


def reason(waiting: QueueItem, items: Items, queued: Sequence[QueueItem]) -> str:
    """Why the waiting item may not start now, for people; empty when it may."""
    return turns.reason(waiting, _Home(items, queued))


class _Home:
    """The jobs of a home and a queue of this moment, read only as far as a rule asks."""

    def __init__(self, items: Items, waiting: Sequence[QueueItem]) -> None:
        self.items = items
        self.waiting = waiting

    def _job(self, name: str) -> Item | None:
        return self.items.job(name)

    def concurrent(self, job: str) -> bool:
        return (item := self._job(job)) is not None and item.config.concurrent

    def building(self, job: str) -> Collection[int]:
        return list(item.history.running) if (item := self._job(job)) is not None else ()

    def waits_for(self, job: str, direction: Direction) -> bool:
        return (item := self._job(job)) is not None and xml.flag(item.config.root, FLAGS[direction])

    def neighbours(self, job: str, direction: Direction) -> Sequence[str]:
        if (item := self._job(job)) is None:
            return ()
        return self.items.upstream(item) if direction == "up" else [child.name for child in self.items.downstream(item)]

    def queued(self) -> Collection[str]:
        return {item.job for item in self.waiting}

    def hindrances(self, job: str) -> Sequence[Hindrance]:
        return of_job(item.config) if (item := self._job(job)) is not None else ()

    def running(self) -> Iterable[Candidate]:
        for job in list(self.items.by_name.values()):  # not `jobs()`: that would read every config.xml
            for record in list(job.history.running.values()):
                yield Candidate(job=job.full_name, parameters=record.parameters, hindrances=of_job(job.config))

    def ahead(self, turn: Turn) -> Iterable[Candidate]:
        for item in self.waiting:
            if item.id == turn.id:
                return
            yield Candidate(job=item.job, parameters=item.parameters, hindrances=tuple(self.hindrances(item.job)))
