"""What becomes of each host, as a table that changes while a deploy goes on; a line each where nobody watches it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sluicegate.cli.output import say
from sluicegate.model.printable import printable

if TYPE_CHECKING:
    from sluicegate.delivery.changes.applying import HostNews

PLAIN_SECONDS = 1.0
"""A deploy that is over before needs no table, and none of what a table costs to import."""
ORDER = ("failed", "timed out", "unreachable", "at work", "done")
COLOURS = {"done": "green", "at work": "cyan"}
RESERVED = 6  # lines of the terminal that are not rows of hosts


@contextmanager
def live_hosts() -> Iterator[Callable[[str], None]]:
    """What takes lines of progress; on a terminal those about hosts become a table after the first second."""
    if not sys.stdout.isatty():
        yield say
        return
    table = HostTable()
    try:
        yield table
    finally:
        table.close()


class HostTable:
    """The state of every host that was begun so far. Called from several threads."""

    def __init__(self, plain: float = PLAIN_SECONDS) -> None:
        self.hosts: dict[str, HostNews] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._plain = plain
        self._live: Any = None

    def __call__(self, text: str) -> None:
        from sluicegate.delivery.changes.applying import HostNews

        with self._lock:
            news = text if isinstance(text, HostNews) else None
            if news is not None and news.state:
                self.hosts[news.host] = news
            if self._live is None and news is not None and time.monotonic() - self._began >= self._plain:
                self._open()
            if self._live is None:
                say(str(text))
            elif news is None:
                self._live.console.print(printable(str(text)), markup=False, highlight=False)
            else:
                self._live.update(self.table())

    def close(self) -> None:
        """Leave the table as it is at the end, with every host that was not done."""
        with self._lock:
            if self._live is not None:
                self._live.update(self.table())
                self._live.stop()
                self._live = None

    def rows(self, most: int) -> list[tuple[str, str, str]]:
        """Host, state and what, at most so many: who needs attention first, then who is at work."""
        listed = sorted(self.hosts.values(), key=lambda news: (ORDER.index(news.state), news.host))
        return [(news.host, news.state, news.what) for news in listed[: max(most, 1)]]

    def counts(self) -> str:
        """`37 done, 2 failed, 461 waiting`: of all hosts that are to be changed."""
        states = [news.state for news in self.hosts.values()]
        known = [f"{states.count(state)} {state}" for state in reversed(ORDER) if state in states]
        total = max((news.hosts for news in self.hosts.values()), default=0)
        waiting = total - len(states)
        return ", ".join([*known, f"{waiting} waiting"] if waiting > 0 else known)

    def table(self) -> Any:
        from rich.markup import escape
        from rich.table import Table

        height = self._live.console.height if self._live else 24
        table = Table(box=None, pad_edge=False, caption=self.counts(), caption_justify="left")
        for head in ("host", "state", "what"):
            table.add_column(head, no_wrap=head != "what", overflow="ellipsis")
        for host, state, what in self.rows(height - RESERVED):
            first = printable(what.partition("\n")[0])
            table.add_row(escape(host), f"[{COLOURS.get(state, 'red')}]{state}[/]", escape(first))
        return table

    def _open(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(self.table(), console=Console(), refresh_per_second=8)
        self._live.start()
