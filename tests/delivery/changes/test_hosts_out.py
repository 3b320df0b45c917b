"""Hosts that are to be left alone, and what becomes of them when they are brought in again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.changes.hosts import Place, bring_in, take_out
from sluicegate.delivery.changes.planning import Transaction, batched
from sluicegate.errors import GateRefused, PartlyDone, RemoteUnavailable, SluicegateError, UnknownName
from sluicegate.tools import door
from tests.delivery.changes.test_many_hosts import HOSTS, having, opened, table
from tests.worlds import Shop


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Shop]:
    with opened(tmp_path, "{driver: fake, at-once: 50%, max-failed: 2}") as shop:
        yield shop


def out(shop: Shop, host: str, why: str = "a new disk") -> tuple[Place, ...]:
    shop.pass_time()
    return take_out(shop.by("olle"), host, why)


def bring(shop: Shop, host: str, **options: object) -> tuple[Place, ...]:
    shop.pass_time()
    return bring_in(shop.by("olle"), host, **options)  # type: ignore[arg-type]


def test_a_host_that_is_out_is_skipped_though_it_is_down_and_is_shown(rooms: Shop) -> None:
    rooms.drivers.hosts["room4"].down = True
    assert out(rooms, "room4") == (Place(environment="training", group="rooms"),)
    plan = rooms.deploy("training")
    plan.tell_behind()
    assert having(rooms) == [name for name in HOSTS if name != "room4"]
    assert list(plan.out) == ["room4"] and plan.out["room4"].endswith("by olle: a new disk")
    assert table(rooms)["room4"] == "out"
    (column,) = [column for column in status(rooms.state).columns if column.name == "training"]
    (shown,) = column.json()["out"]
    assert (shown["host"], shown["why"], shown["by"]) == ("room4", "a new disk", "olle")
    assert [host.host for host in explain(rooms.state, "auth", "", "training").out] == ["room4"]


def test_in_installs_what_it_missed_and_only_then_it_counts(rooms: Shop) -> None:
    out(rooms, "room4")
    rooms.deploy("training")
    rooms.drivers.hosts["room4"].broken.add("portal")
    with pytest.raises(PartlyDone, match="'portal' ended at once"):
        bring(rooms, "room4")
    training = rooms.state.config.environment("training")
    assert "room4" in rooms.state.hosts_out(training) and rooms.state.unsure(training, "rooms") is None
    rooms.drivers.hosts["room4"].broken.clear()
    bring(rooms, "room4")
    assert having(rooms) == HOSTS and rooms.state.hosts_out(training) == {}
    assert [r.what for r in rooms.chronicle("training")][-3:] == ["intent", "host in", "done"]
    assert rooms.deploy("training").steps == ()


def test_a_host_that_missed_nothing_is_made_to_answer_all_the_same(
    rooms: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms.deploy("training")
    out(rooms, "room4")
    applied: list[str] = []
    apply = rooms.drivers.deployers.apply
    monkeypatch.setattr(
        rooms.drivers.deployers,
        "apply",
        lambda host, wanted, intent: applied.extend(wanted) or apply(host, wanted, intent),
    )
    lines: list[str] = []
    bring(rooms, "room4", say=lines.append)
    assert applied == ["auth", "portal"]
    assert "training: room4: auth 1.0.0 is to answer" in lines


def test_it_is_given_what_its_group_has_and_not_what_is_only_pinned(rooms: Shop) -> None:
    out(rooms, "room4")
    rooms.deploy("training")
    rooms.to_integration(auth="2.0.0")
    rooms.promote("training", auth="2.0.0")
    bring(rooms, "room4")
    assert rooms.running("room4") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_a_host_that_is_down_stays_out_and_nothing_is_written(rooms: Shop) -> None:
    out(rooms, "room4")
    rooms.deploy("training")
    rooms.drivers.hosts["room4"].down = True
    with rooms.unchanged(), pytest.raises(RemoteUnavailable, match="'room4' is down"):
        bring(rooms, "room4")


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(rooms: Shop) -> None:
    out(rooms, "room4")
    rooms.deploy("training")
    lines: list[str] = []
    with rooms.unchanged():
        bring(rooms, "room4", dry_run=True, say=lines.append)
        take_out(rooms.by("olle"), "room5", "x", dry_run=True)
    assert lines == ["would do: room4: auth - -> 1.0.0", "would do: room4: portal - -> 1.0.0"]


def test_out_twice_is_out_once_and_in_twice_too(rooms: Shop) -> None:
    assert (len(out(rooms, "room4")), len(out(rooms, "room4", "again"))) == (1, 0)
    assert (len(bring(rooms, "room4")), len(bring(rooms, "room4"))) == (1, 0)
    assert (len(out(rooms, "room4")), len(rooms.chronicle("training", "host out"))) == (1, 2)


def test_a_host_that_nobody_knows_is_refused(rooms: Shop) -> None:
    with pytest.raises(UnknownName, match=r"called 'room44'\. Did you mean 'room4'"):
        out(rooms, "room44")


def test_where_every_host_is_out_nothing_is_deployed(rooms: Shop) -> None:
    for name in HOSTS:
        out(rooms, name)
    with pytest.raises(GateRefused, match="every host of rooms is out"):
        rooms.deploy("training")


def test_what_died_while_a_host_was_brought_in_is_undone_and_the_host_stays_out(
    rooms: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    out(rooms, "room4")
    rooms.deploy("training")

    def die(call: str) -> None:
        if call == "install portal on room4":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(door, "watcher", die)
        bring(rooms, "room4")
    (result,) = rooms.resume()
    assert (result.verb, result.outcome) == ("host in", "undone")
    assert "room4" in rooms.state.hosts_out(rooms.state.config.environment("training"))
    bring(rooms, "room4")
    assert having(rooms) == HOSTS


def test_a_group_of_a_pair_knows_its_host_out_whichever_it_plays(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    group = live.state.group(live.state.config.environment("staging"))
    assert out(live, f"{group}2")[0].group == group
    live.accepted(auth="2.0.0")
    live.swap()
    columns = {column.name: [o.host for o in column.out] for column in status(live.state).columns}
    assert (columns["production"], columns["staging"]) == ([f"{group}2"], [])


def test_a_host_that_is_out_and_answers_as_another_version_stops_a_swap(
    live: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.to_staging(auth="2.0.0")
    live.accepted(auth="2.0.0")
    group = live.state.group(live.state.config.environment("staging"))
    out(live, f"{group}2")
    monkeypatch.setattr("sluicegate.delivery.changes.swap.spoken_version", lambda url: "1.0.0")
    with pytest.raises(GateRefused, match=f"{group}2 is out and answers as auth 1.0.0"):
        live.swap()


def test_the_first_is_a_well_one_and_the_unwell_come_next() -> None:
    hosts = [Transaction(host=name, steps=()) for name in "abcd"]
    order = [[host.host for host in batch] for batch in batched(hosts, frozenset("ac"))]
    assert order == [["b"], ["a", "c", "d"]]
    assert [[host.host for host in batch] for batch in batched(hosts[:1], frozenset("a"))] == [["a"]]
    assert batched([]) == ()


def test_what_failed_last_time_is_tried_right_after_the_gatekeeper(
    rooms: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms.drivers.hosts["room5"].broken.add("auth")
    rooms.deploy("training")
    rooms.drivers.hosts["room5"].broken.clear()
    rooms.to_integration(auth="2.0.0")
    rooms.promote("training", auth="2.0.0")
    plan = rooms.deploy("training", dry_run=True)
    assert [host.host for batch in plan.batches for host in batch][:3] == ["room1", "room5", "room2"]


def test_the_set_of_a_failed_deploy_is_no_evidence_for_a_host(rooms: Shop) -> None:
    out(rooms, "room4")
    rooms.drivers.hosts["room1"].broken.add("auth")
    with pytest.raises(SluicegateError):
        rooms.deploy("training")
    bring(rooms, "room4")
    assert rooms.running("room4") == {}
