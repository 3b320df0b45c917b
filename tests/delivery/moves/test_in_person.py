"""Who vetoes, holds and lifts that: everybody, or whom the roles name; in a job who started that very build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sluicegate.delivery.book.actor import Acting, check_going_on, check_judgement, check_verb
from sluicegate.delivery.book.actor import acting as who
from sluicegate.delivery.moves import pinning
from sluicegate.errors import GateRefused, UsageError
from sluicegate.model.config import Jenkins, Role
from sluicegate.model.values import Actor
from sluicegate.tools.jenkins import Build
from tests.worlds import CONFIG, Shop

NAMED = CONFIG.replace(b"members: [rita, olle]}", b"members: [rita], jobs: {unveto: [lift], unhold: [lift]}}")
URL = "https://ci.example.com/job/lift/7/"


def acting(job: str, direct: set[str], chain: set[str]) -> Acting:
    parameters: Mapping[str, str] = {}
    people = frozenset(direct | chain)
    build = Build(
        url=URL, job=job, building=True, parameters=parameters, users=people, direct=frozenset(direct)
    )  # fmt: skip
    user, verified = (next(iter(people)), True) if len(people) == 1 else ("ci", False)
    return Acting(actor=Actor(user=user, source=URL, verified=verified), build=build)


def test_who_is_up_the_chain_did_not_say_it() -> None:
    lifting = acting("lift", set(), {"rita"})
    assert lifting.actor.verified and not lifting.person.verified
    both = acting("lift", {"rita"}, {"rita", "mallory"})
    assert (both.person.user, both.person.verified) == ("rita", True)


@pytest.mark.parametrize("direct", [set(), {"anna", "olle"}])
def test_a_judgement_takes_one_person_who_started_that_very_build(direct: set[str]) -> None:
    role = Role(name="qa", members=("anna",), jobs={"approve": ("approve",)})
    build = acting("approve", direct, {"anna"}).build
    with pytest.raises(GateRefused) as refused:
        check_judgement(build, role, "approve", {})
    assert "it takes one person who started this very build" in refused.value.reasons[0]


def test_a_build_that_has_ended_says_nothing_more() -> None:
    """Whoever knows its address could approve in the name of who started it."""
    role = Role(name="qa", members=("anna",), jobs={"approve": ("approve",)})
    build = acting("approve", {"anna"}, set()).build
    assert build is not None
    check_judgement(build, role, "approve", {})
    with pytest.raises(GateRefused) as refused:
        check_judgement(replace(build, building=False), role, "approve", {})
    assert refused.value.reasons == ("the build does not run any more",)


def test_a_veto_is_lifted_by_a_member_of_the_role_that_names_jobs_for_it_alone(live: Shop) -> None:
    live.edited("sluicegate.yaml", NAMED)
    live.veto("auth", "1.0.0")
    membership = live.state.membership
    check_verb(membership, acting("lift", {"rita"}, set()), "unveto")
    for stranger in (acting("lift", {"anna"}, set()), acting("mine", {"rita"}, set()), acting("lift", set(), {"rita"})):
        with pytest.raises(GateRefused, match="may not unveto") as refused:
            check_verb(membership, stranger, "unveto")
        assert refused.value.reasons == ("role release-manager: members rita; jobs lift",)


def test_anybody_may_veto_and_hold_and_only_who_is_named_may_lift_it(live: Shop) -> None:
    live.edited("sluicegate.yaml", NAMED)
    pinning.hold(live.by("anna"), "auth", "staging", until=None, why="")
    with live.unchanged(), pytest.raises(GateRefused, match="anna may not unhold"):
        pinning.unhold(live.by("anna"), "auth", "staging", why="")
    with live.unchanged(), pytest.raises(GateRefused, match="rita may not unhold"):
        pinning.unhold(live.by("rita", verified=False), "auth", "staging", why="a claim of Git's user")
    pinning.unhold(live.by("rita"), "auth", "staging", why="")
    assert live.state.pins("staging")["auth"].hold is None


def test_a_role_that_leaves_out_the_folder_is_told_so() -> None:
    role = Role(name="qa", members=("anna",), jobs={"approve": ("approve",)})
    with pytest.raises(GateRefused) as refused:
        check_judgement(acting("fold/approve", {"anna"}, set()).build, role, "approve", {})
    assert "a role names it 'fold/approve'" in refused.value.reasons[0]


def test_a_jenkins_that_does_not_know_its_address_is_told_so(live: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_NAME", "fold/approve")
    monkeypatch.setenv("BUILD_NUMBER", "7")
    assert who(live.state.config, live.state.store).actor.verified is False
    trusting = replace(live.state.config, jenkins=Jenkins(url="https://ci", user="ci", token_variable="JENKINS_TOKEN"))
    with pytest.raises(UsageError, match="build 7 of the job fold/approve, but it has no BUILD_URL") as refused:
        who(trusting, live.state.store)
    assert "Jenkins URL" in refused.value.hint
    monkeypatch.setenv("SLUICEGATE_RUN", "true")
    assert not who(trusting, live.state.store).actor.verified


CONTINUE = CONFIG.replace(b"members: [rita, olle]}", b"members: [rita], jobs: {continue: [rollout]}}")


def test_a_paused_rollout_goes_on_by_the_jobs_that_its_role_names(tmp_path: Path) -> None:
    shop = Shop.opened(tmp_path / "shop", CONTINUE)
    membership, role = shop.state.membership, shop.state.config.role("release-manager")
    check_going_on(membership, acting("rollout", {"rita"}, set()), role)
    strangers = {
        "the job 'sync'": acting("sync", {"rita"}, set()),
        "it takes one person": acting("rollout", set(), {"rita"}),
        "members: rita": acting("rollout", {"anna"}, set()),
        "jobs rollout": Acting(actor=Actor(user="rita", source="git:rita")),
    }
    for reason, stranger in strangers.items():
        with pytest.raises(GateRefused) as refused:
            check_going_on(membership, stranger, role)
        assert reason in refused.value.reasons[0]
    shop.close()


def test_where_no_jobs_are_named_for_it_a_member_lets_a_rollout_go_on_from_anywhere(shop: Shop) -> None:
    membership, role = shop.state.membership, shop.state.config.role("release-manager")
    check_going_on(membership, acting("anything", {"rita"}, set()), role)
    check_going_on(membership, Acting(actor=Actor(user="rita", source="git:rita")), role)
    with pytest.raises(GateRefused, match="anna is not in the role"):
        check_going_on(membership, acting("anything", {"anna"}, set()), role)
