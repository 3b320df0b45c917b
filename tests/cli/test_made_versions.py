"""`publish` without a version, and with a SNAPSHOT: what a build job types, and what it finds afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Call

CONFIG = """
repositories:
  releases: {{driver: directory, path: "{root}/releases"}}
components:
  auth: {{repository: releases, group: com.example, versions: maven}}
environments:
  integration: {{follow: {{range: 1.4.2-SNAPSHOT}}}}
"""
STAMPED = r"1\.4\.2-\d{8}\.\d{6}-"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Callable[[str], Call]) -> Call:
    """Runs a command on a fresh delivery repo, in a folder that is a Git checkout with three commits."""
    call = calls(CONFIG)
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.chdir(source)
    git("init", "--quiet", "--initial-branch", "main")
    (source / "VERSION").write_text("1.4\n")
    git("add", "VERSION")
    for number in range(3):
        commit(f"change {number}")
    (source / "auth.zip").write_text("built")
    return call


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()


def commit(subject: str) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", subject)


def test_without_a_version_it_is_the_files_number_and_the_count_of_commits(call: Call) -> None:
    code, printed = call("publish", "auth", "auth.zip")
    assert code == 0, printed
    assert "published auth=1.4.3" in printed
    assert call("resolve", "auth") == (0, "1.4.3\n")
    commit("one more")
    assert json.loads(call("publish", "auth", "auth.zip", "--json")[1])["version"] == "1.4.4"


def test_commits_of_a_merged_branch_count_as_one(call: Call) -> None:
    git("checkout", "--quiet", "-b", "side")
    commit("side 1")
    commit("side 2")
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "--message", "merge", "side")
    assert "auth=1.4.4" in call("publish", "auth", "auth.zip")[1]


def test_a_tag_is_the_version_and_the_highest_wins(call: Call) -> None:
    for tag in ("v2.0.0-rc.1", "portal-9.0.0", "nightly", "auth-2.0.0"):
        git("tag", tag)
    assert "auth=2.0.0," in call("publish", "auth", "auth.zip")[1]


@pytest.mark.parametrize("lost", ["a tag", "a commit"])
def test_what_cannot_be_read_of_a_checkout_makes_no_other_version(call: Call, lost: str) -> None:
    git("tag", "2.0.0")
    first = git("rev-list", "--max-parents=0", "HEAD")
    if lost == "a tag":
        Path(".git/refs/tags/2.0.0").write_text("")  # a power cut
    else:
        git("tag", "-d", "2.0.0")
        Path(f".git/objects/{first[:2]}/{first[2:]}").unlink()
    code, printed = call("publish", "auth", "auth.zip")
    assert code not in (0, 70), printed
    assert call("resolve", "auth")[0] != 0


@pytest.mark.parametrize("harm", ["a lost commit", "a torn HEAD", "another user's"])
def test_a_checkout_whose_commit_cannot_be_read_is_not_taken_for_none(
    call: Call, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published would have neither commit nor author, so that anybody may approve it."""
    head = git("rev-parse", "HEAD")
    if harm == "a lost commit":
        Path(f".git/objects/{head[:2]}/{head[2:]}").unlink()
    elif harm == "a torn HEAD":
        Path(".git/HEAD").write_text("")
    else:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    code, printed = call("publish", "auth=1.4.2", "auth.zip")
    assert code != 0 and "is not a Git checkout with a commit" in printed, printed
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", raising=False)
    assert call("resolve", "auth")[0] != 0


def test_a_folder_without_a_commit_is_published_from_as_one(call: Call, tmp_path: Path) -> None:
    for folder in ("plain", "fresh"):
        (tmp_path / folder).mkdir()
    git("-C", str(tmp_path / "fresh"), "init", "--quiet")
    for number, folder in enumerate(("plain", "fresh")):
        os.chdir(tmp_path / folder)
        Path("auth.zip").write_text(folder)
        assert call("publish", f"auth=1.4.{number}", "auth.zip")[0] == 0


def test_a_tag_of_another_component_counts_for_nothing(call: Call) -> None:
    git("tag", "portal-9.0.0")
    assert "auth=1.4.3" in call("publish", "auth", "auth.zip")[1]


def test_the_file_can_be_another_one(call: Call) -> None:
    (Path("auth")).mkdir()
    (Path("auth") / "VERSION").write_text("7.1")
    assert "auth=7.1.3" in call("publish", "auth", "auth.zip", "--version-file", "auth/VERSION")[1]


@pytest.mark.parametrize(
    "tag", ["20241125", "2024-11-25", "77", "3rd-party", "100-percent-coverage", "v2", "nightly", "1st.try"]
)
def test_a_tag_that_names_something_else_is_no_version(call: Call, tag: str) -> None:
    git("tag", tag)
    assert "auth=1.4.3" in call("publish", "auth", "auth.zip")[1]
    commit("release")
    for name in (tag, "v1.5.0"):
        git("tag", "--force", name)
    assert "auth=1.5.0," in call("publish", "auth", "auth.zip")[1]


@pytest.mark.parametrize(
    "date", ["2024.11.25", "2024.11", "20241125.1", "20241125.1.2", "202411251430.1.0", "25.11.2024", "2024.11.25-1430"]
)
def test_a_date_counts_only_where_no_other_tag_does(call: Call, date: str) -> None:
    for tag in (date, "v1.5.0"):
        git("tag", tag)
    assert "auth=1.5.0," in call("publish", "auth", "auth.zip")[1]
    commit("calendar")
    git("tag", "2024.11.26")
    assert "auth=2024.11.26," in call("publish", "auth", "auth.zip")[1]


@pytest.fixture
def patterned(calls: Callable[[str], Call], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Like `call`, with a component whose tags have a form of their own."""
    monkeypatch.setattr(f"{__name__}.CONFIG", CONFIG.replace("maven", "maven, tag-pattern: 'build/{{version}}-final'"))
    call: Call = request.getfixturevalue("call")
    return call


def test_a_pattern_says_where_the_version_stands_in_a_tag(patterned: Call) -> None:
    for tag in ("v9.0.0", "build/77-final", "build/78"):
        git("tag", tag)
    assert "auth=77," in patterned("publish", "auth", "auth.zip")[1]


def test_another_spelling_of_a_published_version_is_refused_and_told(call: Call) -> None:
    assert call("publish", "auth=1.1.0", "auth.zip")[0] == 0
    for spelling in ("1.1", "1.1.0-ga", "1.1.Final"):
        code, printed = call("publish", f"auth={spelling}", "auth.zip")
        assert code == 2 and "auth=1.1.0 is published already" in printed
    code, printed = call("publish", "auth=v1.2.0", "auth.zip")
    assert code == 2 and "publish it as 1.2.0" in printed
    code, printed = call("resolve", "auth=1.1")
    assert code == 2 and "it is published as auth=1.1.0" in printed
    assert "published before" in call("publish", "auth=1.1.0", "auth.zip")[1]


def test_a_vetoed_version_is_never_the_newest_without_a_mark(call: Call) -> None:
    assert call("publish", "auth=1.1.0", "auth.zip")[0] == 0
    assert call("veto", "auth=1.1.0", "--why", "OPS-12")[0] == 0
    assert "1.1.0 vetoed" in call("status")[1]
    assert json.loads(call("status", "--json")[1])["components"][0]["newest_vetoed"] is True
    assert "auth=1.1.0 is vetoed everywhere: OPS-12" in call("resolve", "auth")[1]
    assert "(newest: 1.1.0 (vetoed))" in call("resolve", "auth=7")[1]
    assert call("unveto", "auth=1.1.0")[0] == 0
    assert "vetoed" not in call("status")[1] + call("resolve", "auth")[1]


@pytest.mark.parametrize("content", ["1.4.2", "", "v1.4", "latest", "1.4-SNAPSHOT"])
def test_a_file_that_holds_no_two_numbers_is_named(call: Call, content: str) -> None:
    Path("VERSION").write_text(content)
    code, printed = call("publish", "auth", "auth.zip")
    assert code == 2
    assert "MAJOR.MINOR" in printed and "VERSION" in printed


def test_without_a_file_or_a_checkout_the_way_out_is_named(call: Call, tmp_path: Path) -> None:
    Path("VERSION").unlink()
    code, printed = call("publish", "auth", "auth.zip")
    assert code == 2 and "there is no file" in printed and "publish auth=VERSION" in printed
    os.chdir(tmp_path)
    code, printed = call("publish", "auth", "source/auth.zip")
    assert code == 2 and "no Git checkout" in printed and "publish auth=VERSION" in printed


def test_a_shallow_checkout_is_refused_because_its_count_is_wrong(call: Call, tmp_path: Path) -> None:
    git("clone", "--quiet", "--depth", "1", f"file://{tmp_path}/source", str(tmp_path / "shallow"))
    code, printed = call("publish", "auth", "auth.zip", "--source", str(tmp_path / "shallow"))
    assert code == 2
    assert "shallow" in printed and "--unshallow" in printed


def test_a_snapshot_gets_its_time_and_number_and_maven_finds_the_newest(call: Call, tmp_path: Path) -> None:
    Path("auth-1.4.2-SNAPSHOT.jar").write_text("one")
    Path("auth-1.4.2-SNAPSHOT-sources.jar").write_text("sources")
    code, printed = call("publish", "auth=1.4.2-SNAPSHOT", "auth-1.4.2-SNAPSHOT.jar", "auth-1.4.2-SNAPSHOT-sources.jar")
    assert code == 0, printed
    assert re.search(rf"published auth={STAMPED}1,", printed)
    Path("auth-1.4.2-SNAPSHOT.jar").write_text("two")
    printed = call("publish", "auth=1.4.2-SNAPSHOT", "auth-1.4.2-SNAPSHOT.jar")[1]
    assert re.search(rf"published auth={STAMPED}2,", printed)
    newest = call("resolve", "auth=1.4.2-SNAPSHOT")[1].strip()
    assert re.fullmatch(rf"{STAMPED}2", newest)
    place = tmp_path / "releases/com/example/auth"
    assert (place / "1.4.2-SNAPSHOT" / f"auth-{newest}.jar").read_text() == "two"
    listed = ElementTree.parse(place / "maven-metadata.xml")
    assert [element.text for element in listed.iterfind("versioning/versions/version")] == ["1.4.2-SNAPSHOT"]
    metadata = ElementTree.parse(place / "1.4.2-SNAPSHOT/maven-metadata.xml")
    stamp, _, number = newest.removeprefix("1.4.2-").partition("-")
    assert metadata.findtext("version") == "1.4.2-SNAPSHOT"
    assert metadata.findtext("versioning/snapshot/timestamp") == stamp
    assert metadata.findtext("versioning/snapshot/buildNumber") == number
    values = {
        (element.findtext("classifier"), element.findtext("extension")): element.findtext("value")
        for element in metadata.iterfind("versioning/snapshotVersions/snapshotVersion")
    }
    assert values[(None, "jar")] == newest
    assert ("sources", "jar") not in values, "the newest has no sources"


def test_a_snapshot_is_fetched_pinned_and_followed_as_what_it_was_at_that_time(call: Call) -> None:
    for content in ("one", "two"):
        Path("auth.zip").write_text(content)
        assert call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")[0] == 0
        if content == "one":
            first = call("resolve", "auth=1.4.2-SNAPSHOT")[1].strip()
    newest = call("resolve", "auth=1.4.2-SNAPSHOT")[1].strip()
    assert call("fetch", "auth=1.4.2-SNAPSHOT", "--to", "there")[0] == 0
    assert Path(f"there/auth-{newest}.zip").read_text() == "two"
    assert call("fetch", f"auth={first}", "--to", "there")[0] == 0
    assert Path(f"there/auth-{first}.zip").read_text() == "one"
    assert call("verify", f"auth={first}")[0] == 0
    code, printed = call("pin", "auth=1.4.2-SNAPSHOT", "--in", "integration")
    assert code == 0 and newest in printed
    assert newest in call("status")[1]


def test_the_same_snapshot_again_is_the_one_that_is_there(call: Call) -> None:
    assert call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")[0] == 0
    first = call("resolve", "auth=1.4.2-SNAPSHOT")[1]
    code, printed = call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")
    assert code == 0 and "published before" in printed
    assert call("resolve", "auth=1.4.2-SNAPSHOT")[1] == first
    commit("another commit, the same bytes")
    assert call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")[0] == 0
    assert call("resolve", "auth=1.4.2-SNAPSHOT")[1] != first


def test_latest_and_ranges_pass_snapshots_over(call: Call) -> None:
    assert call("publish", "auth=1.4.1", "auth.zip")[0] == 0
    assert call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")[0] == 0
    assert call("resolve", "auth") == (0, "1.4.1\n")
    assert call("resolve", "auth=1.x") == (0, "1.4.1\n")
    Path("auth.zip").write_text("released")
    assert call("publish", "auth=1.4.2", "auth.zip")[0] == 0
    assert call("resolve", "auth") == (0, "1.4.2\n")


def test_pruning_a_snapshot_leaves_the_others_of_its_folder(call: Call, tmp_path: Path) -> None:
    for content in ("one", "two", "three"):
        Path("auth.zip").write_text(content)
        assert call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")[0] == 0
    newest = call("resolve", "auth=1.4.2-SNAPSHOT")[1].strip()
    code, printed = call("prune", "auth", "--keep", "1")
    assert code == 0, printed
    left = {p.name for p in (tmp_path / "releases/com/example/auth/1.4.2-SNAPSHOT").glob("*.zip")}
    assert left == {f"auth-{newest}.zip"}
    assert call("verify", f"auth={newest}")[0] == 0
