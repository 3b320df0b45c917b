"""How the hosts of a pool stand to their users, and when the last user has left one that takes no new ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sluicegate.model.frozen import frozen

Standing = Literal["ready", "drain", "out"]
"""What users get of a host: all of them, only those who are there already, nobody."""
WORST_FIRST: tuple[Standing, ...] = ("out", "drain", "ready")

ROUNDED = timedelta(seconds=5)
"""HAProxy writes the times of a cookie in steps of four seconds, rounded up: so much longer may a session live."""


@frozen
class Counters:
    """What a balancer has counted of a host since it started; `milliseconds` are an answer's mean of late."""

    requests: int = 0
    server_errors: int = 0
    connection_errors: int = 0
    retries: int = 0
    redispatches: int = 0
    milliseconds: float = 0.0


@frozen
class Serving:
    """One host as its balancers see it; what they cannot tell is None.

    `quiet`: how long its last request is ago. `odd`: the balancer that sees another standing than the first, if any.
    """

    standing: Standing | None
    healthy: bool = True
    in_flight: int | None = 0
    quiet: timedelta | None = None
    counters: Counters = Counters()
    odd: str = ""

    @property
    def serves(self) -> bool:
        """Whether new users reach it, as far as can be told."""
        return self.healthy and self.standing in ("ready", None)


@frozen
class Stay:
    """The bound of a session on its host: so long without a request, and so long altogether."""

    idle: timedelta
    life: timedelta


def gone_by(stay: Stay | None, serving: Serving, drained: datetime, now: datetime) -> datetime:
    """When the last user has left a host that is drained since `drained`; at once where nobody stays.

    A session ends with its life, counted from the drain at the latest; and none is left once nobody has asked the host
    for as long as one may be idle.
    """
    if stay is None:
        return drained
    latest = drained + stay.life + ROUNDED
    if serving.quiet is None:
        return latest
    return min(latest, max(drained, now - serving.quiet + stay.idle + ROUNDED))
