"""Blue-green, exactly: each sentence of that section of the design."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.answers.deep import examine
from sluicegate.delivery.book.state import LEDGER
from sluicegate.delivery.changes import swap, swapping
from sluicegate.delivery.moves import pinning
from sluicegate.errors import (
    ConfigError,
    Conflict,
    GateRefused,
    IntegrityError,
    NotFound,
    PartlyDone,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from sluicegate.model.values import Actor
from sluicegate.tools import door
from sluicegate.tools.git import Edit
from tests.parts import answering, web_server
from tests.worlds import OutsideBalancer, Shop

HOUR = timedelta(hours=1)


def test_staging_and_production_are_roles_of_two_groups(live: Shop) -> None:
    assert live.state.servers == {"production": "green", "staging": "blue"}


def test_the_candidate_is_productions_pins_overlaid_by_what_was_promoted_since(again: Shop) -> None:
    """auth went to 2.0.0 by a swap; promoting portal alone does not bring auth 1.0.0 back, which the idle group has."""
    assert again.running("green1")["auth"] == "1.0.0"
    again.to_staging(portal="2.0.0")
    assert again.running("green1") == {"auth": "2.0.0", "portal": "2.0.0"}
    again.accepted(portal="2.0.0")
    exchange = again.swap()
    assert exchange.changes == {"portal": ("1.0.0", "2.0.0")}
    assert again.users_reach() == {"auth": "2.0.0", "portal": "2.0.0"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("production: green\nstaging: green\n", "one group plays two environments"),
        ("production: red\nstaging: green\n", r"servers\.yaml:1: 'production: red'"),
        ("staging: green\n", "does not say which group plays 'production'"),
        ("<<<<<<< HEAD\n", r"servers\.yaml:1: a merge marker"),
    ],
)
def test_44_a_broken_servers_file_is_a_mistake(live: Shop, content: str, match: str) -> None:
    live.edited("servers.yaml", content)
    with live.unchanged(), pytest.raises(ConfigError, match=match):
        live.swap()


def test_roles_that_were_edited_or_reverted_after_a_swap_are_a_mistake_until_they_are_set_back(again: Shop) -> None:
    """Else staging's next deploy would land on the group that users are on."""
    right = again.state.file("servers.yaml")
    again.edited("servers.yaml", "production: green\nstaging: blue\n")
    for act in (lambda: again.deploy("staging"), again.swap, lambda: again.rollback()):
        with again.unchanged(), pytest.raises(ConfigError, match="its users are on blue since the last swap"):
            act()
    again.edited("servers.yaml", right)
    assert again.swap(back=True).to == "green"


def test_a_swap_begins_only_where_it_can_be_written_down(ready: Shop, tmp_path: Path) -> None:
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "-q", "-b", "main", ready.bare, work], check=True)
    subprocess.run(["git", "-C", work, "fetch", "-q", "origin", "ledger:ledger"], check=True)
    subprocess.run(["git", "-C", work, "remote", "remove", "origin"], check=True)
    subprocess.run(["git", "-C", work, "config", "receive.denyCurrentBranch", "updateInstead"], check=True)
    with (work / "sluicegate.yaml").open("a") as stream:
        stream.write("# notes\n")
    repo = ready.opened_by(Actor(user="rita", source="git:rita", verified=False), str(work))
    with pytest.raises(Conflict, match=r"work has changes that are not committed: sluicegate\.yaml"):
        swap.swap(repo, "production")
    assert ready.drivers.users.group == "green"


def test_users_that_moved_though_nothing_could_be_written_are_told_of(
    ready: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object, **options: object) -> None:
        raise Conflict("the delivery repo refused the push: main is protected")

    with monkeypatch.context() as patch:
        patch.setattr(swapping, "finish", refuse)
        with pytest.raises(PartlyDone, match=r"new users go to blue, .*main is protected") as caught:
            ready.swap()
    assert "sluicegate resume" in caught.value.hint
    assert [resumed.outcome for resumed in ready.resume()] == ["finished"]


def test_a_swap_commits_pins_and_roles_and_evidence_at_once(ready: Shop) -> None:
    ready.swap()
    assert ready.pins("production") == ready.pins("staging") == {"auth": "2.0.0", "portal": "1.0.0"}
    assert ready.state.servers == {"production": "blue", "staging": "green"}
    assert ready.drivers.users.group == "blue"
    (_, swap, _) = ready.chronicle("production")[-3:]
    assert [r.what for r in ready.chronicle("production")[-3:]] == ["intent", "swap", "done"]
    assert (swap.live, swap.idle, swap.back) == ("blue", "green", False)
    assert ready.kinds("auth", "2.0.0")[-2:] == ["pinned", "deployed"]
    assert ready.story("auth", "2.0.0")[-1].env == "production"


def test_a_swap_leaves_production_alone_until_its_intent_is_written(ready: Shop) -> None:
    seen: list[str] = []
    switch = ready.drivers.users.switch

    def look(to: str, *, keep_sessions: bool) -> None:
        seen.extend(r.what for r in ready.chronicle("production")[-1:])
        switch(to, keep_sessions=keep_sessions)

    ready.drivers.users.switch = look  # type: ignore[method-assign]
    ready.swap()
    assert seen == ["intent"]


def test_the_gates_are_asked_for_every_component_that_differs(live: Shop) -> None:
    live.to_staging(auth="2.0.0", portal="2.0.0")
    live.accepted(auth="2.0.0")
    with live.unchanged(), pytest.raises(GateRefused) as caught:
        live.swap()
    reasons = "\n".join(caught.value.reasons)
    assert "portal=2.0.0: tests acceptance: waiting" in reasons and "portal=2.0.0: approval" in reasons
    assert "auth=2.0.0" not in reasons


def test_tests_that_ran_on_another_set_do_not_count(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    live.accepted(auth="2.0.0")
    live.to_staging(portal="2.0.0")
    live.accepted(portal="2.0.0")
    with live.unchanged(), pytest.raises(GateRefused, match=r"auth=2\.0\.0: tests acceptance: waiting.*on the set"):
        live.swap()
    live.tested("auth", "2.0.0", "staging")
    live.swap()


def test_acceptance_tests_that_fail_later_stop_the_swap(ready: Shop) -> None:
    ready.tested("auth", "2.0.0", "staging", failed=1)
    with ready.unchanged(), pytest.raises(GateRefused, match="1 of 6 tests failed"):
        ready.swap()


def test_a_release_that_was_taken_back_stops_the_swap(ready: Shop) -> None:
    ready.reject("auth", "2.0.0", "production")
    with ready.unchanged(), pytest.raises(GateRefused, match="rita rejected it"):
        ready.swap()


def test_nothing_differs_nothing_is_done(live: Shop) -> None:
    with live.unchanged():
        assert live.swap().changes == {}


def test_a_dry_run_says_what_would_be_swapped_and_does_nothing(ready: Shop) -> None:
    with ready.unchanged():
        assert ready.swap(dry_run=True).changes == {"auth": ("1.0.0", "2.0.0")}


def test_a_candidate_that_is_promoted_and_not_deployed_is_refused(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.approve("auth", "2.0.0")
    live.promote(auth="2.0.0")
    with live.unchanged(), pytest.raises(GateRefused, match="staging does not have its candidate yet"):
        live.swap()


def test_after_a_deploy_that_failed_halfway_staging_does_not_pass_for_what_it_had_before(live: Shop) -> None:
    live.to_staging(portal="2.0.0")
    live.accepted(portal="2.0.0")
    live.drivers.hosts["blue2"].broken.add("auth")
    with pytest.raises(SluicegateError):
        live.to_staging(auth="2.0.0")
    assert live.running("blue1")["auth"] == "2.0.0"
    pinning.pin(live.by("anna"), "auth", "1.0.0", "staging", why="")
    with live.unchanged(), pytest.raises(GateRefused, match="the last deploy there failed"):
        live.swap()
    live.drivers.hosts["blue2"].broken.clear()
    live.sync("staging")
    live.swap()
    assert live.users_reach() == {"auth": "1.0.0", "portal": "2.0.0"}


def test_a_deploy_that_failed_at_its_first_step_is_made_good_by_a_sync(live: Shop) -> None:
    live.to_staging(portal="2.0.0")
    live.accepted(portal="2.0.0")
    live.to_integration(auth="2.0.0")
    live.approve("auth", "2.0.0")
    live.promote(auth="2.0.0")
    live.drivers.releases.down = True
    with pytest.raises(RemoteUnavailable):
        live.sync("staging")
    live.drivers.releases.down = False
    pinning.pin(live.by("anna"), "auth", "1.0.0", "staging", why="")
    live.sync("staging")
    live.swap()
    assert live.users_reach() == {"auth": "1.0.0", "portal": "2.0.0"}


def test_what_is_taken_out_of_stagings_file_is_not_lost_by_a_swap(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    live.accepted(auth="2.0.0")
    live.edited("environments/staging.yaml", "auth: 2.0.0\n")
    live.swap()
    assert live.users_reach() == {"auth": "2.0.0", "portal": "1.0.0"}


def test_an_edited_pin_of_production_goes_nowhere_until_it_is_set_back(ready: Shop) -> None:
    ready.publish("auth", "9.0.0")
    ready.pin_by_hand("production", auth="9.0.0")
    for attempt in (ready.swap, lambda: ready.deploy("production")):
        with ready.unchanged(), pytest.raises(UsageError, match="its pins were edited to auth=9") as caught:
            attempt()
        assert "environments/production.yaml" in caught.value.hint
    ready.edited("environments/production.yaml", "portal: 1.0.0\n")
    with ready.unchanged(), pytest.raises(UsageError, match="its pins were edited to no auth"):
        ready.sync("production")
    ready.pin_by_hand("production", auth="1.0.0")
    ready.swap()
    assert ready.users_reach() == {"auth": "2.0.0", "portal": "1.0.0"}


def test_what_does_not_swap_is_a_usage_error(live: Shop) -> None:
    with live.unchanged(), pytest.raises(UsageError, match="staging does not swap"):
        swap.swap(live.by("rita"), "staging")


def test_a_version_below_productions_is_swapped_in_only_when_the_promotion_said_so(again: Shop) -> None:
    again.pass_time(HOUR)
    again.promote(auth="1.0.0", downgrade=("auth",))
    again.sync("staging")
    again.accepted(auth="1.0.0")
    assert again.swap().changes == {"auth": ("2.0.0", "1.0.0")}


def test_a_held_pin_of_production_is_not_swapped_over_and_the_hold_stays(ready: Shop) -> None:
    pinning.hold(ready.by("rita"), "auth", "production", until=None, why="the fair")
    with ready.unchanged(), pytest.raises(GateRefused, match=r"auth is held at 1\.0\.0 in production"):
        ready.swap()
    pinning.unhold(ready.by("rita"), "auth", "production", why="")
    pinning.hold(ready.by("rita"), "portal", "production", until=None, why="the fair")
    ready.swap()
    assert ready.state.pins("production")["portal"].hold is not None


# the way back


def test_back_puts_the_versions_before_back_and_lowers_because_it_was_asked(again: Shop) -> None:
    exchange = again.swap(back=True)
    assert exchange.changes == {"auth": ("2.0.0", "1.0.0")}
    assert again.users_reach() == {"auth": "1.0.0", "portal": "1.0.0"}
    assert again.pins("production") == again.pins("staging") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert again.state.servers == {"production": "green", "staging": "blue"}


def test_back_is_possible_once(again: Shop) -> None:
    again.swap(back=True)
    with again.unchanged(), pytest.raises(NotFound, match="no swap to take back"):
        again.swap(back=True)


def test_back_is_possible_until_something_is_deployed_to_the_group(again: Shop) -> None:
    again.to_staging(portal="2.0.0")
    with again.unchanged(), pytest.raises(GateRefused, match="does not have its old versions any more") as caught:
        again.swap(back=True)
    assert "rollback" in caught.value.hint


def test_back_is_not_possible_when_a_deploy_to_the_group_failed_half_way(again: Shop) -> None:
    again.drivers.hosts["green2"].broken.add("portal")
    with pytest.raises(SluicegateError):
        again.to_staging(portal="2.0.0")
    with pytest.raises(GateRefused, match="does not have its old versions any more"):
        again.swap(back=True)


def test_a_deploy_begun_on_a_machine_whose_clock_is_late_counts_too(again: Shop) -> None:
    again.to_integration(portal="2.0.0")
    again.approve("portal", "2.0.0")
    again.promote(portal="2.0.0")
    now = again.now
    again.now -= timedelta(minutes=5)
    again.sync("staging", end_sessions=True)
    again.now = now
    assert again.state.effective(again.state.config.environment("staging")).installed["portal"].version == "2.0.0"  # type: ignore[union-attr]
    with pytest.raises(GateRefused, match="does not have its old versions any more"):
        again.swap(back=True)


def test_back_goes_past_the_gates_but_never_to_a_vetoed_version(again: Shop) -> None:
    again.veto("auth", "1.0.0", "production")
    with again.unchanged(), pytest.raises(GateRefused, match=r"auth=1\.0\.0 is vetoed by rita: bad"):
        again.swap(back=True)


def test_before_the_first_swap_there_is_no_way_back(shop: Shop) -> None:
    with pytest.raises(NotFound, match="no swap to take back"):
        shop.swap(back=True)


def test_before_the_first_version_there_is_no_way_back(live: Shop) -> None:
    with pytest.raises(NotFound, match="had nothing to go back to"):
        live.swap(back=True)


def test_after_the_way_back_the_same_versions_can_be_swapped_in_again(again: Shop) -> None:
    again.swap(back=True)
    again.pass_time(HOUR)
    again.promote(auth="2.0.0")
    again.sync("staging")
    again.swap()
    assert again.users_reach()["auth"] == "2.0.0"


def test_the_way_back_keeps_what_was_promoted_to_staging_since(again: Shop) -> None:
    again.to_integration(auth="3.0.0")
    again.approve("auth", "3.0.0")
    again.promote(auth="3.0.0")
    again.swap(back=True)
    assert again.pins("production") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert again.pins("staging") == {"auth": "3.0.0", "portal": "1.0.0"}
    again.pass_time(HOUR)
    again.sync("staging")
    assert again.running(f"{again.state.servers['staging']}1") == {"auth": "3.0.0", "portal": "1.0.0"}


def test_the_way_back_keeps_no_promotion_that_was_vetoed_since(again: Shop) -> None:
    again.to_integration(auth="3.0.0")
    again.approve("auth", "3.0.0")
    again.promote(auth="3.0.0")
    again.veto("auth", "3.0.0")
    again.swap(back=True)
    assert again.pins("staging") == again.pins("production") == {"auth": "1.0.0", "portal": "1.0.0"}


# sessions


def test_sessions_are_kept_until_the_deadline_and_the_swap_says_until_when(ready: Shop) -> None:
    ready.swap()
    assert ready.drivers.users.reached("green") == "green"
    assert ready.chronicle("production", "swap")[-1].sessions_until == ready.now + timedelta(minutes=30)


def test_deploying_to_the_group_refuses_until_then(again: Shop) -> None:
    until = again.now + timedelta(minutes=30)
    again.to_integration(auth="3.0.0")
    again.approve("auth", "3.0.0")
    again.promote(auth="3.0.0")
    with again.unchanged(), pytest.raises(GateRefused, match="logged-in users may stay on green until"):
        again.sync("staging")
    again.now = until
    again.sync("staging")
    assert again.running("green1")["auth"] == "3.0.0"
    assert again.drivers.users.reached("green") == "blue", "who was still there went to the live group first"


def test_end_sessions_deploys_at_once(again: Shop) -> None:
    again.to_integration(auth="3.0.0")
    again.approve("auth", "3.0.0")
    again.promote(auth="3.0.0")
    again.sync("staging", end_sessions=True)
    assert again.drivers.users.reached("green") == "blue"


def test_users_are_released_before_the_group_changes(again: Shop) -> None:
    order: list[str] = []
    again.to_integration(auth="3.0.0")
    again.approve("auth", "3.0.0")
    again.promote(auth="3.0.0")
    again.pass_time(HOUR)
    door.watcher = lambda name: order.append(name) if name.startswith(("balancer", "install")) else None
    again.sync("staging")
    assert order[0] == "balancer release" and order[1].startswith("install")


# what goes wrong


def test_a_balancer_that_is_down_swaps_nothing(ready: Shop) -> None:
    ready.drivers.users.down = True
    with ready.unchanged(), pytest.raises(RemoteUnavailable, match="the balancer is down"):
        ready.swap()
    ready.drivers.users.down = False
    assert ready.resume() == ()
    ready.swap()


def test_users_that_were_led_elsewhere_by_hand_keep_a_swap_from_beginning(ready: Shop) -> None:
    ready.drivers.users.group = idle = ready.state.servers["staging"]
    with ready.unchanged(), pytest.raises(Conflict, match=rf"users reach {idle}, and servers\.yaml says"):
        ready.swap()


class TornBalancer(OutsideBalancer):
    """A balancer that was killed between its file and its process."""

    torn = True

    def live(self) -> str:
        if self.torn:
            raise Conflict("the balancer does not agree on who is live")
        return super().live()

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        super().switch(to, keep_sessions=keep_sessions)
        self.torn = False


def test_a_balancer_that_was_killed_half_way_is_set_back_by_resume(ready: Shop) -> None:
    live, idle = (ready.state.servers[name] for name in ("production", "staging"))
    ready.begin("production", "swap", staging="staging", live=live, to=idle, pins={"auth": "2.0.0"})
    ready.drivers.users = TornBalancer(live)
    assert [resumed.outcome for resumed in ready.resume()] == ["undone"]
    assert ready.drivers.users.live() == live


def test_a_balancer_that_does_not_answer_ends_a_swap_at_once_with_its_name(ready: Shop) -> None:
    ready.drivers.users.url = "http://127.0.0.1:9"
    with ready.unchanged(), pytest.raises(RemoteUnavailable, match="production does not answer at http:") as caught:
        ready.swap()
    assert caught.value.exit_code == 5
    assert "then: sluicegate swap production" in caught.value.hint


def test_a_balancer_that_fails_while_switching_back_hides_nothing(ready: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mistake is told as well as the second; nobody knows what is live, so the swap stays open."""
    monkeypatch.setattr(swapping, "PROBE_SECONDS", 0.0)
    users = ready.drivers.users

    def going_down(name: str) -> None:
        users.url = "http://127.0.0.1:9" if name == "balancer switch blue" else users.url
        users.down = users.down or name == "balancer switch green"

    door.watcher = going_down
    with pytest.raises(SluicegateError, match=r"127\.0\.0\.1:9/\S+ did not answer") as caught:
        ready.swap()
    assert "switching back to green failed: the balancer is down" in caught.value.message
    assert "sluicegate resume" in caught.value.hint
    door.watcher = None
    users.down, users.url = False, ""
    assert [resumed.outcome for resumed in ready.resume()] == ["finished"]
    assert ready.users_reach()["auth"] == "2.0.0"


def test_a_balancer_that_still_shows_the_old_version_is_switched_back_and_recorded(
    ready: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swapping, "PROBE_SECONDS", 0.3)
    with web_server(answering(b'{"version": "1.0.0"}')) as port:  # users still get the old version
        ready.drivers.users.url = f"http://127.0.0.1:{port}"
        with pytest.raises(SluicegateError, match=r"answered '1\.0\.0' after 0\.3 seconds, expected version 2\.0\.0"):
            ready.swap()
    assert ready.drivers.users.group == "green"
    assert ready.pins("production")["auth"] == "1.0.0"
    assert [r.what for r in ready.chronicle("production")[-2:]] == ["intent", "failed"]
    ready.drivers.users.url = ""
    ready.swap()


# what the records say


def raw_records(shop: Shop, what: str) -> list[dict[str, object]]:
    """The lines of production's history of this kind as they stand, oldest first."""
    files = shop.state.annals.chronicle("production").files
    lines = [
        json.loads(line) for path in reversed(files) for line in (shop.state.ledger_file(path) or b"").splitlines()
    ]
    return [line for line in lines if line["what"] == what]


def test_a_swap_says_what_changes_and_the_name_of_the_set(again: Shop) -> None:
    first, second = raw_records(again, "swap")
    assert first["pins"] == {"auth": "1.0.0", "portal": "1.0.0"}  # the first says it whole
    assert (second["base"], second["changed"], second["before"]) == (first["id"], {"auth": "2.0.0"}, {"auth": "1.0.0"})
    assert "pins" not in second and second["set"]
    intent = [record for record in raw_records(again, "intent") if record["verb"] == "swap"][-1]
    assert (intent["base"], intent["changed"]) == (first["id"], {"auth": "2.0.0"}) and "pins" not in intent
    last = again.state.last_swap(again.state.config.environment("production"))
    assert last is not None and last.pins == {"auth": "2.0.0", "portal": "1.0.0"}
    assert last.before == {"auth": "1.0.0", "portal": "1.0.0"}


def test_the_sets_of_swaps_are_put_together_by_the_records_where_the_index_is_gone(again: Shop) -> None:
    again.swap(back=True)
    production = again.state.config.environment("production")
    by_index = list(again.state.swaps(production))
    store = again.by("mallory").store
    edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files={"current/production.json": b"{}"})
    store.push([edit], "x\n", by=store.signature, at=again.now)
    assert list(again.state.swaps(production)) == by_index
    assert [dict(swap.pins)["auth"] for swap in by_index] == ["1.0.0", "2.0.0", "1.0.0"]
    assert [dict(swap.before).get("auth") for swap in by_index] == ["2.0.0", "1.0.0", None]
    assert [finding.path for finding in examine(again.state).findings] == ["current/production.json"]


def test_a_swap_whose_records_give_another_set_is_an_integrity_error(again: Shop) -> None:
    state = again.state
    path = next(iter(state.annals.chronicle("production").files))
    content = (state.ledger_file(path) or b"").replace(b'"changed": {"auth": "2.0.0"}', b'"changed": {"auth": "1.0.0"}')
    store = again.by("mallory").store
    edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files={path: content})
    store.push([edit], "x\n", by=store.signature, at=again.now)
    with again.unchanged(), pytest.raises(IntegrityError, match="the records of swaps do not give the set"):
        again.swap(back=True)
