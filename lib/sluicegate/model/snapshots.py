"""Maven's SNAPSHOT: a version that is being worked on. Each publication of it has its time and its number.

`1.4.2-SNAPSHOT` is published as `1.4.2-20261123.093012-1`, which stays what it is, as every version does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sluicegate.model.numbers import required

ENDING = "-SNAPSHOT"
FORM = "%Y%m%d.%H%M%S"
STAMPED = re.compile(r"(?P<release>.+)-(?P<time>[0-9]{8}\.[0-9]{6})-(?P<number>[0-9]{1,9})")


def base(version: str) -> str:
    """`1.4.2-SNAPSHOT` for `1.4.2-20261123.093012-1`; '' for what is no publication of a SNAPSHOT."""
    stamped = STAMPED.fullmatch(version)
    return f"{stamped['release']}{ENDING}" if stamped else ""


def parts(version: str) -> tuple[str, str, int]:
    """Release, time and number of a publication, such as 1.4.2, 20261123.093012 and 1."""
    stamped = STAMPED.fullmatch(version)
    assert stamped, version
    return stamped["release"], stamped["time"], required(stamped["number"])


def publications(versions: Iterable[str], snapshot: str) -> list[str]:
    """Those of `versions` that are publications of `snapshot`, oldest first."""
    return sorted(
        (version for version in versions if base(version) == snapshot), key=lambda version: parts(version)[1:]
    )


def following(snapshot: str, before: Iterable[str], now: datetime) -> str:
    """The next publication: later than all before, whatever the clock of this machine says."""
    at, number = now.astimezone(UTC).replace(microsecond=0), 1
    for publication in before:
        _, time, taken = parts(publication)
        at = max(at, datetime.strptime(time, FORM).replace(tzinfo=UTC) + timedelta(seconds=1))
        number = max(number, taken + 1)
    return f"{snapshot.removesuffix(ENDING)}-{at.strftime(FORM)}-{number}"


def ordered_as(scheme: str, version: str) -> str:
    """A publication in words that `scheme` puts before its release, as Maven does by its metadata."""
    stamped = STAMPED.fullmatch(version)
    if not stamped or scheme == "semver":
        return version
    sign = {"maven": "-snapshot-"}.get(scheme, "~")
    return f"{stamped['release']}{sign}{stamped['time']}.{stamped['number']}"
