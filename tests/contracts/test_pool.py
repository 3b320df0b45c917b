"""What every balancer does that knows single hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from sluicegate.errors import NotFound, RemoteUnavailable
from sluicegate.ports import Pool
from tests.fakes import FakePool

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass(kw_only=True)
class Bench:
    """A pool of `app1` and `app2`, which new users reach by `leads`."""

    pool: Pool
    leads: Callable[[], set[str]]
    take_down: Callable[[], object]


@pytest.fixture(params=["fake"])
def bench(request: pytest.FixtureRequest) -> Bench:
    fake = FakePool(["app1", "app2"])
    return Bench(pool=fake, leads=fake.leads, take_down=lambda: setattr(fake, "down", True))


def test_new_users_are_led_to_every_host_that_is_ready(bench: Bench) -> None:
    assert bench.leads() == {"app1", "app2"}
    bench.pool.drain("app1")
    assert bench.leads() == {"app2"}
    bench.pool.ready("app1")
    bench.pool.out("app2")
    assert bench.leads() == {"app1"}


def test_saying_it_again_changes_nothing(bench: Bench) -> None:
    for change in (bench.pool.drain, bench.pool.out, bench.pool.ready):
        change("app1")
        leads = bench.leads()
        change("app1")
        assert bench.leads() == leads


def test_a_host_without_users_works_on_nothing(bench: Bench) -> None:
    assert bench.pool.in_flight("app1") == 0


def test_a_stay_that_is_bound_ends_after_the_drain_began(bench: Bench) -> None:
    bench.pool.drain("app1")
    until = bench.pool.kept_until("app1", NOW)
    assert until is not None and until > NOW


def test_a_host_that_is_unknown_is_not_found(bench: Bench) -> None:
    for call in (bench.pool.drain, bench.pool.ready, bench.pool.out, bench.pool.in_flight):
        with pytest.raises(NotFound, match="app9"):
            call("app9")


def test_a_pool_that_is_down_is_unavailable_for_everything(bench: Bench) -> None:
    bench.take_down()
    for call in (bench.pool.drain, bench.pool.ready, bench.pool.out, bench.pool.in_flight):
        with pytest.raises(RemoteUnavailable):
            call("app1")
