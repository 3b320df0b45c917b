"""The table of the queue: what is merged, what comes first, and what makes an item wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.runner import turns
from sluicegate.runner.elements import catalogue
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.steps.blocking import Candidate, Hindrance
from sluicegate.runner.turns import Direction, Turn

A1, A2 = (Parameter(name="A", value="1"),), (Parameter(name="A", value="2"),)


@dataclass(frozen=True, kw_only=True)
class Item:
    id: int = 1
    job: str = "j"
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[str, ...] = ()
    due: float = 0.0


@dataclass(frozen=True, kw_only=True)
class State:
    """A home in a few words: `runs` is job -> values of its builds; `below` is job -> the jobs downstream of it."""

    runs: Mapping[str, Sequence[tuple[Parameter, ...]]] = field(default_factory=dict)
    waits: Sequence[Item] = ()
    several: Collection[str] = ()
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)
    heeds: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Sequence[Hindrance]] = field(default_factory=dict)

    def concurrent(self, job: str) -> bool:
        return job in self.several

    def building(self, job: str) -> Collection[int]:
        return range(1, len(self.runs.get(job, ())) + 1)

    def waits_for(self, job: str, direction: Direction) -> bool:
        return self.heeds.get(job) == direction

    def neighbours(self, job: str, direction: Direction) -> Sequence[str]:
        if direction == "down":
            return self.below.get(job, ())
        return [name for name, names in self.below.items() if job in names]

    def queued(self) -> Collection[str]:
        return {waiting.job for waiting in self.waits}

    def hindrances(self, job: str) -> Sequence[Hindrance]:
        return self.rules.get(job, ())

    def _candidate(self, job: str, values: tuple[Parameter, ...]) -> Candidate:
        return Candidate(job=job, parameters=values, hindrances=tuple(self.hindrances(job)))

    def running(self) -> Iterable[Candidate]:
        return [self._candidate(job, values) for job, builds in self.runs.items() for values in builds]

    def ahead(self, turn: Turn) -> Iterable[Candidate]:
        return [self._candidate(waiting.job, waiting.parameters) for waiting in self.waits if waiting.id < turn.id]


def rule(xml: str) -> Hindrance:
    hindrance = catalogue.make("property", fromstring(xml))
    assert isinstance(hindrance, Hindrance)
    return hindrance


def blocker(jobs: str, scan: str = "DISABLED") -> Hindrance:
    tag = "hudson.plugins.buildblocker.BuildBlockerProperty"
    fields = f"<useBuildBlocker>true</useBuildBlocker><blockingJobs>{jobs}</blockingJobs>"
    return rule(f"<{tag}>{fields}<scanQueueFor>{scan}</scanQueueFor></{tag}>")


def throttle(total: int = 0, *, node: int = 0, category: str = "", params: str = "") -> Hindrance:
    tag = "hudson.plugins.throttleconcurrents.ThrottleJobProperty"
    fields = f"<maxConcurrentPerNode>{node}</maxConcurrentPerNode><maxConcurrentTotal>{total}</maxConcurrentTotal>"
    fields += "<throttleEnabled>true</throttleEnabled>"
    if category:
        fields += f"<throttleOption>category</throttleOption><categories><string>{category}</string></categories>"
    if params:
        fields += "<limitOneJobWithMatchingParams>true</limitOneJobWithMatchingParams>"
        fields += f"<paramsToUseForLimit>{params}</paramsToUseForLimit>"
    return rule(f"<{tag}>{fields}</{tag}>")


def resource(name: str) -> Hindrance:
    tag = "org.jenkins.plugins.lockableresources.RequiredResourcesProperty"
    return rule(f"<{tag}><resourceNames>{name}</resourceNames></{tag}>")


J = Item()
TABLE = [
    ("nothing runs", J, State(), ""),
    ("its own build runs", J, State(runs={"j": [()]}), "Build #1 is already in progress"),
    ("its own build runs, and several may", J, State(runs={"j": [()]}, several={"j"}), ""),
    ("another job builds", J, State(runs={"other": [()]}), ""),
    ("upstream builds", J, State(runs={"up": [()]}, below={"up": ["j"]}, heeds={"j": "up"}), "Upstream project up"),
    ("upstream builds, and nobody cares", J, State(runs={"up": [()]}, below={"up": ["j"]}), ""),
    ("upstream waits", J, State(waits=[Item(job="up")], below={"up": ["j"]}, heeds={"j": "up"}), "Upstream project up"),
    (
        "upstream of upstream builds",
        J,
        State(runs={"top": [()]}, below={"top": ["up"], "up": ["j"]}, heeds={"j": "up"}),
        "Upstream project top",
    ),
    ("a circle upstream ends", J, State(below={"a": ["j", "b"], "b": ["a"]}, heeds={"j": "up"}), ""),
    ("downstream builds", J, State(runs={"d": [()]}, below={"j": ["d"]}, heeds={"j": "down"}), "Downstream project d"),
    ("downstream is no upstream", J, State(runs={"d": [()]}, below={"j": ["d"]}, heeds={"j": "up"}), ""),
    ("a blocking job builds", J, State(runs={"x-1": [()]}, rules={"j": [blocker("x-.*")]}), "Blocking job x-1"),
    ("a blocking job must match as a whole", J, State(runs={"ax-1": [()]}, rules={"j": [blocker("x-.*")]}), ""),
    (
        "a blocking job waits before it",
        Item(id=2),
        State(waits=[Item(id=1, job="x")], rules={"j": [blocker("x", "ALL")]}),
        "Blocking job x",
    ),
    (
        "one that waits behind it blocks not",
        J,
        State(waits=[Item(id=2, job="x")], rules={"j": [blocker("x", "ALL")]}),
        "",
    ),
    ("the queue is not scanned", Item(id=2), State(waits=[Item(id=1, job="x")], rules={"j": [blocker("x")]}), ""),
    (
        "as many run as may",
        J,
        State(runs={"j": [(), ()]}, several={"j"}, rules={"j": [throttle(2)]}),
        "Already running 2 builds",
    ),
    ("one more may run", J, State(runs={"j": [()]}, several={"j"}, rules={"j": [throttle(2)]}), ""),
    (
        "here is one node: its limit counts",
        J,
        State(runs={"j": [()]}, several={"j"}, rules={"j": [throttle(5, node=1)]}),
        "Already running 1 builds",
    ),
    (
        "another of its category runs",
        J,
        State(runs={"k": [()]}, rules={"j": [throttle(1, category="db")], "k": [throttle(1, category="db")]}),
        "Already running 1 builds",
    ),
    (
        "one of another category runs",
        J,
        State(runs={"k": [()]}, rules={"j": [throttle(1, category="db")], "k": [throttle(1, category="web")]}),
        "",
    ),
    (
        "one with the same values runs",
        Item(parameters=A1),
        State(runs={"j": [A1]}, several={"j"}, rules={"j": [throttle(params="A")]}),
        "matching parameters",
    ),
    (
        "one with other values runs",
        Item(parameters=A1),
        State(runs={"j": [A2]}, several={"j"}, rules={"j": [throttle(params="A")]}),
        "",
    ),
    (
        "its resource is held",
        J,
        State(runs={"k": [()]}, rules={"j": [resource("board")], "k": [resource("board")]}),
        "board",
    ),
    ("another resource is held", J, State(runs={"k": [()]}, rules={"j": [resource("a")], "k": [resource("b")]}), ""),
    (
        "the first rule is told first",
        J,
        State(runs={"j": [()], "x": [()]}, rules={"j": [blocker("x")]}),
        "already in progress",
    ),
]


@pytest.mark.parametrize(("item", "state", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_an_item_waits_where_the_table_says_so(item: Item, state: State, words: str) -> None:
    reason = turns.reason(item, state)
    assert words in reason and bool(words) == bool(reason)


@pytest.mark.parametrize(
    ("job", "values", "actions", "merged"),
    [
        ("j", A1, (), 1),
        ("j", A1, ("<a/>",), 2),
        ("j", A2, (), None),
        ("j", (), (), None),
        ("k", A1, (), None),
    ],
)
def test_equal_triggers_are_merged_and_others_wait_beside(
    job: str, values: tuple[Parameter, ...], actions: tuple[str, ...], merged: int | None
) -> None:
    waiting = [Item(id=1, parameters=A1), Item(id=2, parameters=A1, actions=("<a/>",)), Item(id=3, parameters=A1)]
    merged_with = turns.fold(waiting, job, values, actions)
    assert (merged_with.id if merged_with is not None else None) == merged


def test_a_shorter_delay_counts_and_a_longer_one_does_not() -> None:
    assert (turns.hastened(30.0, 5.0), turns.hastened(5.0, 30.0)) == (5.0, 5.0)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), unique_by=lambda row: row[0]), st.integers(0, 9))
def test_the_oldest_comes_first_and_nothing_before_its_quiet_period(rows: list[tuple[int, int]], now: int) -> None:
    items = [Item(id=number, due=moment) for number, moment in rows]
    assert [turn.id for turn in turns.ready(items, now)] == sorted(number for number, moment in rows if moment <= now)
    assert turns.next_moment(items, now) == min((moment for _, moment in rows if moment > now), default=None)
