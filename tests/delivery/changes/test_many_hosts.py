"""A deploy over many hosts: the first one alone, some side by side, some that may fail, and what is told of each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sluicegate.errors import PartlyDone, RemoteUnavailable, SluicegateError
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Deployed, Failed
from sluicegate.model.outcomes import DONE
from tests import worlds
from tests.fakes import FakeEngine, FakeHost
from tests.worlds import CONFIG, Shop

HOSTS = [f"room{number}" for number in range(1, 9)]


def many(deploy: str) -> bytes:
    """The organisation with eight rooms for training, deployed as `deploy` says."""
    text = CONFIG.decode().replace("  room2: {driver: fake}", "\n".join(f"  {h}: {{driver: fake}}" for h in HOSTS[1:]))
    text = text.replace("rooms: [room1, room2]", f"rooms: [{', '.join(HOSTS)}]")
    return text.replace("hosts: rooms\n    deploy: {driver: fake}", f"hosts: rooms\n    deploy: {deploy}").encode()


@pytest.fixture(autouse=True, params=["each host by itself", "an engine"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it holds for a deployer whose program works on many hosts in one run, too."""
    if request.param == "an engine":
        monkeypatch.setattr(worlds, "OutsideDeployer", FakeEngine)


def opened(tmp_path: Path, deploy: str) -> Shop:
    shop = Shop.opened(tmp_path / "shop", many(deploy))
    shop.drivers.hosts |= {name: FakeHost(name) for name in HOSTS}
    shop.to_integration(auth="1.0.0", portal="1.0.0")
    shop.promote("training", auth="1.0.0", portal="1.0.0")
    return shop


@pytest.fixture
def tolerant(tmp_path: Path) -> Shop:
    return opened(tmp_path, "{driver: fake, at-once: 50%, max-failed: 2}")


def having(shop: Shop) -> list[str]:
    return [name for name in HOSTS if shop.running(name) == {"auth": "1.0.0", "portal": "1.0.0"}]


def table(shop: Shop) -> dict[str, str]:
    """The ending of each host, as the last deploy's own file has it."""
    intent = shop.chronicle("training", "intent")[-1]
    content = shop.state.ledger_file(ledgerfiles.deploy_path("training", intent.id)) or b""
    return {row["host"]: row["ending"] for row in map(json.loads, content.splitlines())}


def test_every_host_is_done_and_stands_in_the_table(tolerant: Shop) -> None:
    plan = tolerant.deploy("training")
    assert (having(tolerant), plan.behind) == (HOSTS, {})
    assert table(tolerant) == dict.fromkeys(HOSTS, "done")
    assert (plan.at_once, plan.max_failed) == (4, 2)


def test_the_first_host_is_the_gatekeeper_whatever_may_fail(tolerant: Shop) -> None:
    tolerant.drivers.hosts["room1"].broken.add("auth")
    with pytest.raises(SluicegateError, match="'auth' ended at once"):
        tolerant.deploy("training")
    assert having(tolerant) == []
    assert table(tolerant) == {"room1": "failed"} | dict.fromkeys(HOSTS[1:], "not started")


def test_as_many_as_may_fail_are_told_and_the_set_is_deployed(tolerant: Shop) -> None:
    tolerant.drivers.hosts["room3"].broken.add("portal")
    tolerant.drivers.hosts["room5"].down = True
    plan = tolerant.deploy("training")
    assert {host: outcome.ending for host, outcome in plan.behind.items()} == {
        "room3": "failed",
        "room5": "unreachable",
    }
    with pytest.raises(PartlyDone, match=r"2 of 8 hosts of training are behind(.|\n)*room5: unreachable: .*down"):
        plan.tell_behind()
    (deployed,) = [r for r in tolerant.chronicle("training") if isinstance(r, Deployed)]
    assert dict(deployed.behind) == {"room3": "failed", "room5": "unreachable"}
    assert having(tolerant) == [name for name in HOSTS if name not in ("room3", "room5")]


def test_the_next_deploy_touches_only_what_is_behind(tolerant: Shop) -> None:
    tolerant.drivers.hosts["room3"].broken.add("portal")
    tolerant.drivers.hosts["room5"].down = True
    tolerant.deploy("training")
    tolerant.drivers.hosts["room3"].broken.clear()
    tolerant.drivers.hosts["room5"].down = False
    plan = tolerant.deploy("training")
    assert {step.host for step in plan.steps} == {"room3", "room5"}
    assert (having(tolerant), tolerant.deploy("training").steps) == (HOSTS, ())
    assert dict([r for r in tolerant.chronicle("training") if isinstance(r, Deployed)][-1].behind) == {}


def test_more_than_may_fail_stops_it_and_the_rest_is_not_started(tmp_path: Path) -> None:
    shop = opened(tmp_path, "{driver: fake, at-once: 1, max-failed: 1}")
    for name in ("room2", "room3"):
        shop.drivers.hosts[name].broken.add("auth")
    with pytest.raises(PartlyDone) as caught:
        shop.deploy("training")
    assert "room2: the service 'auth' ended at once" in caught.value.message
    assert having(shop) == ["room1"]
    assert table(shop) == dict(zip(HOSTS, ("done", "failed", "failed", *["not started"] * 5), strict=True))
    failed = [r for r in shop.chronicle("training") if isinstance(r, Failed)][-1]
    assert len(failed.behind) == 7


def test_more_that_are_down_than_may_fail_change_nothing_and_all_are_named(tolerant: Shop) -> None:
    for name in ("room2", "room4", "room6"):
        tolerant.drivers.hosts[name].down = True
    with tolerant.unchanged(), pytest.raises(RemoteUnavailable) as caught:
        tolerant.deploy("training")
    assert all(f"'{name}' is down" in caught.value.message for name in ("room2", "room4", "room6"))


def test_hosts_that_are_down_count_among_those_that_may_fail(tmp_path: Path) -> None:
    shop = opened(tmp_path, "{driver: fake, at-once: 1, max-failed: 1}")
    shop.drivers.hosts["room2"].down = True
    shop.drivers.hosts["room3"].broken.add("auth")
    with pytest.raises(PartlyDone):
        shop.deploy("training")
    assert having(shop) == ["room1"]


def test_what_keeps_any_host_from_being_given_it_is_told_before_the_first_is_touched(
    tolerant: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tolerant.drivers.deployers, "refusals", lambda host, wanted: (f"{host.name}: withdrawn",))
    with tolerant.unchanged(), pytest.raises(SluicegateError, match="room8: withdrawn"):
        tolerant.deploy("training")


def test_an_engine_gets_the_hosts_of_a_batch_as_many_as_may_be_at_once_in_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "OutsideDeployer", FakeEngine)
    shop = opened(tmp_path, "{driver: fake, at-once: 50%, max-failed: 2}")
    engine = shop.drivers.deployers
    assert isinstance(engine, FakeEngine)
    engine.runs.clear()
    shop.deploy("training")
    assert engine.runs == [("room1",), ("room2", "room3", "room4", "room5"), ("room6", "room7", "room8")]


def test_what_failed_and_was_to_be_ignored_is_told_and_stands_in_the_table(
    tolerant: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    remarked = replace(DONE, remark="ignored: the cache was warm")
    monkeypatch.setattr(
        tolerant.drivers.deployers, "apply", lambda host, wanted, intent: dict.fromkeys(wanted, remarked)
    )
    lines: list[str] = []
    assert tolerant.deploy("training", say=lines.append).behind == {}
    assert "training: room1: done: ignored: the cache was warm" in lines
    intent = tolerant.chronicle("training", "intent")[-1]
    content = tolerant.state.ledger_file(ledgerfiles.deploy_path("training", intent.id)) or b""
    assert {json.loads(line)["why"] for line in content.splitlines()} == {"ignored: the cache was warm"}
