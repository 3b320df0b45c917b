"""The first day: versions and hosts that were there before us."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.changes.adopt import adopt
from sluicegate.errors import RemoteUnavailable, UsageError
from sluicegate.model.evidence import Adopted, Built
from tests.worlds import Shop


@pytest.fixture
def grown(shop: Shop) -> Shop:
    """Hosts and a repository that somebody else filled: auth 1.4.2 everywhere in training, portal in two versions."""
    shop.drivers.releases.files |= {
        ("auth", "1.4.2", "auth-1.4.2.tar.gz"): b"auth of others",
        ("auth", "1.4.2", "auth-1.4.2.tar.gz.sha1"): b"x",
        ("portal", "2.0.0", "portal-2.0.0.tar.gz"): b"portal of others",
    }
    for host, portal in (("room1", "2.0.0"), ("room2", "2.1.0")):
        shop.drivers.hosts[host].files |= {
            "apps/auth/current": b"1.4.2\n", "apps/portal/current": f"{portal}\n".encode()
        }  # fmt: skip
    return shop


def even(shop: Shop) -> None:
    shop.drivers.hosts["room2"].files["apps/portal/current"] = b"2.0.0\n"


def test_what_all_hosts_have_becomes_the_pins_and_what_differs_is_listed(grown: Shop) -> None:
    adoption = adopt(grown.by("olle"), "training", why="day one")
    assert adoption.adopted == {"auth": "1.4.2"}
    assert adoption.mixed == {"portal": {"2.0.0": ("room1",), "2.1.0": ("room2",)}}
    assert (adoption.whole, grown.pins("training")) == (False, {"auth": "1.4.2"})
    (adopted,) = [r for r in grown.story("auth", "1.4.2") if isinstance(r, Adopted)]
    assert (adopted.env, adopted.group, adopted.why) == ("training", "rooms", "day one")
    (built,) = [r for r in grown.story("auth", "1.4.2") if isinstance(r, Built)]
    assert [artifact.name for artifact in built.artifacts] == ["auth-1.4.2.tar.gz"]


def test_the_first_deploy_changes_nothing(grown: Shop) -> None:
    even(grown)
    assert adopt(grown.by("olle"), "training").whole
    with grown.unchanged():
        assert grown.deploy("training").steps == ()
    set_there = grown.state.effective(grown.state.config.environment("training"))
    assert set_there is not None and set(set_there.installed) == {"auth", "portal"}


def test_an_adopted_version_is_fetched_and_checked_as_any_other(grown: Shop, tmp_path: Path) -> None:
    adopt(grown.by("olle"), "training")
    release = fetch(grown.state, "auth", "1.4.2", tmp_path / "there")
    assert (release.folder / "auth-1.4.2.tar.gz").read_bytes() == b"auth of others"


def test_adopting_again_changes_nothing(grown: Shop) -> None:
    even(grown)
    adopt(grown.by("olle"), "training")
    records = len(grown.story("auth", "1.4.2"))
    again = adopt(grown.by("olle"), "training")
    assert (again.whole, len(grown.story("auth", "1.4.2"))) == (True, records)


def test_a_dry_run_writes_nothing_anywhere(grown: Shop) -> None:
    with grown.unchanged():
        assert adopt(grown.by("olle"), "training", dry_run=True).adopted == {"auth": "1.4.2"}


def test_what_the_repository_has_not_and_what_is_pinned_otherwise_is_told(grown: Shop) -> None:
    grown.publish("portal", "9.0.0")
    even(grown)
    grown.edited("environments/training.yaml", "portal: 9.0.0\n")
    del grown.drivers.releases.files["auth", "1.4.2", "auth-1.4.2.tar.gz"]
    adoption = adopt(grown.by("olle"), "training")
    assert adoption.missing == {"auth": "1.4.2: the repository releases has no file of it"}
    assert (adoption.kept, adoption.adopted, adoption.whole) == ({"portal": "9.0.0"}, {}, False)


def test_a_host_that_has_none_of_it_differs_from_those_that_have(grown: Shop) -> None:
    del grown.drivers.hosts["room2"].files["apps/auth/current"]
    assert adopt(grown.by("olle"), "training").mixed["auth"] == {"1.4.2": ("room1",), "": ("room2",)}


def test_hosts_that_cannot_be_asked_are_told(grown: Shop) -> None:
    grown.drivers.hosts["room2"].down = True
    adoption = adopt(grown.by("olle"), "training")
    assert adoption.adopted == {"auth": "1.4.2", "portal": "2.0.0"} and "room2: unreachable" in adoption.silent[0]
    grown.drivers.hosts["room1"].down = True
    with pytest.raises(RemoteUnavailable):
        adopt(grown.by("olle"), "training")


def test_a_production_that_swaps_is_adopted_and_its_staging_has_the_same_pins(grown: Shop) -> None:
    for host in ("blue1", "blue2"):
        grown.drivers.hosts[host].files["apps/auth/current"] = b"1.4.2\n"
    with pytest.raises(UsageError, match="staging has what production has"):
        adopt(grown.by("olle"), "staging")
    adoption = adopt(grown.by("olle"), "production")
    assert (adoption.adopted, adoption.absent) == ({"auth": "1.4.2"}, ("portal",))
    with grown.unchanged():
        assert grown.deploy("production", dry_run=True).steps == ()
    assert str(grown.deploy("staging").steps[0]) == "green1: auth - -> 1.4.2"
    with pytest.raises(UsageError, match="has swapped already"):
        adopt(grown.by("olle"), "production")
