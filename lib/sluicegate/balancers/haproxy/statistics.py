"""What HAProxy says of a server in `show stat`, and what several HAProxies say of the same host."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sluicegate.model.numbers import whole
from sluicegate.model.serving import WORST_FIRST, Counters, Serving, Standing

ROW = ("scur", "qcur", "stot", "hrsp_5xx", "econ", "eresp", "wretr", "wredis", "rtime")


def serving_of(row: Mapping[str, str]) -> Serving:
    """One row of `show stat`. Its states: UP, DOWN, MAINT, DRAIN, NOLB (a check that answered 404), no check."""
    state = row["status"]
    standing: Standing = "ready"
    if state.startswith("MAINT"):
        standing = "out"
    elif state.startswith(("DRAIN", "NOLB")) or row.get("weight") == "0":
        standing = "drain"
    number = {key: whole(row.get(key, "")) or 0 for key in ROW}
    last = whole(row.get("lastsess", ""), least=0)
    return Serving(
        standing=standing,
        healthy=state.startswith(("UP", "DRAIN", "NOLB", "no check")),
        in_flight=number["scur"] + number["qcur"],
        quiet=timedelta(seconds=last) if last is not None else None,
        counters=Counters(
            requests=number["stot"],
            server_errors=number["hrsp_5xx"],
            connection_errors=number["econ"] + number["eresp"],
            retries=number["wretr"],
            redispatches=number["wredis"],
            milliseconds=float(number["rtime"]),
        ),
    )


def merged(first: Serving, second: Serving, balancer: str = "") -> Serving:
    """What two see of one host: the worse, and the sums. `balancer` is named where it disagrees."""
    a, b = first.counters, second.counters
    requests = a.requests + b.requests
    weighted = a.milliseconds * a.requests + b.milliseconds * b.requests
    quiet = [span for span in (first.quiet, second.quiet) if span is not None]
    standings = [standing for standing in (first.standing, second.standing) if standing is not None]
    return Serving(
        standing=min(standings, key=WORST_FIRST.index, default=None),
        healthy=first.healthy and second.healthy,
        in_flight=(first.in_flight or 0) + (second.in_flight or 0),
        quiet=min(quiet, default=None),
        odd=first.odd or (balancer if first.standing != second.standing else ""),
        counters=Counters(
            requests=requests,
            server_errors=a.server_errors + b.server_errors,
            connection_errors=a.connection_errors + b.connection_errors,
            retries=a.retries + b.retries,
            redispatches=a.redispatches + b.redispatches,
            milliseconds=weighted / requests if requests else 0.0,
        ),
    )


def says(serving: Serving, to: Standing) -> bool:
    """Whether HAProxy has seen what a host says of itself: `out` by an agent is MAINT, by a failing check DOWN."""
    if to == "out":
        return serving.standing == "out" or not serving.healthy
    return serving.standing == to and serving.healthy
