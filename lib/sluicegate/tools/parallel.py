"""Does one thing to many items side by side, and keeps apart what was done, what failed and what was never begun.

`within` does one thing aside, for what keeps to no time limit of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sluicegate.errors import TimedOut

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Generic[Item, Result]):
    """What became of every item; `failed` in the order in which they failed, `not_started` in the items' own."""

    done: Mapping[Item, Result]
    failed: Mapping[Item, Exception]
    not_started: tuple[Item, ...]

    @property
    def first_failure(self) -> Exception | None:
        return next(iter(self.failed.values()), None)


def each(
    items: Sequence[Item], action: Callable[[Item], Result], at_once: int, *, max_failed: int = 0
) -> Results[Item, Result]:
    """Do it to every item, `at_once` of them side by side; the caller's own thread is one of these.

    Once more than `max_failed` have failed nothing new is begun, and what is under way is finished. What is no
    Exception, such as an interrupt, ends all of it at once, from whichever thread it came.
    """
    done: dict[Item, Result] = {}
    failed: dict[Item, Exception] = {}
    ends: list[BaseException] = []
    waiting = list(reversed(items))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if ends or len(failed) > max_failed or not waiting:
                    return
                item = waiting.pop()
            try:
                done[item] = action(item)
            except Exception as problem:  # whoever called asks what kind it was
                failed[item] = problem

    def work_aside() -> None:
        try:
            work()
        except BaseException as end:  # a thread's own end would be printed and forgotten
            ends.append(end)

    # Daemons, so that an interrupt ends the command at once and not after the last large file.
    threads = [threading.Thread(target=work_aside, daemon=True) for _ in range(min(at_once, len(items)) - 1)]
    for thread in threads:
        thread.start()
    try:
        work()
        for thread in threads:
            thread.join()
    except BaseException as end:
        ends.append(end)
        raise
    if ends:
        raise ends[0]
    return Results(done=done, failed=failed, not_started=tuple(reversed(waiting)))


def within(seconds: float, action: Callable[[], Result], late: str) -> Result:
    """What `action` gives or raises; after so many seconds it is left behind: TimedOut with the sentence `late`."""
    results: list[Result] = []
    ends: list[BaseException] = []

    def work() -> None:
        try:
            results.append(action())
        except BaseException as end:  # it is the caller's, whose thread is another one
            ends.append(end)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if ends:
        raise ends[0]
    if not results:
        raise TimedOut(late)
    return results[0]
