"""Rules of a rollout: its batches, which hosts may be drained now, and whether new hosts are worse than old ones.

Pure: surveys of a pool come in as arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import sqrt
from typing import Literal

from sluicegate.model.config import Analysis, Rolling
from sluicegate.model.frozen import frozen
from sluicegate.model.serving import Counters, Serving

SURE = 3.0  # standard deviations from which on a difference is no chance
SLOWER_BY = 20.0  # milliseconds below which nobody is called slow


def in_order(hosts: Iterable[str], survey: Mapping[str, Serving], minimum: int) -> list[str]:
    """The order of a rollout: a host that is well goes first, as what breaks it shows the version's fault and not its
    own, one whose drain has begun before any other; then those that users do not reach anyhow, which cost nothing;
    then all others.
    """
    order = sorted(hosts, key=lambda host: host in survey and survey[host].serves)
    draining = [host for host in order if host in survey and survey[host].standing == "drain" and survey[host].healthy]
    spare = sum(serving.serves for serving in survey.values()) > minimum
    serving = [host for host in order if host in survey and survey[host].serves] if spare else []
    for first in (draining or serving)[:1]:
        order.remove(first)
        order.insert(0, first)
    return order


def batches(hosts: Sequence[str], rolling: Rolling, *, members: int, having: int, back: bool) -> list[list[str]]:
    """The first host alone, then the canary hosts, then the rest; `having` of `members` serve the target already.

    A way `back` needs no canary: what comes back has served before.
    """
    sizes = [] if back else [1, rolling.canary.of(members)]
    waiting = list(hosts)
    cut = []
    for size in sizes:
        left = max(0, size - having)
        having = max(0, having - size)
        cut.append(waiting[:left])
        waiting = waiting[left:]
    size = max(1, rolling.batch.of(members))
    cut += [waiting[start : start + size] for start in range(0, len(waiting), size)]
    return [batch for batch in cut if batch]


def canaries(rolling: Rolling, members: int) -> int:
    """How many hosts serve a version before anybody is asked whether it may go on."""
    return 1 + rolling.canary.of(members)


def admitted(waiting: Sequence[str], survey: Mapping[str, Serving], minimum: int) -> list[str]:
    """Those of the waiting hosts that may be drained now, so that `minimum` hosts still take new users."""
    free = sum(serving.serves for serving in survey.values()) - minimum
    chosen = []
    for host in waiting:
        costs = host in survey and survey[host].serves
        if costs and free <= 0:
            continue
        free -= costs
        chosen.append(host)
    return chosen


@frozen
class Finding:
    """What an analysis says of the new hosts, and why."""

    verdict: Literal["passed", "failed", "inconclusive", "error"]
    why: str


def judged(
    before: Mapping[str, Serving], after: Mapping[str, Serving], new: Collection[str], old: Collection[str],
    analysis: Analysis,
) -> Finding:  # fmt: skip
    """New hosts against old ones in the same minutes, which lie between two surveys."""
    sides = []
    for hosts in (new, old):
        counts = _between(before, after, hosts)
        if counts is None:
            return Finding(
                verdict="error", why="a balancer started again meanwhile, or lost a host: its counts are gone"
            )
        sides.append(counts)
    # Too few requests prove nothing.
    fresh, stale = sides
    fewest = min(fresh.requests, stale.requests)
    counted = f"{fresh.requests} requests on new hosts, {stale.requests} on old ones"
    if fewest < max(analysis.requests, 1):
        return Finding(verdict="inconclusive", why=f"{counted}; {analysis.requests} on each are needed")
    # Worse is only what chance does not explain.
    more = [excess for name in FAULTS if (excess := _more(name, fresh, stale, analysis.errors / 100))]
    worse = [sentence for sentence, sure in more if sure]
    slower = fresh.milliseconds - stale.milliseconds
    if fresh.milliseconds > stale.milliseconds * analysis.slower and slower > SLOWER_BY:
        worse.append(f"answers take {fresh.milliseconds:.0f} ms instead of {stale.milliseconds:.0f} ms")
    if worse:
        return Finding(verdict="failed", why="; ".join([*worse, counted]))
    if more:
        return Finding(
            verdict="inconclusive",
            why="; ".join([f"{sentence}, which may be chance" for sentence, _ in more] + [counted]),
        )
    return Finding(verdict="passed", why=counted)


FAULTS = {
    "server_errors": "answers 5xx",
    "connection_errors": "broken connections",
    "retries": "retries",
    "redispatches": "redispatches",
}


def _more(name: str, new: Counters, old: Counters, allowed: float) -> tuple[str, bool] | None:
    """What to say where new hosts have more of these by more than is allowed, and whether that is no chance."""
    here, there = getattr(new, name) / new.requests, getattr(old, name) / old.requests
    if here - there <= allowed:
        return None
    together = (getattr(new, name) + getattr(old, name)) / (new.requests + old.requests)
    spread = sqrt(max(together * (1 - together), 0.0) * (1 / new.requests + 1 / old.requests))
    return f"{here:.1%} {FAULTS[name]} instead of {there:.1%}", here - there > SURE * spread


def _between(before: Mapping[str, Serving], after: Mapping[str, Serving], hosts: Collection[str]) -> Counters | None:
    """What was counted on these hosts between two surveys; None where a count went back."""
    sums = dict.fromkeys(("requests", *FAULTS), 0)
    weighted = 0.0
    for host in hosts:
        if host not in before or host not in after:
            return None
        first, last = before[host].counters, after[host].counters
        for name in sums:
            if (grown := getattr(last, name) - getattr(first, name)) < 0:
                return None
            sums[name] += grown
        weighted += last.milliseconds * (last.requests - first.requests)
    return Counters(**sums, milliseconds=weighted / sums["requests"] if sums["requests"] else 0.0)
