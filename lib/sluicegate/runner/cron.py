"""Jenkins' crontab: five fields, `H`, `@daily` and `TZ=`. Imitates hudson.scheduler.CronTab, CronTabList and Hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from sluicegate.errors import Malformed

LOWER = (0, 0, 1, 1, 0)
UPPER = (59, 23, 31, 12, 7)
HASH_UPPER = (59, 23, 28, 12, 6)
FIELDS = ("minute", "hour", "day of month", "month", "day of week")
ALIASES = {
    "@yearly": "H H H H *",
    "@annually": "H H H H *",
    "@monthly": "H H H * *",
    "@weekly": "H H * * H",
    "@daily": "H H * * *",
    "@midnight": "H H(0-2) * * *",
    "@hourly": "H * * * *",
}
TERM = re.compile(
    r"(?:(?P<star>\*)|(?P<hash>H)(?:\((?P<hs>[0-9]{1,9})-(?P<he>[0-9]{1,9})\))?"
    r"|(?P<s>[0-9]{1,9})(?:-(?P<e>[0-9]{1,9}))?)(?:/(?P<step>[0-9]{1,9}))?"
)
FURTHEST = timedelta(days=366 * 8 + 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One crontab line: the allowed values of each field. All fields must agree (Jenkins ANDs the two day fields)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def day_fits(self, moment: datetime) -> bool:
        weekday = moment.isoweekday() % 7
        return moment.day in self.days and moment.month in self.months and weekday in self.weekdays

    def fits(self, moment: datetime) -> bool:
        return moment.minute in self.minutes and moment.hour in self.hours and self.day_fits(moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All lines of a spec, in one time zone (None: the machine's)."""

    lines: tuple[Line, ...]
    zone: tzinfo | None

    def due(self, moment: datetime) -> bool:
        """Whether the minute of `moment` (aware) is in the schedule."""
        local = moment.astimezone(self.zone)
        return any(line.fits(local) for line in self.lines)

    def due_each_hour(self, moment: datetime) -> bool:
        """Whether a line that names every hour has this minute: such a job goes on when a clock is set back."""
        local = moment.astimezone(self.zone)
        return any(line.fits(local) and len(line.hours) == 24 for line in self.lines)

    def after(self, moment: datetime) -> datetime | None:
        """The first minute after `moment` that fits, in UTC; None when there is none within eight years."""
        hits = [hit for line in self.lines if (hit := self._after(line, moment)) is not None]
        return min(hits, default=None)

    def _after(self, line: Line, moment: datetime) -> datetime | None:
        current = (moment.astimezone(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)
        last = current + FURTHEST
        while current < last:
            local = current.astimezone(self.zone)
            if not line.day_fits(local) or local.hour not in line.hours:
                current += timedelta(minutes=60 - local.minute)
            elif local.minute not in line.minutes:
                current += timedelta(minutes=1)
            else:
                return current
        return None


def parse(spec: str, seed: str) -> Schedule:
    """Read a spec; `seed` is the job's full name. Raises Malformed naming the line and field."""
    draw = generator(seed)
    zone: tzinfo | None = None
    lines: list[Line] = []
    for number, raw in enumerate(spec.splitlines(), start=1):
        line = raw.strip()
        if number == 1 and line.startswith("TZ="):
            zone = _zone(line[3:].strip())
        elif line and not line.startswith("#"):
            lines.append(_line(line, draw, number))
    return Schedule(lines=tuple(lines), zone=zone)


def generator(seed: str) -> Callable[[int], int]:
    """Numbers below n as hudson.scheduler.Hash draws them: java.util.Random seeded with a folded MD5."""
    digest = hashlib.md5(seed.encode(), usedforsecurity=False).digest()
    folded = int.from_bytes(bytes(a ^ b for a, b in zip(digest[:8], digest[8:], strict=True)), "big")
    state = (folded ^ 0x5DEECE66D) & ((1 << 48) - 1)

    def bits31() -> int:
        nonlocal state
        state = (state * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        return state >> 17

    def draw(below: int) -> int:
        drawn = bits31()
        if below & (below - 1) == 0:
            return (below * drawn) >> 31
        while drawn - drawn % below + below - 1 >= 1 << 31:
            drawn = bits31()
        return drawn % below

    return draw


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        raise Malformed(f"schedule: the time zone '{name}' is not known") from problem


def _line(line: str, draw: Callable[[int], int], number: int) -> Line:
    words = ALIASES.get(line, line).split()
    if len(words) != 5:
        raise Malformed(f"schedule, line {number}: expected five fields or an alias such as @daily, found '{line}'")
    values = [_field(word, index, draw, number) for index, word in enumerate(words)]
    weekdays = frozenset(day % 7 for day in values[4])
    _must_occur(values[2], values[3], line, number)
    return Line(minutes=values[0], hours=values[1], days=values[2], months=values[3], weekdays=weekdays)


def _must_occur(days: frozenset[int], months: frozenset[int], line: str, number: int) -> None:
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    if not any(day <= longest.get(month, 31) for day in days for month in months):
        raise Malformed(f"schedule, line {number}: '{line}' names a day that no month has")


def _field(word: str, index: int, draw: Callable[[int], int], number: int) -> frozenset[int]:
    # Jenkins' grammar reads the terms from left to right, so `H,H` draws twice in that order.
    return frozenset(value for term in word.split(",") for value in _term(term, index, draw, number))


def _term(term: str, index: int, draw: Callable[[int], int], number: int) -> range:
    match = TERM.fullmatch(term)
    where = f"schedule, line {number}, {FIELDS[index]}"
    if match is None or (match["s"] and not match["e"] and match["step"]):
        raise Malformed(f"{where}: '{term}' is not a number, range, * or H")
    # The range that the term spans.
    step = int(match["step"] or 1)
    if match["hash"]:
        start, end = int(match["hs"] or LOWER[index]), int(match["he"] or HASH_UPPER[index])
    elif match["star"]:
        start, end = LOWER[index], UPPER[index]
    else:
        start, end = int(match["s"]), int(match["e"] or match["s"])
    if start > end or start < LOWER[index] or end > UPPER[index] or step < 1:
        raise Malformed(f"{where}: '{term}' must lie within {LOWER[index]}-{UPPER[index]} and rise")
    if not match["hash"]:
        return range(start, end + 1, step)
    if step > end - start + 1:
        raise Malformed(f"{where}: the step of '{term}' is larger than its range")
    # H: a place within the range that is the job's own, the same for ever.
    if step > 1:
        return range(start + draw(step), end + 1, step)
    value = start + draw(end + 1 - start)
    return range(value, value + 1)
