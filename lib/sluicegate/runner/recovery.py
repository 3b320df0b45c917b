"""How builds are known before they run, and what is left of those during which the server died."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from sluicegate.runner import leftqueue, processes
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.item import Item
from sluicegate.runner.items import Items
from sluicegate.runner.journal import NotStored
from sluicegate.runner.queue import Interrupted, Queue
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.records import Record, now_ms, read
from sluicegate.runner.results import Result
from sluicegate.runner.unsaved import append_once

DIED = "The server died while this build ran; its processes were ended and the build is marked as aborted"


def recover(items: Items, queue: Queue, cookie: str) -> None:
    """After a crash: end the processes of the old builds, which carry `cookie`, and mark those builds."""
    # A job may have been deleted in the moment of the crash.
    for waiting in queue.items():
        if items.get(waiting.job) is None:
            queue.drop(waiting.id)
    if queue.interrupted:
        processes.kill([], {"JENKINS_SERVER_COOKIE": cookie}, soft=1.0)
        mark(items, queue)
    for build in queue.interrupted:
        message = "%s #%d was cut off, and there is no room to mark it"
        logging.getLogger(__name__).warning(message, build.item.job, build.number)


def mark(items: Items, queue: Queue) -> None:
    """Mark the builds during which the server died; those for which there is no room stay in `queue.interrupted`."""
    for build in list(queue.interrupted):
        with contextlib.suppress(OSError, NotStored):
            _mark(items, build)
            queue.forget(build)


def _mark(items: Items, build: Interrupted) -> None:
    item = items.job(build.item.job)
    if item is None:
        return
    # A build that ended, and only was not crossed out, stays as it is; the permalinks may not know it yet.
    folder = item.history.builds / str(build.number)
    record = read(item.full_name, folder)
    if record is not None and record.result is not None:
        item.history.finish(record, record.result)
        return
    # A build that died before its record was on disk gets one, so that its number is explained.
    if record is None:
        record = new_record(item, build.item, build.number)
        folder.mkdir(parents=True, exist_ok=True)
    append_once(record.log, f"\n{DIED}\nFinished: ABORTED\n".encode())
    record.duration = max(0, now_ms() - record.start_time)
    item.history.finish(record, Result.ABORTED)


def adopt(home: Path, items: Items, queue: Queue) -> None:
    """Take over what waited in the Jenkins that had this home before; ids go on from where it was.

    What we had left to it is no longer ours.
    """
    for number in leftqueue.taken(home):
        queue.drop(number)
    left, next_id = leftqueue.take(home)
    try:
        queue.go_on_from(next_id)
        for item in left:
            if items.job(item.job) is not None:
                queue.add(item.job, item.causes, item.parameters, 0, item.actions)
    except NotStored as problem:
        logging.getLogger(__name__).warning("what a Jenkins left is taken over by the next start: %s", problem.message)
        return
    leftqueue.done(home)


def new_record(item: Item, waiting: QueueItem, number: int) -> Record:
    """What is known of a build when it is about to begin."""
    return Record(
        job=item.full_name,
        number=number,
        folder=item.history.builds / str(number),
        queue_id=waiting.id,
        timestamp=now_ms(),
        start_time=now_ms(),
        causes=waiting.causes,
        parameters=waiting.parameters,
        declared=tuple(definition.name for definition in definitions(item.config)),
        extra=list(waiting.actions),
    )
