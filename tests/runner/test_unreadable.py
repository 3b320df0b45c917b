"""What cannot be read is not taken for nothing: the next write would make it so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.errors import IntegrityError
from sluicegate.runner import fingerprints, records
from sluicegate.runner.history import History
from sluicegate.runner.steps import junit
from sluicegate.runner.users import Ended, Users
from sluicegate.runner.vault import Vault
from sluicegate.web.views import Views


def test_builds_that_cannot_be_listed_do_not_begin_at_one_again(tmp_path: Path) -> None:
    assert History("job", tmp_path).next_number == 1
    (tmp_path / "builds").write_text("no folder")
    with pytest.raises(OSError):
        History("job", tmp_path).numbers()


def test_a_number_that_cannot_be_read_is_not_given_again(tmp_path: Path) -> None:
    history = History("job", tmp_path)
    history.set_next_number(17)
    assert history.take_number() == 17
    make_a_folder(tmp_path / "nextBuildNumber")
    with pytest.raises(IntegrityError, match="nextBuildNumber cannot be read"):
        history.take_number()


def test_sessions_that_were_ended_do_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "ended"
    Ended(path).add("a session", 2**40)
    assert Ended(path).has("a session")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="sessions that were ended cannot be read"):
        Ended(path)


def test_tokens_that_cannot_be_read_open_nothing_and_are_not_written_away(tmp_path: Path) -> None:
    users = Users(tmp_path, Vault(tmp_path))
    users.new_token("anna", "one")
    path = tmp_path / "users" / "anna" / "tokens.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(IntegrityError, match="the tokens of anna cannot be read"):
        users.new_token("anna", "two")
    assert path.read_bytes() == whole[:-9]
    users.revoke("anna", None)
    assert users.tokens("anna") == []


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def make_a_folder(path: Path) -> None:
    """Nobody can read it, not even root."""
    path.unlink()
    path.mkdir()


WAYS = pytest.mark.parametrize("spoil", [damage, make_a_folder])


@WAYS
def test_a_fingerprint_that_cannot_be_read_is_not_begun_anew(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "jobs" / "job" / "builds" / "1"
    md5 = "b1946ac92492d2347c6235b4d2611184"
    fingerprints.record(records.Record(job="job", number=1, folder=folder), {"a.txt": md5}, 0.0)
    place = fingerprints.path(tmp_path, md5)
    spoil(place)
    left = place.read_bytes() if place.is_file() else b""
    second = records.Record(job="job", number=2, folder=folder.parent / "2")
    with pytest.raises(IntegrityError, match=f"{place.name} cannot be read"):
        fingerprints.record(second, {"a.txt": md5}, 0.0)
    assert left == (place.read_bytes() if place.is_file() else b"")
    with pytest.raises(IntegrityError):
        fingerprints.read(tmp_path, md5)
    assert fingerprints.read(tmp_path, "0" * 32) is None


@WAYS
def test_a_view_that_cannot_be_read_says_so_and_is_not_made_again(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    views = Views(tmp_path)
    for name in ("fine", "spoilt"):
        views.create("", name, views.empty("hudson.model.ListView", name))
    place = tmp_path / "views" / "spoilt.xml"
    spoil(place)
    with pytest.raises(IntegrityError, match=r"spoilt\.xml cannot be read"):
        views.create("", "spoilt", views.empty("hudson.model.ListView", "spoilt"))
    fine, spoilt = views.of("")
    assert fine.description is None
    assert "cannot be read" in (spoilt.description or "")
    assert views.get("", "none") is None
    assert views.get("", "n" * 300) is None


@WAYS
def test_a_test_report_that_cannot_be_read_is_not_none(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    place = tmp_path / "junitResult.xml"
    assert junit.read(tmp_path) is None
    place.write_text("<result><suites/><duration>0.0</duration></result>")
    assert junit.read(tmp_path) == []
    spoil(place)
    with pytest.raises(IntegrityError, match=r"junitResult\.xml cannot be read"):
        junit.read(tmp_path)


def test_the_log_names_a_build_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert records.read("job", tmp_path / "1") is None
        assert not caplog.records
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "build.xml").write_text("<build><result>SUCCESS</result></build>")
        assert records.read("job", tmp_path / "1") is not None
        damage(tmp_path / "1" / "build.xml")
        assert records.read("job", tmp_path / "1") is None
    assert "1/build.xml cannot be read" in caplog.text
