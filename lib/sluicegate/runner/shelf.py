"""The records of builds that stay in memory, so that lists need no disk."""

from __future__ import annotations

import threading
from collections import deque

from sluicegate.runner.records import Record

MOST_OF_A_JOB, MOST = 128, 50_000
"""Ended builds in memory: of one job more than its page and its api/json show (100), and of all jobs together."""


class Shelf:
    """The records that are in memory, of all jobs together: the one that came first goes for the newest."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._order: deque[tuple[dict[int, Record], Record]] = deque()

    def put(self, cache: dict[int, Record], record: Record) -> None:
        """Keep a record in the cache of its job."""
        with self._lock:
            if cache.get(record.number) is record:
                return
            cache[record.number] = record
            self._order.append((cache, record))
            if len(cache) > MOST_OF_A_JOB:
                cache.pop(next(iter(cache)))
            while len(self._order) > self.most:
                old, gone = self._order.popleft()
                if old.get(gone.number) is gone:
                    del old[gone.number]


SHELF = Shelf()
