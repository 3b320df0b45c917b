"""Members of a role from a directory's group: asked when it matters, by the person's name there, never guessed."""

from __future__ import annotations

import pytest

from sluicegate.config import read_config
from sluicegate.delivery.answers.check import unknown_groups
from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.moves import evidence
from sluicegate.errors import ConfigError, GateRefused, RemoteUnavailable
from sluicegate.model.values import Actor, Verdict
from tests.worlds import CONFIG, Shop

QA = "cn=qa,ou=groups,dc=example,dc=com"
DIRECTORY = b"directories: {ldap: {driver: fake}}\n"
GROUP = DIRECTORY + CONFIG.replace(
    b"members: [anna, olle]", b'members: [olle, "ldap:cn=qa,ou=groups,dc=example,dc=com"]'
)


@pytest.fixture
def shop(live: Shop) -> Shop:
    """auth 2.0.0 is tested and waits for the seal; gerd and lena are in the directory's group."""
    live.edited("sluicegate.yaml", GROUP)
    live.drivers.people.groups[QA] = {"gerd", "lena"}
    live.to_integration(auth="2.0.0")
    return live


def seal(shop: Shop) -> Verdict:
    verdicts = explain(shop.state, "auth", "2.0.0", "staging").verdicts
    return next(verdict for verdict in verdicts if verdict.gate == "approval qa")


def test_who_is_in_the_group_may_give_the_seal_and_nobody_else(shop: Shop) -> None:
    waiting = seal(shop)
    assert (waiting.state, waiting.who_can_help) == ("waiting", f"olle, ldap:{QA}")
    assert shop.drivers.people.calls == 0, "nobody said anything yet"
    with shop.unchanged(), pytest.raises(GateRefused, match="anna is not in the role 'qa'") as caught:
        shop.approve("auth", "2.0.0", user="anna")
    assert caught.value.reasons == (f"members: olle, ldap:{QA}",)
    shop.approve("auth", "2.0.0", user="lena")
    assert seal(shop).reason == "approved by lena"
    assert shop.promote(auth="2.0.0")


def test_who_leaves_the_group_has_approved_nothing(shop: Shop) -> None:
    shop.approve("auth", "2.0.0", user="lena")
    shop.drivers.people.groups[QA].remove("lena")
    gone = seal(shop)
    assert (gone.state, "lena's does not count: not a member of the role" in gone.reason) == ("waiting", True)
    with shop.unchanged(), pytest.raises(GateRefused, match="refused"):
        shop.promote(auth="2.0.0")


def test_a_directory_that_is_down_is_an_error_and_never_passed(shop: Shop) -> None:
    shop.approve("auth", "2.0.0", user="lena")
    shop.drivers.people.down = True
    silent = seal(shop)
    assert (silent.state, silent.reason) == ("error", "lena's approval: the directory does not answer")
    with shop.unchanged(), pytest.raises(GateRefused, match="refused") as caught:
        shop.promote(auth="2.0.0")
    assert "error: lena's approval: the directory does not answer" in "\n".join(caught.value.reasons)
    with shop.unchanged(), pytest.raises(RemoteUnavailable, match="does not answer"):
        shop.approve("auth", "2.0.0", user="gerd")
    # Somebody whom the role names needs no directory: not to approve, and not to be counted.
    shop.approve("auth", "2.0.0", user="olle")
    assert seal(shop).state == "passed"
    shop.drivers.people.down = False
    assert seal(shop).reason == "approved by lena, olle"


def test_a_group_that_is_gone_is_an_error_too(shop: Shop) -> None:
    shop.approve("auth", "2.0.0", user="lena")
    del shop.drivers.people.groups[QA]
    assert (seal(shop).state, "has no group" in seal(shop).reason) == ("error", True)


def test_a_silent_directory_is_asked_once_a_command(shop: Shop) -> None:
    for user in ("lena", "gerd"):
        shop.approve("auth", "2.0.0", user=user)
    shop.drivers.people.down, shop.drivers.people.calls = True, 0
    assert seal(shop).state == "error"
    assert shop.drivers.people.calls == 1, "each time limit would add up"


def test_a_person_is_looked_up_by_the_name_that_the_directory_has(shop: Shop) -> None:
    people = b"people: {lena: {jenkins: lena.l, ldap: l123}, gerd: {jenkins: gerd}, olle: {}, rita: {}, anna: {}}\n"
    shop.edited("sluicegate.yaml", people + GROUP)
    with shop.unchanged(), pytest.raises(GateRefused, match=r"lena\.l is not in the role"):
        shop.approve("auth", "2.0.0", user="lena.l")  # the group has a lena, and that is somebody else
    shop.approve("auth", "2.0.0", user="gerd")
    shop.drivers.people.groups[QA] = {"l123"}
    assert seal(shop).state == "waiting"
    shop.approve("auth", "2.0.0", user="lena.l")
    assert seal(shop).reason == "approved by lena.l"
    with shop.unchanged(), pytest.raises(GateRefused, match="l123 is not in the role"):
        shop.approve("auth", "2.0.0", user="l123")  # it is no name of the Jenkins


def test_a_stranger_is_in_no_group(shop: Shop) -> None:
    shop.edited("sluicegate.yaml", b"people: {lena: {}, olle: {}, rita: {}, anna: {}}\n" + GROUP)
    shop.drivers.people.groups[QA] |= {"", "mallory"}
    for who in (Actor(user="", source="git: <>"), Actor(user="mallory", source="git:mallory <lena>")):
        repo = shop.opened_by(who)
        with shop.unchanged(), pytest.raises(GateRefused, match="is not in the role"):
            evidence.judge(repo, "auth", "2.0.0", "staging", "qa", approve=True, why="")
        repo.store.close()


def test_a_group_lifts_what_one_of_it_has_vetoed(shop: Shop) -> None:
    evidence.veto(shop.by("lena"), "auth", "1.0.0", "", lift=False, why="bad")
    with shop.unchanged(), pytest.raises(GateRefused, match="rita may not unveto") as caught:
        evidence.veto(shop.by("rita"), "auth", "1.0.0", "", lift=True, why="")
    assert caught.value.reasons == (f"role qa: members olle, ldap:{QA}",)
    shop.drivers.people.down = True
    with shop.unchanged(), pytest.raises(RemoteUnavailable):
        evidence.veto(shop.by("gerd"), "auth", "1.0.0", "", lift=True, why="")
    shop.drivers.people.down = False
    evidence.veto(shop.by("gerd"), "auth", "1.0.0", "", lift=True, why="")


def test_who_is_named_for_a_verb_needs_no_directory(shop: Shop) -> None:
    evidence.veto(shop.by("lena"), "auth", "1.0.0", "", lift=False, why="bad")
    named = GROUP.replace(b"members: [rita, olle]}", b"members: [rita], jobs: {unveto: [lift]}}")
    shop.edited("sluicegate.yaml", named)
    shop.drivers.people.down = True
    evidence.veto(shop.by("rita"), "auth", "1.0.0", "", lift=True, why="")


def test_check_names_a_group_that_is_not_there_and_a_directory_that_is_silent(shop: Shop) -> None:
    assert unknown_groups(shop.state) == ()
    shop.drivers.people.groups = {}
    with pytest.raises(ConfigError) as caught:
        unknown_groups(shop.state)
    line = GROUP.decode().splitlines().index(next(row for row in GROUP.decode().splitlines() if "qa:" in row)) + 1
    assert caught.value.mistakes == (f"sluicegate.yaml:{line}: the role 'qa': the directory has no group '{QA}'",)
    shop.drivers.people.down = True
    assert unknown_groups(shop.state) == ("the groups of 'ldap' were not looked for: the directory does not answer",)


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (b'"ldap:cn=qa,ou=groups,dc=example,dc=com"', b"ldap:cn=qa,ou=groups", "'ou=groups' in 'members' is no person"),
        (b"directories: {ldap:", b"directories: {ad:", "no directory is called 'ldap'. Known: ad."),
        (b"directories: {ldap: {driver: fake}}", b"directories: {ldap: {}}", "the key 'driver' is missing"),
        (DIRECTORY, b"directory: {}\n", "unknown key 'directory'. Did you mean 'directories'?"),
        (DIRECTORY, DIRECTORY + b"people: {a: {ldap: x}, b: {ldap: X}}\n", "'X' is a already"),
    ],
)
def test_mistakes_in_groups_of_directories_are_named(old: bytes, new: bytes, mistake: str) -> None:
    assert old in GROUP
    with pytest.raises(ConfigError) as caught:
        read_config(GROUP.replace(old, new))
    assert mistake in "\n".join(caught.value.mistakes)
