"""One person has several spellings: who approves, who wrote it and who lifts a veto is compared by person."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from sluicegate.config import read_config
from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.artifacts.publish import publish
from sluicegate.delivery.artifacts.source import read_origin
from sluicegate.delivery.moves import evidence, pinning
from sluicegate.delivery.moves.promote import promote
from sluicegate.errors import ConfigError, GateRefused
from sluicegate.model.values import Actor
from tests.worlds import CONFIG, Shop

PEOPLE = b"""\
people:
  anna: {git: [Anna Schmidt, anna@example.com], jenkins: schmidta}
  olle: {git: [olle@example.com]}
  rita: {}
"""
POLICY = CONFIG.replace(b"{role: qa}", b"{role: qa, not: author}")


def written(shop: Shop, name: str, address: str) -> None:
    """auth 2.0.0, by an author as Git has it, is in integration and tested."""
    git = ["git", "-C", str(shop.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    who = ["-c", f"user.name={name}", "-c", f"user.email={address}"]
    subprocess.run([*git, *who, "commit", "-q", "--allow-empty", "-m", "change"], check=True)
    path = shop.root / "auth.tar.gz"
    path.write_text("auth 2.0.0")
    origin = read_origin(shop.root, build="", build_started=None, figures={})
    publish(shop.by("ci"), "auth", "2.0.0", [path], origin)
    shop.sync()
    shop.tested("auth", "2.0.0")


def approved(shop: Shop, actor: Actor) -> None:
    shop.pass_time()
    repo = shop.opened_by(actor)
    try:
        evidence.judge(repo, "auth", "2.0.0", "staging", "qa", approve=True, why="")
    finally:
        repo.store.close()


ANNA = Actor(user="schmidta", source="https://ci.example.com/job/approve/7/", verified=True)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Anna Schmidt", "a@home"),
        ("A.", "anna@example.com"),
        ("anna schmidt", "ANNA@Example.com"),
        ("Anna\u00a0 Schmidt", "a@home"),
    ],
)
def test_an_author_is_one_person_with_the_user_of_jenkins(live: Shop, name: str, address: str) -> None:
    live.edited("sluicegate.yaml", PEOPLE + POLICY)
    written(live, name, address)
    with live.unchanged(), pytest.raises(GateRefused, match="the author may not approve the own change"):
        approved(live, ANNA)
    live.approve("auth", "2.0.0", user="olle")
    assert promote(live.by("anna"), {"auth": "2.0.0"}, "staging")


def test_an_author_whom_nobody_knows_is_refused_or_at_least_said(live: Shop) -> None:
    live.edited("sluicegate.yaml", PEOPLE + POLICY)
    written(live, "Mallory", "m@example.com")
    with live.unchanged(), pytest.raises(GateRefused) as caught:
        approved(live, ANNA)
    stranger = "the author 'Mallory' <m@example.com> is nobody of 'people'"
    assert caught.value.reasons == (f"{stranger}, so it could be the own change",)
    live.edited("sluicegate.yaml", PEOPLE + POLICY.replace(b"not: author}", b"not: author, unknown-author: accept}", 1))
    approved(live, ANNA)
    verdicts = {verdict.gate: verdict for verdict in explain(live.state, "auth", "2.0.0", "staging").verdicts}
    assert verdicts["approval qa"].passed and verdicts["approval qa"].reason == f"approved by schmidta; {stranger}"


def test_one_person_under_two_spellings_is_one_approval(live: Shop) -> None:
    live.edited(
        "sluicegate.yaml", PEOPLE + CONFIG.replace(b"{role: qa}", b"{role: qa, minimum: 2, accept: unverified}")
    )
    live.to_integration(auth="2.0.0")
    approved(live, ANNA)
    approved(live, Actor(user="Anna Schmidt", source="git:Anna Schmidt <anna@example.com>"))
    with live.unchanged(), pytest.raises(GateRefused, match="1 of 2 approvals"):
        live.promote(auth="2.0.0")
    live.approve("auth", "2.0.0", user="olle")
    assert live.promote(auth="2.0.0")


def test_a_stranger_of_the_same_name_is_not_the_person_and_takes_nothing_away(live: Shop) -> None:
    live.edited("sluicegate.yaml", PEOPLE + CONFIG.replace(b"{role: qa}", b"{role: qa, accept: unverified}"))
    live.to_integration(auth="2.0.0")
    with live.unchanged(), pytest.raises(GateRefused, match="schmidta is not in the role 'qa'"):
        approved(live, Actor(user="schmidta", source="git:schmidta <x@example.com>"))
    approved(live, ANNA)
    assert live.promote(auth="2.0.0")


def test_a_veto_is_lifted_by_the_role_of_who_set_it(live: Shop) -> None:
    live.veto("auth", "1.0.0")
    with live.unchanged(), pytest.raises(GateRefused, match="anna may not unveto") as caught:
        evidence.veto(live.by("anna"), "auth", "1.0.0", "", lift=True, why="")
    assert caught.value.reasons == ("role release-manager: members rita, olle",)
    with live.unchanged(), pytest.raises(GateRefused, match="olle may not unveto"):
        evidence.veto(live.by("olle", verified=False), "auth", "1.0.0", "", lift=True, why="a claim")
    evidence.veto(live.by("olle"), "auth", "1.0.0", "", lift=True, why="")


def test_a_hold_is_lifted_by_the_role_of_who_set_it(live: Shop) -> None:
    pinning.hold(live.by("rita"), "auth", "staging", until=None, why="the fair")
    with live.unchanged(), pytest.raises(GateRefused, match="anna may not unhold"):
        pinning.unhold(live.by("anna"), "auth", "staging", why="")
    pinning.unhold(live.by("olle"), "auth", "staging", why="")
    live.edited("environments/staging.yaml", "auth: {version: 1.0.0, hold: {by: rita, why: by hand}}\nportal: 1.0.0\n")
    with live.unchanged(), pytest.raises(GateRefused, match="anna may not unhold"):
        pinning.unhold(live.by("anna"), "auth", "staging", why="")
    pinning.unhold(live.by("rita"), "auth", "staging", why="")


@pytest.mark.parametrize("first", ["rita", "guest"])
def test_a_veto_that_another_repeats_is_lifted_by_nobody_else_for_that(live: Shop, first: str) -> None:
    for user in (first, "guest" if first == "rita" else "rita"):
        evidence.veto(live.by(user), "auth", "1.0.0", "", lift=False, why="")
    with live.unchanged(), pytest.raises(GateRefused, match="guest may not unveto"):
        evidence.veto(live.by("guest"), "auth", "1.0.0", "", lift=True, why="")
    evidence.veto(live.by("olle"), "auth", "1.0.0", "", lift=True, why="")
    evidence.veto(live.by("guest"), "auth", "1.0.0", "", lift=False, why="")
    evidence.veto(live.by("anna"), "auth", "1.0.0", "", lift=True, why="rita's was lifted")


def test_a_hold_takes_the_place_of_another_only_by_who_may_lift_that(live: Shop) -> None:
    today = live.now.date()
    pinning.hold(live.by("rita"), "auth", "staging", until=None, why="the fair")
    for stranger in (live.by("anna"), live.by("rita", verified=False)):
        with live.unchanged(), pytest.raises(GateRefused, match="held in staging by rita, and another hold") as caught:
            pinning.hold(stranger, "auth", "staging", until=today, why="")
    assert caught.value.reasons == ("role release-manager: members rita, olle",)
    pinning.hold(live.by("rita"), "auth", "staging", until=today, why="shorter")
    pinning.hold(live.by("olle"), "auth", "staging", until=today, why="")
    live.pass_time(timedelta(days=1))
    pinning.hold(live.by("anna"), "auth", "staging", until=None, why="theirs is over")


def test_what_nobody_of_a_role_has_vetoed_is_lifted_by_anybody_or_by_who_is_named(live: Shop) -> None:
    evidence.veto(live.by("guest"), "auth", "1.0.0", "", lift=False, why="")
    evidence.veto(live.by("anna"), "auth", "1.0.0", "", lift=True, why="")
    live.edited(
        "sluicegate.yaml", CONFIG.replace(b"members: [rita, olle]}", b"members: [rita], jobs: {unveto: [lift]}}")
    )
    evidence.veto(live.by("guest"), "portal", "1.0.0", "", lift=False, why="")
    with live.unchanged(), pytest.raises(GateRefused, match="anna may not unveto"):
        evidence.veto(live.by("anna"), "portal", "1.0.0", "", lift=True, why="")
    evidence.veto(live.by("rita"), "portal", "1.0.0", "", lift=True, why="")


def test_an_author_is_known_however_the_letters_are_composed(live: Shop) -> None:
    live.edited("sluicegate.yaml", PEOPLE.replace(b"Anna Schmidt", "Jörg Groß".encode()) + POLICY)
    written(live, "Jo\u0308rg GROSS", "x")
    with live.unchanged(), pytest.raises(GateRefused, match="the author may not approve the own change"):
        approved(live, ANNA)


def test_mistakes_in_people_are_told() -> None:
    broken = PEOPLE.replace(b"rita: {}", b"rita: {git: [ANNA@example.com], jenkins: schmidta}").replace(
        b"olle:", b"ole:"
    )
    broken += "  jorg: {git: [Jörg, jörg@example.com]}\n  joerg: {git: [Jo\u0308rg]}\n".encode()
    with pytest.raises(ConfigError) as caught:
        read_config(broken + CONFIG.replace(b"driver: fake", b"driver: directory"))
    mistakes = "\n".join(caught.value.mistakes)
    assert "'ANNA@example.com' is anna already" in mistakes and "'schmidta' is anna already" in mistakes
    assert "'Jo\u0308rg' is jorg already" in mistakes
    assert "roles/qa" not in mistakes and "nobody of 'people' is called 'olle'. Did you mean 'ole'?" in mistakes


def test_without_people_everybody_is_who_they_are_called(tmp_path: Path) -> None:
    people = read_config(CONFIG).people
    assert people.of(ANNA) == "schmidta" and people.author("Anna Schmidt", "anna@example.com") == "Anna Schmidt"


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_name_with_an_end_of_line_in_it_brings_no_other_address(live: Shop, end: str) -> None:
    """The Git server looks at the address; a name may be anything."""
    live.edited("sluicegate.yaml", PEOPLE + POLICY)
    written(live, f"Anna{end}olle@example.com", "anna@example.com")
    built = live.state.built("auth", "2.0.0")
    assert built.address == "anna@example.com" and "olle@example.com" in built.author
    with pytest.raises(GateRefused, match="the own change"):
        approved(live, ANNA)
