"""`publish` as a build calls it: the version left out, and a SNAPSHOT."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.cli.main import run

CONFIG = """
repositories:
  releases: {{driver: directory, path: "{root}/releases"}}
  snapshots: {{driver: directory, path: "{root}/snapshots"}}
components:
  auth: {{repository: releases, snapshots: snapshots, group: com.example}}
environments:
  integration: {{follow: {{range: 1.4.2-SNAPSHOT}}}}
  production: {{from: integration}}
"""
Call = Callable[..., tuple[int, str]]
STAMPED = re.compile(r"1\.4\.2-[0-9]{8}\.[0-9]{6}-([0-9]+)")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source checkout with three commits on its branch and a merged one beside it, and VERSION 1.4."""
    for name in ("BUILD_URL", "WORKSPACE", "SLUICEGATE_REPO"):
        monkeypatch.delenv(name, raising=False)
    for part in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{part}_NAME", "olle")
        monkeypatch.setenv(f"GIT_{part}_EMAIL", "olle@example.com")
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "VERSION").write_text("1.4\n")
    git(folder, "add", "VERSION")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "checkout", "-q", "-b", "side")
    git(folder, "commit", "-q", "--allow-empty", "-m", "beside")
    git(folder, "checkout", "-q", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    git(folder, "merge", "-q", "--no-ff", "-m", "three", "side")
    (folder / "auth.zip").write_text("built")
    (folder / "auth-1.4.2-SNAPSHOT.zip").write_text("early")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


@pytest.fixture
def call(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(root=tmp_path))
    repo = str(tmp_path / "delivery.git")
    assert run(["init", "--bare", "--config", str(config), repo]) == 0
    monkeypatch.chdir(checkout)

    def call(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        code = run(["-C", repo, *words])
        said = capfd.readouterr()
        return code, said.out + said.err

    return call


def test_a_version_left_out_is_made_of_the_file_and_the_count_of_first_parents(call: Call) -> None:
    code, said = call("publish", "auth", "auth.zip")
    assert (code, "published auth=1.4.3" in said) == (0, True), said
    assert "was published before" in call("publish", "auth", "auth.zip")[1]
    assert call("resolve", "auth") == (0, "1.4.3\n")


@pytest.mark.parametrize(
    ("tags", "version"),
    [
        (["v2.0.0"], "2.0.0"),
        (["2.0.0"], "2.0.0"),
        (["2.0.0-rc.1", "2.0.0"], "2.0.0"),
        (["9.0.0", "auth-2.0.0"], "2.0.0"),
        (["portal-9.0.0", "auth/v2.0.0"], "2.0.0"),
        (["portal-9.0.0", "nightly"], "1.4.3"),
    ],
)
def test_a_tag_at_the_commit_is_the_version(call: Call, checkout: Path, tags: list[str], version: str) -> None:
    for tag in tags:
        git(checkout, "tag", tag)
    code, said = call("publish", "auth", "auth.zip", "--json", "--dry-run")
    assert (code, json.loads(said)["version"]) == (0, version)


def test_where_no_version_can_be_made_the_way_out_is_named(
    call: Call, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in ("1.4.2", "one", ""):
        (checkout / "VERSION").write_text(content)
        code, said = call("publish", "auth", "auth.zip")
        assert (code, "expected MAJOR.MINOR" in said) == (2, True)
    (checkout / "VERSION").unlink()
    code, said = call("publish", "auth", "auth.zip")
    assert (code, "write MAJOR.MINOR into VERSION" in said) == (2, True)
    monkeypatch.chdir(tmp_path)
    code, said = call("publish", "auth", "source/auth.zip")
    assert (code, "is no Git checkout" in said) == (2, True)


def test_a_shallow_clone_is_not_counted(call: Call, checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{checkout}", "shallow")
    code, said = call("publish", "auth", "auth.zip", "--source", str(tmp_path / "shallow"))
    assert (code, "git fetch --unshallow" in said) == (2, True)


def test_a_snapshot_is_published_under_a_time_stamp_and_found_by_its_name(
    call: Call, checkout: Path, tmp_path: Path
) -> None:
    code, said = call("publish", "auth=1.4.2-SNAPSHOT", "auth-1.4.2-SNAPSHOT.zip", "--json")
    assert code == 0, said
    first = json.loads(said)["version"]
    assert STAMPED.fullmatch(first)
    assert json.loads(said)["artifacts"][0]["name"] == f"auth-{first}.zip"
    assert "was published before" in call("publish", "auth=1.4.2-SNAPSHOT", "auth-1.4.2-SNAPSHOT.zip")[1]
    (checkout / "auth-1.4.2-SNAPSHOT.zip").write_text("later")
    second = json.loads(call("publish", "auth=1.4.2-SNAPSHOT", "auth-1.4.2-SNAPSHOT.zip", "--json")[1])["version"]
    found = STAMPED.fullmatch(second)
    assert found and found[1] == "2"
    assert call("resolve", "auth=1.4.2-SNAPSHOT") == (0, f"{second}\n")
    assert call("resolve", "auth")[0] == 2, "latest passes a SNAPSHOT over"
    assert call("fetch", "auth=1.4.2-SNAPSHOT", "--to", str(tmp_path / "there"))[0] == 0
    assert (tmp_path / "there" / f"auth-{second}.zip").read_text() == "later"
    assert call("verify", f"auth={first}")[0] == 0
    folder = tmp_path / "snapshots/com/example/auth/1.4.2-SNAPSHOT"
    tree = ElementTree.parse(folder / "maven-metadata.xml").getroot()
    assert tree.findtext("version") == "1.4.2-SNAPSHOT"
    assert tree.findtext("versioning/snapshot/buildNumber") == "2"
    entries = {
        (one.findtext("classifier"), one.findtext("extension")): one.findtext("value")
        for one in tree.iterfind("versioning/snapshotVersions/snapshotVersion")
    }
    assert entries == dict.fromkeys([(None, "zip"), ("manifest", "json"), ("provenance", "json")], second)
    tree = ElementTree.parse(folder.parent / "maven-metadata.xml").getroot()
    assert [one.text for one in tree.iterfind("versioning/versions/version")] == ["1.4.2-SNAPSHOT"]
    assert not (tmp_path / "releases").exists()


def test_a_pin_names_the_time_stamp_and_a_snapshot_goes_no_further(call: Call, checkout: Path) -> None:
    version = json.loads(call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip", "--json")[1])["version"]
    assert call("pin", "auth=1.4.2-SNAPSHOT", "--in", "integration") == (
        0, f"pinned auth={version} in integration\n"
    )  # fmt: skip
    code, said = call("promote", f"auth={version}", "--to", "production")
    assert (code, "a SNAPSHOT goes no further than integration" in said) == (3, True)
    code, said = call("promote", "auth=1.4.2-SNAPSHOT", "--to", "production")
    assert (code, f"take auth={version}" in said) == (2, True)


def test_an_environment_may_follow_a_snapshot(call: Call, checkout: Path) -> None:
    for content in ("early", "later"):
        (checkout / "auth.zip").write_text(content)
        version = json.loads(call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip", "--json")[1])["version"]
        assert f"-> {version}\n" in call("sync", "integration")[1]


def test_a_release_comes_after_its_snapshots_and_they_are_pruned_apart(call: Call, checkout: Path) -> None:
    for content in ("early", "later"):
        (checkout / "auth.zip").write_text(content)
        assert call("publish", "auth=1.4.2-SNAPSHOT", "auth.zip")[0] == 0
    assert call("publish", "auth=1.4.2", "auth.zip")[0] == 0
    assert call("publish", "auth=1.4.1", "auth.zip")[0] == 0
    assert call("resolve", "auth") == (0, "1.4.2\n")
    code, said = call("prune", "auth", "--keep", "1")
    gone = [line.split("=")[1] for line in said.splitlines() if line.startswith("pruned")]
    assert code == 0 and len(gone) == 2, said
    assert "1.4.1" in gone
    assert call("verify", "auth=1.4.2-SNAPSHOT")[0] == 0
