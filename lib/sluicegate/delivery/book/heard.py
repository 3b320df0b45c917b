"""The last word of each host on what a deploy assigned to it: what the ledger has of the hosts' own reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sluicegate.delivery.book.state import State
from sluicegate.model.config import Environment
from sluicegate.model.evidence import HostsDiffer, HostsReported, Intent
from sluicegate.model.values import Json, read_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a host says: `problem` is why it does not have what was assigned, '' where it does.

    `run` is when the run began that says so, as the host has it; '' where the deploy itself looked.
    """

    problem: str = ""
    run: str = ""

    @property
    def at(self) -> datetime:
        return ran_at(self.run)

    def json(self, host: str) -> Json:
        """The shape of an entry of `reported` in `status --json` and `drift --json`."""
        return {"host": host, "why": self.problem, "run": self.run}


def ran_at(run: str) -> datetime:
    """When a run began; long ago where that is no time."""
    try:
        return read_time(run)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def last_words(state: State, environment: Environment, group: str, last: Intent) -> dict[str, Word]:
    """The hosts of a group that are known to have what the deploy `last` assigned, or not to have it.

    Hosts that the deploy brought to its end count as having said so.
    """
    standing = state.group_state(environment, group)
    words: dict[str, Word] = {}
    if standing is not None and standing.record.of == last.id:
        words = {host: Word() for host in state.config.groups[group] if host not in standing.behind}
    records = [
        record
        for player in state.pair(environment)
        for record in state.annals.since(player.name, last)
        if isinstance(record, HostsReported) and (record.of, record.group) == (last.id, group)
    ]
    for record in sorted(records, key=lambda record: record.at):
        problems: Mapping[str, str] = record.problems if isinstance(record, HostsDiffer) else {}
        words |= {host: Word(problem=problems.get(host, ""), run=run) for host, run in record.runs.items()}
    return words


def differing(state: State, environment: Environment, group: str) -> dict[str, Word]:
    """The hosts of a group that say of themselves that they do not have what the last deploy assigned to them."""
    last = state.last_deploy(environment, group) if group else None
    words = last_words(state, environment, group, last) if last else {}
    return {host: word for host, word in words.items() if word.problem}
