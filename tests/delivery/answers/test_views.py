"""Status, explain, history and flow: what people are told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from sluicegate.cli.shapes import looking
from sluicegate.delivery.answers.check import check_repo
from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.answers.flow import flow
from sluicegate.delivery.answers.history import history
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.moves import pinning
from sluicegate.errors import ConfigError, SluicegateError, UsageError
from sluicegate.tools import door
from tests.worlds import CONFIG, Shop


def test_status_shows_pins_effective_versions_roles_and_marks(again: Shop) -> None:
    again.publish("auth", "3.0.0")
    again.veto("auth", "2.0.0", "production")
    pinning.hold(again.by("anna"), "portal", "integration", until=None, why="")
    answer = status(again.state).json()
    columns = {column["name"]: column for column in answer["environments"]}
    assert (columns["production"]["group"], columns["staging"]["group"]) == ("blue", "green")
    (auth, portal) = answer["components"]
    assert auth["newest"] == "3.0.0"
    assert auth["environments"]["production"] == {"pin": "2.0.0", "effective": "2.0.0", "marks": ["vetoed"]}
    assert auth["environments"]["staging"] == {"pin": "2.0.0", "effective": "1.0.0", "marks": ["not deployed"]}
    assert auth["environments"]["training"] == {"pin": "", "effective": "", "marks": []}
    assert portal["environments"]["integration"]["marks"] == ["held"]
    again.begin("production", "swap")
    locked = {column["name"]: column["locked"] for column in status(again.state).json()["environments"]}
    assert locked["production"].startswith("'swap' by berta since") and not locked["integration"]


def test_an_answer_tells_one_moment_though_the_repo_moves_on(live: Shop) -> None:
    state = live.state
    pinning.hold(live.by("anna"), "auth", "integration", until=None, why="")
    assert state.pins("integration")["auth"].hold is None
    assert live.state.pins("integration")["auth"].hold is not None


def test_status_says_that_nobody_knows_what_runs_after_a_deploy_that_failed(
    live: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.publish("auth", "2.0.0")

    def ends_at_once(name: str) -> None:
        if name.startswith("install auth"):
            raise SluicegateError("the service 'auth' ended at once")

    with monkeypatch.context() as patch:
        patch.setattr(door, "watcher", ends_at_once)
        with pytest.raises(SluicegateError):
            live.sync()
    columns = {column["name"]: column["unsure"] for column in status(live.state).json()["environments"]}
    assert columns.pop("integration") == "the last deploy to int failed: the service 'auth' ended at once"
    assert set(columns.values()) == {""}
    live.sync()
    assert not any(column["unsure"] for column in status(live.state).json()["environments"])


def test_status_of_an_empty_delivery_repo_is_an_empty_matrix(shop: Shop) -> None:
    assert [c["newest"] for c in status(shop.state).json()["components"]] == ["", ""]


def test_explain_tells_each_unmet_condition_who_can_help_and_the_next_command(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    explanation = looking.explanation(explain(live.state, "auth", "", "staging"))
    assert (explanation["version"], explanation["arrived"], explanation["runs_in"]) == ("2.0.0", False, [])
    states = {v["gate"]: v["state"] for v in explanation["verdicts"]}
    assert states["deployed in integration"] == "waiting" and states["veto"] == "passed"
    assert explanation["next"] == "sluicegate sync integration"
    live.sync()
    live.tested("auth", "2.0.0")
    explanation = looking.explanation(explain(live.state, "auth", "", "staging"))
    assert explanation["next"] == "sluicegate approve auth=2.0.0 --to staging --as qa"
    assert [v["who_can_help"] for v in explanation["verdicts"] if v["state"] == "waiting"] == ["anna, olle"]
    live.approve("auth", "2.0.0")
    assert explain(live.state, "auth", "", "staging").next_command == "sluicegate promote auth=2.0.0 --to staging"


def test_who_does_what_explain_says_arrives_in_production(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.pass_time(timedelta(hours=1))
    commands = []
    for act in (
        live.sync,
        lambda: live.tested("auth", "2.0.0"),
        lambda: live.approve("auth", "2.0.0"),
        lambda: live.promote(auth="2.0.0"),
        lambda: live.sync("staging"),
        lambda: live.tested("auth", "2.0.0", "staging"),
        lambda: live.approve("auth", "2.0.0", "production"),
        live.swap,
    ):
        to = "production" if "staging" in explain(live.state, "auth", "2.0.0", "").runs_in else "staging"
        target = "integration" if not commands else to
        commands.append(explain(live.state, "auth", "", target).next_command.removeprefix("sluicegate "))
        act()
    assert commands == [
        "sync integration",
        "record tests auth=2.0.0 --in integration --suite regression --junit FILE",
        "approve auth=2.0.0 --to staging --as qa",
        "promote auth=2.0.0 --to staging",
        "sync staging",
        "record tests auth=2.0.0 --in staging --suite acceptance --junit FILE",
        "approve auth=2.0.0 --to production --as release-manager",
        "swap production",
    ]
    assert explain(live.state, "auth", "", "production").arrived


def test_what_is_not_in_staging_is_promoted_there_before_production(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    assert explain(live.state, "auth", "2.0.0", "production").next_command == (
        "sluicegate promote auth=2.0.0 --to staging"
    )


def test_an_approval_that_did_not_count_is_not_asked_for_again(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.tested("auth", "2.0.0", "integration")
    live.edited("sluicegate.yaml", CONFIG.replace(b"{role: qa}", b"{role: qa, accept: unverified}"))
    live.approve("auth", "2.0.0", verified=False)
    jobs = CONFIG.replace(b"members: [anna, olle]", b"members: [anna, olle], jobs: {approve: [seal]}")
    live.edited("sluicegate.yaml", jobs)
    assert explain(live.state, "auth", "2.0.0", "staging").next_command == (
        "sluicegate trigger seal -p COMPONENT=auth -p VERSION=2.0.0 -p TO=staging -p ROLE=qa"
    )


def test_a_pair_that_was_added_later_begins_as_init_begins(shop: Shop) -> None:
    shop.edited("servers.yaml", b"")
    environments = shop.state.config.environments
    assert {name: shop.state.group(environments[name]) for name in ("staging", "production")} == {
        "staging": "green", "production": "blue",
    }  # fmt: skip


def test_explain_says_the_same_as_promote(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    explanation = explain(live.state, "auth", "2.0.0", "staging")
    with pytest.raises(Exception) as caught:
        live.promote(auth="2.0.0")
    for verdict in explanation.unmet:
        assert verdict.reason in str(caught.value)


def test_explain_tells_holds_lower_versions_and_locks(again: Shop) -> None:
    pinning.hold(again.by("anna"), "auth", "staging", until=None, why="the fair")
    again.begin("production", "swap")
    gates = {v.gate: v for v in explain(again.state, "auth", "1.0.0", "staging").unmet}
    assert gates["hold"].reason == "auth is held at 2.0.0: the fair"
    assert gates["order"].reason == "staging has the higher version 2.0.0"
    assert gates["lock"].who_can_help == "berta"
    again.veto("auth", "1.0.0")
    gates = {v.gate: v for v in explain(again.state, "auth", "1.0.0", "staging").unmet}
    assert (gates["veto"].reason, gates["veto"].command) == ("vetoed by rita: bad", "sluicegate unveto auth=1.0.0")


def test_explain_of_what_is_there_says_where(again: Shop) -> None:
    explanation = explain(again.state, "auth", "2.0.0", "production")
    assert (
        explanation.arrived and explanation.next_command == "" and explanation.runs_in == ("integration", "production")
    )


def test_history_tells_everything_newest_first(again: Shop) -> None:
    entries = history(again.state, "auth")
    times = [entry.record.at for entry in entries]
    assert times == sorted(times, reverse=True)
    texts = [f"{entry.subject}: {entry.summary()}" for entry in entries]
    assert texts[0] == "auth=2.0.0: deployed in production on blue"
    assert "auth=2.0.0: approved for staging as qa" in texts
    assert "auth=2.0.0: regression in integration: 5 passed, 0 failed" in texts
    assert any(text.summary() == "swap: green -> blue" for text in history(again.state, "production"))
    assert {e.subject for e in history(again.state)} > {"auth=1.0.0", "portal=1.0.0", "staging", "production"}
    with pytest.raises(UsageError, match="Did you mean"):
        history(again.state, "prodution")


def test_flow_measures_from_commit_to_the_end_of_the_first_tests(shop: Shop) -> None:
    shop.publish("auth", "1.0.0")
    shop.pass_time(timedelta(minutes=4))
    shop.sync()
    shop.pass_time(timedelta(minutes=6))
    shop.tested("auth", "1.0.0")
    way = looking.way(flow(shop.state, "auth"))
    assert way["total"] == pytest.approx(602, abs=1)
    assert way["objective"] == 900 and way["bottleneck"] == "tests"
    shop.pass_time(timedelta(days=1))
    shop.tested("auth", "1.0.0")
    assert looking.way(flow(shop.state, "auth"))["total"] == way["total"], "a rerun does not count"


def test_flow_of_what_is_not_recorded_is_unknown_and_never_0(shop: Shop) -> None:
    from pathlib import Path

    from sluicegate.delivery.artifacts.publish import publish
    from sluicegate.delivery.artifacts.source import Origin

    path = Path(shop.root) / "a.zip"
    path.write_text("a")
    publish(shop.by("ci"), "auth", "1.0.0", [path], Origin())
    way = looking.way(flow(shop.state, "auth"))
    assert way["total"] is None and way["bottleneck"] is None
    assert all(s["waited"] is None and s["worked"] is None for s in way["stages"])


def test_flow_is_unknown_where_the_clocks_disagree(shop: Shop) -> None:
    from sluicegate.delivery.artifacts.publish import publish
    from sluicegate.delivery.artifacts.source import Origin

    path = shop.root / "a.zip"
    path.write_text("a")
    ahead = shop.now + timedelta(hours=1)  # the author's clock
    publish(shop.by("ci"), "auth", "1.0.0", [path], Origin(committed=ahead, build_started=shop.now))
    shop.pass_time(timedelta(seconds=30))
    shop.sync()
    way = looking.way(flow(shop.state, "auth"))
    build, deploy, _ = way["stages"]
    assert (build["waited"], way["total"]) == (None, None)
    assert deploy["waited"] >= 30


def test_check_counts_and_names_mistakes_with_their_lines(live: Shop) -> None:
    assert check_repo(live.state) == {"components": 2, "environments": 4, "pins": 6}
    live.edited("environments/training.yaml", "# pins\nauth: 1.0.0\nprotal: 1.0.0\n")
    with pytest.raises(ConfigError, match=r"environments/training\.yaml.*'protal'"):
        check_repo(live.state)


def test_records_of_newer_writers_are_read_leniently(live: Shop) -> None:
    """A union merge may have doubled and mixed lines; another writer may leave the zone of a time out."""
    from sluicegate.delivery.book.state import LEDGER
    from sluicegate.tools.git import Edit

    path = "components/auth/1.0.0.jsonl"
    old = live.state.ledger_file(path) or b""
    lines = old.splitlines(keepends=True)
    strange = (
        b'\n{"id":"n","at":"2026-11-23T09:12:44","what":"weather",'
        b'"by":{"user":"x"},"new":[1]}\n'
        b'{"id":"t","at":"2030-01-01T00:00:00Z","what":"tests","env":"integration",'
        b'"suite":"regression","passed":"many","failed":null}\n'
    )
    store = live.by("hand").store
    content = b"".join([*reversed(lines), strange, *lines])
    edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files={path: content})
    store.push([edit], "merge\n", by=store.signature, at=live.now)
    kinds = live.kinds("auth", "1.0.0")
    assert len(kinds) == len(lines) + 2 and kinds.count("built") == 1
    history(live.state)
    explain(live.state, "auth", "1.0.0", "staging")
    live.veto("auth", "1.0.0")


def test_check_names_pins_that_no_command_would_take(again: Shop) -> None:
    again.pin_by_hand("integration", auth="1.0.9")
    again.pin_by_hand("production", auth="1.0.0")
    again.edited("environments/producton.yaml", "auth: 1.0.0\n")
    with pytest.raises(ConfigError) as caught:
        check_repo(again.state)
    mistakes = "\n".join(caught.value.mistakes)
    assert re.search(r"environments/integration\.yaml:[0-9]+: auth has no version '1\.0\.9'", mistakes)
    assert "environments/production.yaml: production swaps with staging; its pins were edited to auth=1.0.0" in mistakes
    assert "environments/producton.yaml: no environment is called 'producton'. Did you mean 'production'?" in mistakes
