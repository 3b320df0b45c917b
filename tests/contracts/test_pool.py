"""What every pool does: it knows how single hosts stand to their users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.balancers.haproxy import runtime
from sluicegate.errors import NotFound, RemoteUnavailable
from sluicegate.ports import Pool
from tests import pool as real
from tests.fakes import FakePool


@dataclass(kw_only=True)
class Bench:
    """A pool of `app1` and `app2`, which new users reach by `leads`."""

    pool: Pool
    leads: Callable[[], set[str]]
    restart: Callable[[], object]
    take_down: Callable[[], object]


@pytest.fixture(params=["fake", pytest.param("haproxy", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runtime, "RELOAD", 0.5)
    if request.param == "fake":
        fake = FakePool(["app1", "app2"])
        yield Bench(pool=fake, leads=fake.leads, restart=lambda: None, take_down=lambda: setattr(fake, "down", True))
        return
    with real.running(tmp_path, ["app1", "app2"]) as pooled:
        yield Bench(pool=pooled.pool, leads=pooled.leads, restart=pooled.restart, take_down=pooled.process.kill)


def standings(bench: Bench) -> dict[str, str | None]:
    return {host: serving.standing for host, serving in bench.pool.survey().items()}


def test_new_users_are_led_to_every_host_that_is_ready(bench: Bench) -> None:
    assert bench.leads() == {"app1", "app2"}
    bench.pool.turn(["app1"], "drain")
    assert bench.leads() == {"app2"}
    assert standings(bench) == {"app1": "drain", "app2": "ready"}
    bench.pool.turn(["app1"], "ready")
    bench.pool.turn(["app2"], "out")
    assert bench.leads() == {"app1"}
    assert standings(bench) == {"app1": "ready", "app2": "out"}


def test_several_hosts_are_turned_in_one_step(bench: Bench) -> None:
    bench.pool.turn(["app1", "app2"], "drain")
    assert standings(bench) == {"app1": "drain", "app2": "drain"}
    bench.pool.turn(["app1", "app2"], "ready")
    assert bench.leads() == {"app1", "app2"}
    bench.pool.turn([], "out")
    assert standings(bench) == {"app1": "ready", "app2": "ready"}


def test_saying_it_again_changes_nothing(bench: Bench) -> None:
    for to in ("drain", "out", "drain", "ready"):
        for _ in range(2):
            bench.pool.turn(["app1"], to)  # type: ignore[arg-type]
            assert standings(bench) == {"app1": to, "app2": "ready"}


def test_a_balancer_that_starts_again_comes_back_with_the_same_standings(bench: Bench) -> None:
    for to in ("drain", "out"):
        bench.pool.turn(["app1"], to)  # type: ignore[arg-type]
        bench.restart()
        assert standings(bench) == {"app1": to, "app2": "ready"}
        assert bench.leads() == {"app2"}


def test_a_host_without_users_works_on_nothing(bench: Bench) -> None:
    assert bench.pool.survey()["app1"].in_flight == 0


def test_a_stay_that_is_bound_is_told(bench: Bench) -> None:
    assert bench.pool.stay is not None
    assert bench.pool.stay.idle <= bench.pool.stay.life


def test_a_host_that_is_unknown_is_not_found_and_nothing_is_turned(bench: Bench) -> None:
    for to in ("drain", "ready", "out"):
        with pytest.raises(NotFound, match="app9"):
            bench.pool.turn(["app1", "app9"], to)  # type: ignore[list-item, arg-type]
    assert standings(bench) == {"app1": "ready", "app2": "ready"}


def test_a_pool_that_is_down_is_unavailable_for_everything(bench: Bench) -> None:
    bench.take_down()
    with pytest.raises(RemoteUnavailable):
        bench.pool.turn(["app1"], "drain")
    with pytest.raises(RemoteUnavailable):
        bench.pool.survey()
