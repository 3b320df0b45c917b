"""The rules of a rollout: batches, the minimum, when users are gone, whether new hosts are worse than old ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.model.config import Analysis, Rolling, Share
from sluicegate.model.rollouts import admitted, batches, in_order, judged
from sluicegate.model.serving import ROUNDED, Counters, Serving, Standing, Stay, gone_by

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STAY = Stay(idle=timedelta(minutes=30), life=timedelta(hours=8))
STANDINGS: list[Standing | None] = ["ready", "drain", "out", None]


def test_the_first_host_goes_alone_then_the_canary_hosts_then_batches() -> None:
    hosts = [f"web{number}" for number in range(10)]
    rolling = Rolling(batch=Share(number=30, percent=True), canary=Share(number=2))
    sizes = [len(batch) for batch in batches(hosts, rolling, members=10, having=0, back=False)]
    assert sizes == [1, 2, 3, 3, 1]
    assert [len(batch) for batch in batches(hosts, rolling, members=10, having=0, back=True)] == [3, 3, 3, 1]
    # one host serves the target already: it was the first; of the two canary hosts none is left with three
    assert [len(batch) for batch in batches(hosts[1:], rolling, members=10, having=1, back=False)] == [2, 3, 3, 1]
    assert [len(batch) for batch in batches(hosts[3:], rolling, members=10, having=3, back=False)] == [3, 3, 1]


@given(st.integers(0, 12), st.integers(1, 100), st.integers(0, 100), st.integers(0, 12), st.booleans())
def test_every_host_is_in_one_batch(count: int, size: int, canary: int, having: int, back: bool) -> None:
    hosts = [f"web{number}" for number in range(count)]
    rolling = Rolling(batch=Share(number=size, percent=True), canary=Share(number=canary, percent=True))
    cut = batches(hosts, rolling, members=max(count, 1), having=having, back=back)
    assert [host for batch in cut for host in batch] == hosts
    assert all(cut)


@given(st.lists(st.tuples(st.sampled_from(STANDINGS), st.booleans()), max_size=12), st.integers(0, 12))
def test_whoever_is_admitted_the_minimum_still_takes_new_users(
    hosts: list[tuple[Standing | None, bool]], minimum: int
) -> None:
    survey = {
        f"web{number}": Serving(standing=standing, healthy=healthy) for number, (standing, healthy) in enumerate(hosts)
    }
    serving = {host for host, serving_there in survey.items() if serving_there.serves}
    chosen = admitted(in_order(survey, survey, minimum), survey, minimum)
    assert len(serving - set(chosen)) >= min(minimum, len(serving))
    assert set(survey) - serving <= set(chosen), "who serves nobody costs nothing"


def test_a_share_is_rounded_up_where_it_is_a_minimum_and_down_where_it_is_a_size() -> None:
    third = Share(number=33, percent=True)
    assert (third.of(4), third.at_least(4)) == (1, 2)
    assert (Share(number=3).of(2), Share(number=3).at_least(2)) == (3, 3)


@pytest.mark.parametrize(
    ("quiet", "minutes"),
    [
        (None, 8 * 60),  # nobody can say when it was asked last: the whole life
        (timedelta(0), 40 + 30),  # asked just now, forty minutes after the drain began
        (timedelta(minutes=25), 40 - 25 + 30),
        (timedelta(hours=3), 0),  # nobody has asked it for longer than anybody may be idle
    ],
)
def test_users_are_gone_by_the_life_of_a_session_or_once_all_have_been_idle(
    quiet: timedelta | None, minutes: int
) -> None:
    drained, now = NOW, NOW + timedelta(minutes=40)
    until = gone_by(STAY, Serving(standing="drain", quiet=quiet), drained, now)
    assert until == (drained + timedelta(minutes=minutes) + ROUNDED if minutes else drained)


def test_where_nobody_stays_users_are_gone_at_once() -> None:
    assert gone_by(None, Serving(standing="drain"), NOW, NOW + timedelta(hours=1)) == NOW


def verdict(new: Counters, old: Counters, analysis: Analysis | None = None) -> tuple[str, str]:
    """The analysis of one new and one old host which counted these between two surveys that began at nothing."""
    before = {host: Serving(standing="ready") for host in ("new", "old")}
    after = {"new": Serving(standing="ready", counters=new), "old": Serving(standing="ready", counters=old)}
    finding = judged(before, after, {"new"}, {"old"}, analysis or Analysis())
    return finding.verdict, finding.why


def test_a_version_with_five_percent_5xx_fails() -> None:
    word, why = verdict(Counters(requests=1000, server_errors=50), Counters(requests=3000, server_errors=3))
    assert (word, why) == (
        "failed",
        "5.0% answers 5xx instead of 0.1%; 1000 requests on new hosts, 3000 on old ones",
    )


@pytest.mark.parametrize("fault", ["server_errors", "connection_errors", "retries", "redispatches"])
def test_each_kind_of_fault_counts(fault: str) -> None:
    word, _ = verdict(Counters(requests=1000, **{fault: 60}), Counters(requests=1000))
    assert word == "failed"


def test_a_slow_balancer_that_slows_both_alike_passes() -> None:
    word, _ = verdict(Counters(requests=500, milliseconds=900.0), Counters(requests=500, milliseconds=880.0))
    assert word == "passed"


def test_answers_that_take_more_than_twice_as_long_fail_and_a_few_milliseconds_do_not() -> None:
    slow = verdict(Counters(requests=500, milliseconds=300.0), Counters(requests=500, milliseconds=100.0))
    assert slow[0] == "failed" and "300 ms instead of 100 ms" in slow[1]
    assert verdict(Counters(requests=500, milliseconds=9.0), Counters(requests=500, milliseconds=2.0))[0] == "passed"


def test_ten_requests_are_inconclusive_even_when_all_fail() -> None:
    assert verdict(Counters(requests=10, server_errors=10), Counters(requests=1000))[0] == "inconclusive"
    assert verdict(Counters(requests=1000), Counters(requests=10))[0] == "inconclusive"
    assert verdict(Counters(), Counters(), Analysis(requests=0))[0] == "inconclusive"


def test_a_difference_that_may_be_chance_is_inconclusive() -> None:
    word, why = verdict(Counters(requests=100, server_errors=2), Counters(requests=100))
    assert word == "inconclusive" and why.startswith("2.0% answers 5xx instead of 0.0%, which may be chance")


def test_a_balancer_that_started_again_or_lost_a_host_is_an_error() -> None:
    before = {host: Serving(standing="ready", counters=Counters(requests=500)) for host in ("new", "old")}
    again = {host: Serving(standing="ready", counters=Counters(requests=100)) for host in ("new", "old")}
    assert judged(before, again, {"new"}, {"old"}, Analysis()).verdict == "error"
    assert judged(before, {"old": before["old"]}, {"new"}, {"old"}, Analysis()).verdict == "error"
