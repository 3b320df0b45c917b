"""How long a change has waited for others, when it tries again, and what room the next one leaves to others.

Where no line keeps the order of writers, as at a server, who has just made a change is ever faster than those that it
has beaten, for they have to fetch that first: so it leaves them room, and who waits longest pauses least.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

LONG = 20.0  # seconds from which on a change does not pause between two tries
RECENT = 5.0  # seconds after a change during which another one follows it at once
IN_A_ROW = 8  # changes after which room is left though nobody was seen
LONGEST = 1.0  # seconds that count of one try


class Waited:
    """The waiting of one change; `since` keeps its place in the line of writers, in nanoseconds."""

    def __init__(self) -> None:
        self.since = time.time_ns()
        self.tries = 0
        self.seconds = 0.0
        self._began = 0.0

    def begin(self) -> None:
        """The turn has come to try: what stood in line until then does not count."""
        self._began = time.monotonic()
        self.tries += 1

    @property
    def took(self) -> float:
        """Seconds of the last try, as far as they count: on a machine that is overloaded everything takes long."""
        return min(time.monotonic() - self._began, LONGEST)

    def pause(self) -> float:
        """Seconds to wait before the next try: some tries' time, chosen by chance, and less the longer we wait.

        They and those of the last try are added to `seconds`.
        """
        import random

        took = self.took
        patient = max(0.0, 1 - self.seconds / LONG)
        pause = random.uniform(0, 0.01 + 2.0 ** min(self.tries, 3) * took * patient)
        self.seconds += took + pause
        return pause


class Courtesy:
    """The changes that one process makes one after the other, and whether others want to make some."""

    def __init__(self) -> None:
        self._tips: Mapping[str, str] = {}
        self._ended = self._took = 0.0
        self._in_a_row = 0
        self._others = False

    def room(self) -> float:
        """Seconds to leave to others before the next change."""
        import random

        if not self._in_a_row or time.monotonic() - self._ended > RECENT:
            return 0.0
        if not self._others and self._in_a_row % IN_A_ROW:
            return 0.0
        return random.uniform(1, 3) * self._took

    def begin(self, tips: Mapping[str, str]) -> None:
        """A change begins on these tips: others made some when they are not ours."""
        self._others = bool(self._tips) and tips != self._tips

    def made(self, tips: Mapping[str, str], waited: Waited) -> None:
        """A change was made."""
        self._others = self._others or waited.tries > 1
        self._in_a_row += 1
        self._tips, self._took, self._ended = tips, waited.took, time.monotonic()
