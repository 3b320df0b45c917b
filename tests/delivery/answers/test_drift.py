"""What the hosts really have: against the pins, and two environments against each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.cli import reality
from sluicegate.cli.shapes import reality as shapes
from sluicegate.delivery.answers.drift import Drift, drift
from sluicegate.delivery.answers.parity import FACTS, parity
from sluicegate.delivery.changes.hosts import take_out
from sluicegate.errors import PartlyDone, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.hosts.local import LocalHost
from sluicegate.tools.process import Completed
from tests.worlds import Shop


@pytest.fixture
def training(live: Shop) -> Shop:
    """auth 2.0.0 and portal 1.0.0 are deployed in training."""
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0", portal="1.0.0")
    live.deploy("training")
    return live


def causes_of(drifts: Drift) -> list[tuple[str, ...]]:
    return [(row.host, row.component, row.pinned, row.installed, row.cause) for row in drifts.drifted]


def put(shop: Shop, host: str, component: str, content: str) -> None:
    shop.drivers.hosts[host].files[f"apps/{component}/current"] = content.encode()


def test_hosts_that_have_what_is_pinned_do_not_drift(training: Shop) -> None:
    drifts = drift(training.state, "training")
    assert (causes_of(drifts), drifts.hosts, shapes.reality(drifts)["drift"]) == ([], ("room1", "room2"), [])


def test_what_was_changed_installed_or_taken_away_by_hand_is_named_with_the_time(training: Shop) -> None:
    deployed = training.chronicle("training", "deployed")[-1].at
    put(training, "room1", "auth", "6.6.6\nby hand")
    del training.drivers.hosts["room2"].files["apps/portal/current"]
    drifts = drift(training.state, "training")
    assert causes_of(drifts) == [
        ("room1", "auth", "2.0.0", "6.6.6", "changed by hand"),
        ("room2", "portal", "1.0.0", "", "taken away by hand"),
    ]
    assert {row.since for row in drifts.drifted} == {deployed}


def test_what_nobody_pinned_and_somebody_installed_is_named(training: Shop) -> None:
    training.edited("environments/training.yaml", "auth: 2.0.0\n")
    training.deploy("training", remove=True)
    put(training, "room2", "portal", "1.0.0\nby hand")
    assert causes_of(drift(training.state, "training")) == [("room2", "portal", "", "1.0.0", "installed by hand")]


def test_a_pin_that_waits_for_its_deploy_says_since_when(training: Shop) -> None:
    training.to_integration(auth="3.0.0")
    training.promote("training", auth="3.0.0")
    (pinned,) = training.story("auth", "3.0.0", "pinned")[-1:]
    drifts = drift(training.state, "training")
    assert causes_of(drifts) == [(host, "auth", "3.0.0", "2.0.0", "not deployed yet") for host in ("room1", "room2")]
    assert drifts.drifted[0].since == pinned.at


def test_a_failed_deploy_and_a_host_that_is_out_are_causes_of_their_own(training: Shop) -> None:
    training.to_integration(auth="3.0.0")
    training.promote("training", auth="3.0.0")
    training.drivers.hosts["room2"].broken.add("auth")
    with pytest.raises(PartlyDone):
        training.deploy("training")
    causes = [row.cause for row in drift(training.state, "training").drifted]
    assert causes == ["the last deploy failed"]
    take_out(training.by("olle"), "room2", "a new disk")
    assert [row.cause for row in drift(training.state, "training").drifted] == ["host is out"]


def test_a_host_that_cannot_be_asked_is_told_and_none_is_an_error(training: Shop) -> None:
    training.drivers.hosts["room1"].down = True
    drifts = drift(training.state, "training")
    assert (drifts.hosts, list(drifts.survey.silent)) == (("room2",), ["room1"])
    assert shapes.reality(drifts)["not_asked"] == [
        {"host": "room1", "ending": "unreachable", "why": "the host 'room1' is down"}
    ]
    training.drivers.hosts["room2"].down = True
    with pytest.raises(RemoteUnavailable, match="no host of training could be asked\n  room1: unreachable"):
        drift(training.state, "training")


def facts(**values: str) -> Callable[..., Completed]:
    stdout = "".join(f"{name.replace('_', ' ')}\t{value}\n" for name, value in values.items()).encode()
    return lambda argv, **_: Completed(argv=tuple(argv), status=0, stdout=stdout, stderr=b"")


@pytest.fixture
def pair(training: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """integration and training, whose hosts tell the same but for what a test changes."""
    for host in training.drivers.hosts.values():
        monkeypatch.setattr(host, "run", facts(system="Debian 12", python="3.11.2", package_zlib="1.2"))
    return training


def test_hosts_that_tell_the_same_are_alike(pair: Shop) -> None:
    likeness = parity(pair.state, "integration", "training")
    assert (likeness.differences, likeness.silent) == ((), ())


def test_differences_come_with_who_has_them_versions_first_and_packages_last(
    pair: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.to_integration(auth="3.0.0")
    second_facts = facts(system="Debian 12", python="3.9.1", package_zlib="1.2", package_extra="1")
    monkeypatch.setattr(pair.drivers.hosts["room2"], "run", second_facts)
    likeness = parity(pair.state, "integration", "training")
    assert [difference.what for difference in likeness.differences] == ["version auth", "python", "package extra"]
    assert dict(likeness.differences[1].second) == {"3.11.2": ("room1",), "3.9.1": ("room2",)}
    assert shapes.likeness(likeness)["differences"][2] == {
        "what": "package extra", "one": {"": []}, "other": {"": ["room1"], "1": ["room2"]}
    }  # fmt: skip


def test_another_way_of_deploying_is_a_difference(pair: Shop) -> None:
    text = pair.state.file("sluicegate.yaml") or b""
    more = text.decode().replace(
        "hosts: int\n    deploy: {driver: fake}", "hosts: int\n    deploy: {driver: fake, at-once: 3}"
    )
    pair.edited("sluicegate.yaml", more)
    (difference,) = parity(pair.state, "integration", "training").differences
    assert (difference.what, list(difference.first), list(difference.second)) == ("deploy at-once", ["3"], ["usual"])


def test_an_environment_without_hosts_has_nothing_to_compare(pair: Shop) -> None:
    text = (pair.state.file("sluicegate.yaml") or b"").decode()
    pair.edited("sluicegate.yaml", text.replace("environments:\n", "environments:\n  paper: {from: integration}\n"))
    with pytest.raises(UsageError, match="paper has no 'hosts'"):
        parity(pair.state, "integration", "paper")


def test_the_facts_are_read_on_a_real_machine(tmp_path: Path) -> None:
    host = LocalHost(name="here", folder=tmp_path, ports={})
    facts_said = dict(line.split("\t") for line in host.run(["sh", "-c", FACTS]).text.splitlines())
    assert {"system", "kernel", "architecture", "python"} <= facts_said.keys()
    assert any(name.startswith("package ") for name in facts_said)


@pytest.mark.parametrize(
    ("down", "hand", "code"), [((), False, 0), ((), True, 1), (("room1",), False, 7), (("room1", "room2"), True, 5)]
)
def test_the_exit_code_says_how_much_is_known(
    training: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], down: tuple[str, ...],
    hand: bool, code: int,
) -> None:  # fmt: skip
    from contextlib import nullcontext

    monkeypatch.setattr(reality, "delivery", lambda: nullcontext(training.by("olle")))
    if hand:
        put(training, "room2", "auth", "6.6.6\nby hand")
    for host in down:
        training.drivers.hosts[host].down = True
    ended = 0
    try:
        reality.drift.main(["training", "--json"], standalone_mode=False, help_option_names=["-h", "--help"])
    except SluicegateError as problem:
        ended = problem.exit_code
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == code
    output = capsys.readouterr().out
    assert code == 5 or json.loads(output)["environment"] == "training"
