"""Names of versions in development, as Maven writes them: 1.4.2-SNAPSHOT moves, 1.4.2-20261123.081500-1 stays."""

from __future__ import annotations

import re
from datetime import UTC, datetime

WORD = "SNAPSHOT"
UNIQUE = re.compile(r"(.+)-([0-9]{8}\.[0-9]{6})-([1-9][0-9]*)")


def moves(version: str) -> bool:
    """Whether this names no version but the newest of several: 1.4.2-SNAPSHOT."""
    return version.endswith(f"-{WORD}")


def base(version: str) -> str:
    """1.4.2-SNAPSHOT for 1.4.2-20261123.081500-1; '' for a version that is none of a SNAPSHOT."""
    found = UNIQUE.fullmatch(version)
    return f"{found[1]}-{WORD}" if found else ""


def stamp(version: str) -> tuple[str, int]:
    """Time and build number of a time-stamped version, which order those of one base; ('', 0) for any other."""
    found = UNIQUE.fullmatch(version)
    return (found[2], int(found[3])) if found else ("", 0)


def stamped(version: str, at: datetime, number: int) -> str:
    """The unique version that 1.4.2-SNAPSHOT becomes when it is published."""
    return f"{version.removesuffix(WORD)}{at.astimezone(UTC):%Y%m%d.%H%M%S}-{number}"
