"""Does one thing to many items over several connections; the first failure ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECTIONS = 8
"""Beyond eight a Nexus gets no faster (measured)."""


def each(
    items: Sequence[Item], action: Callable[[Item], Result], *, connections: int = CONNECTIONS
) -> tuple[dict[Item, Result], Exception | None]:
    """What was done, and the first failure: after it nothing new is begun, and what is under way is finished."""
    done: dict[Item, Result] = {}
    failures: list[Exception] = []
    waiting = iter(items)
    lock = threading.Lock()

    def work() -> None:
        while not failures:
            with lock:
                try:
                    item = next(waiting)
                except StopIteration:
                    return
            try:
                done[item] = action(item)
            except Exception as problem:
                failures.append(problem)

    # Daemons, so that an interrupt ends the command at once and not after the last large file.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(connections, len(items)) - 1)]
    for thread in threads:
        thread.start()
    try:
        work()
        for thread in threads:
            thread.join()
    except BaseException:
        failures.append(InterruptedError())
        raise
    return done, failures[0] if failures else None
