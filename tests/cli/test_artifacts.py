"""The commands about artifacts, as a job step calls them: output and exit codes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Call

CONFIG = """
repositories:
  releases: {{driver: directory, path: "{root}/releases"}}
  archive: {{driver: directory, path: "{root}/archive"}}
components:
  auth: {{repository: releases, group: com.example}}
environments:
  integration: {{}}
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Callable[[str], Call]) -> Call:
    """Runs a command on a delivery repo with auth 1.0.0, 1.1.0 and 1.2.0; its exit code and everything printed."""
    monkeypatch.chdir(tmp_path)
    call = calls(CONFIG)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        built = tmp_path / f"auth-{version}.zip"
        built.write_text(version)
        code, printed = call("publish", f"auth={version}", str(built), "--figure", f"coverage=8{version[2]}")
        assert code == 0, printed
    return call


def test_search_prints_what_it_found_in(call: Call) -> None:
    code, printed = call("search", "coverage=81")
    assert code == 0
    assert "auth=1.1.0" in printed
    assert "auth=1.2.0" not in printed
    assert json.loads(call("search", "AUTH-1.2", "--json")[1])[0]["found_in"] == ["auth-1.2.0.zip"]
    assert call("search", "nothing of it") == (0, "no version holds 'nothing of it'\n")
    assert call("search", " ")[0] == 2


def test_show_prints_files_with_addresses(call: Call, tmp_path: Path) -> None:
    code, printed = call("show", "auth=1.1.0")
    assert code == 0
    assert str(tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0.zip") in printed
    assert "built from" in printed
    assert json.loads(call("show", "auth", "--json")[1])["version"] == "1.2.0"
    assert call("show", "auth=9")[0] == 2


def test_verify_ends_with_6_when_a_file_differs(call: Call, tmp_path: Path) -> None:
    assert call("verify", "auth=1.1.0")[0] == 0
    (tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0.zip").write_text("rotten")
    code, printed = call("verify", "auth=1.1.0")
    assert code == 6
    assert "wrong" in printed
    assert "1 of 3 files differ" in printed


def test_copy_and_its_record(call: Call, tmp_path: Path) -> None:
    code, printed = call("copy", "auth=1.1.0", "--to", "archive", "--dry-run")
    assert (code, "would copy auth=1.1.0" in printed) == (0, True)
    assert not (tmp_path / "archive").exists()
    assert call("copy", "auth=1.1.0", "--to", "archive")[0] == 0
    here, there = (tmp_path / place / "com/example/auth/1.1.0" for place in ("releases", "archive"))
    assert {p.name: p.read_bytes() for p in here.iterdir()} == {p.name: p.read_bytes() for p in there.iterdir()}
    assert "copied to archive" in call("history", "auth")[1]
    assert call("copy", "auth=1.1.0", "--to", "archiv")[0] == 2


def test_prune_first_dry_then_for_good(call: Call, tmp_path: Path) -> None:
    code, printed = call("prune", "auth", "--keep", "1", "--dry-run")
    assert code == 0
    assert "would go  auth=1.0.0" in printed
    assert "stays   auth=1.2.0: one of the newest 1" in printed
    assert call("resolve", "auth=1.0.0") == (0, "1.0.0\n")
    assert call("pin", "auth=1.0.0", "--in", "integration")[0] == 0
    code, printed = call("prune", "auth", "--keep", "1", "--why", "the disk is full")
    assert code == 0
    assert "stays   auth=1.0.0: pinned in integration" in printed
    assert sorted(p.name for p in (tmp_path / "releases/com/example/auth").glob("1.*")) == ["1.0.0", "1.2.0"]
    code, printed = call("fetch", "auth=1.1.0", "--to", "somewhere")
    assert code == 2
    assert "was pruned by olle" in printed
    assert call("prune", "auth", "--keep", "0")[0] == 2


def test_copy_compares_what_is_there_first_and_takes_latest(call: Call, tmp_path: Path) -> None:
    there = tmp_path / "archive/com/example/auth/1.2.0/auth-1.2.0.zip"
    there.parent.mkdir(parents=True)
    there.write_text("another")
    for words in (["--dry-run"], []):
        code, printed = call("copy", "auth", "--to", "archive", *words)
        assert code == 4
        assert "is there with other content" in printed
    assert [path.name for path in there.parent.iterdir()] == [there.name]
    there.unlink()
    code, printed = call("copy", "auth", "--to", "archive")
    assert (code, "copied auth=1.2.0 to archive" in printed) == (0, True)


def test_copy_that_is_refused_half_way_lists_what_is_done(call: Call, tmp_path: Path) -> None:
    (tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0-provenance.json").write_text("rotten")
    code, printed = call("copy", "auth=1.1.0", "--to", "archive")
    assert code == 7
    assert "copied: auth-1.1.0.zip" in printed
    assert "not copied: auth-1.1.0-manifest.json" in printed
    assert "run the same again" in printed


def test_show_refuses_a_manifest_that_is_not_the_ledgers(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0-manifest.json"
    place.write_bytes(place.read_bytes().replace(b'"author": ""', b'"author": "eve"'))
    place.with_name(f"{place.name}.sha256").unlink()
    code, printed = call("show", "auth=1.1.0")
    assert (code, "the ledger says" in printed) == (6, True)


def test_verify_says_what_helps(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "releases/com/example/auth/1.1.0"
    (folder / "stray.zip").write_text("x")
    (folder / "auth-1.1.0.zip").unlink()
    code, printed = call("verify", "auth=1.1.0")
    assert code == 6
    assert "has lost auth-1.1.0.zip" in printed
    assert (
        "try: publish the same files again, or restore the repository from its backup; find out who put it" in printed
    )
    (folder / "stray.zip").unlink()
    built = tmp_path / "auth-1.1.0.zip"
    assert "stored auth-1.1.0.zip again" in call("publish", "auth=1.1.0", str(built))[1]
    assert call("verify", "auth=1.1.0")[0] == 0


@pytest.mark.parametrize("words", [["fetch", "auth", "--to", ""], ["publish", "auth=1.3.0", "setup.cfg", "--sign", ""]])
def test_an_empty_value_is_none(call: Call, words: list[str]) -> None:
    code, printed = call(*words)
    assert code == 2
    assert "names no" in printed


def test_what_was_asked_and_not_done_is_noted(call: Call, tmp_path: Path) -> None:
    built = str(tmp_path / "auth-1.1.0.zip")
    code, printed = call("publish", "auth=1.1.0", built, "--figure", "coverage=99")
    assert (code, "note: auth=1.1.0 keeps its first figures: coverage=81" in printed) == (0, True)
    assert json.loads(call("publish", "auth=1.1.0", built, "--json")[1])["notes"] == []


@pytest.mark.parametrize("words", ["fetch auth --to there", "verify auth", "copy auth --to archive"])
def test_a_full_disk_is_named_and_is_no_bug(call: Call, tmp_path: Path, words: str) -> None:
    (tmp_path / "big.zip").write_bytes(os.urandom(100_000))
    assert call("publish", "auth=1.3.0", str(tmp_path / "big.zip"))[0] == 0
    done = sluicegate(tmp_path, *words.split(), largest=50_000)
    assert done.returncode == 1, done.stderr
    assert "File too large\n  try: raise the limit" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("there/*"))


def test_a_full_repository_is_blamed_itself(call: Call, tmp_path: Path) -> None:
    (tmp_path / "big.zip").write_bytes(os.urandom(100_000))
    done = sluicegate(tmp_path, "publish", "auth=1.4.0", "big.zip", largest=50_000)
    assert (done.returncode, "the directory repository" in done.stderr) == (5, True)


def test_a_manifest_of_somebody_else_leads_to_no_file_of_ours(call: Call, tmp_path: Path) -> None:
    precious, folder = tmp_path / "precious", tmp_path / "releases/com/example/auth/1.1.0"
    precious.write_text("of mine")
    manifest = folder / "auth-1.1.0-manifest.json"
    value = json.loads(manifest.read_text())
    value["artifacts"][0]["name"] = str(precious)
    for left in folder.glob("auth-1.1.0-manifest.json.*"):
        left.unlink()
    manifest.write_bytes(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")
    for words in ("verify", "fetch --to there", "show", "copy --to archive"):
        assert call(*words.split(), "auth=1.1.0")[0] == 6
    assert precious.read_text() == "of mine"


def test_an_output_that_cannot_be_written_is_told(call: Call, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = sluicegate(tmp_path, "show", "auth", stdout=full)
    assert (done.returncode, "No space left on device" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def sluicegate(folder: Path, *words: str, largest: int = 0, stdout: Any = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which may write no file of more than `largest` bytes."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest)) if largest else None
    argv = [sys.executable, "-m", "sluicegate", "-C", str(folder / "delivery.git"), *words]
    return subprocess.run(
        argv, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False, preexec_fn=limit, cwd=folder
    )


def test_secrets_in_the_builds_address_are_not_kept(call: Call, tmp_path: Path) -> None:
    url = "https://me:hunter2@hunter2@ci.example.com/job/auth/7/?pwd=hunter2&buildId=7&%74oken=hunter2;sig=hunter2#x"
    assert call("publish", "auth=1.3.0", str(tmp_path / "auth-1.2.0.zip"), "--build", url)[0] == 0
    printed = call("show", "auth")[1] + call("history", "auth", "--json")[1]
    assert "https://ci.example.com/job/auth/7/?buildId=7\n" in printed
    assert "hunter2" not in printed


def test_what_is_no_file_and_no_range_is_told_as_what_it_is(call: Call, tmp_path: Path) -> None:
    assert "is a folder" in call("publish", "auth=1.3.0", str(tmp_path))[1]
    assert "is no regular file" in call("publish", "auth=1.3.0", "/dev/null")[1]
    assert "'^1.0' is not a range; expected a form such as '>=1.2,<2'" in call("resolve", "auth=^1.0")[1]


def test_the_commit_of_the_delivery_repo_itself_is_doubted(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "clone", "-q", str(tmp_path / "delivery.git"), str(tmp_path / "clone")], check=True)
    monkeypatch.chdir(tmp_path / "clone")
    code, printed = call("publish", "auth=1.3.0", str(tmp_path / "auth-1.2.0.zip"))
    assert (code, "--source names the checkout it was built from" in printed) == (0, True)


def test_a_repo_of_another_user_is_told_as_that(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "clone", "-q", str(tmp_path / "delivery.git"), str(tmp_path / "clone")], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    code, printed = call("-C", str(tmp_path / "clone"), "status")
    assert (code, "belongs to somebody else" in printed, "safe.directory" in printed) == (2, True, True)


def test_a_foreign_sbom_is_refused_before_anything_is_sent(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_text('{"bomFormat": "SPDX"}')
    (tmp_path / "new.zip").write_text("new")
    assert call("publish", "auth=2.0.0", "new.zip", "--sbom", "bom.json")[0] == 2
    assert not (tmp_path / "releases/com/example/auth/2.0.0").exists()
    (tmp_path / "bom.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6"}')
    assert call("publish", "auth=2.0.0", "new.zip", "--sbom", "bom.json")[0] == 0
    assert (tmp_path / "releases/com/example/auth/2.0.0/auth-2.0.0-sbom.cdx.json").exists()


def test_an_unsigned_version_is_not_fetched_with_verify(call: Call, tmp_path: Path) -> None:
    code, printed = call("fetch", "auth=1.1.0", "--to", "to", "--verify")
    assert code == 6
    assert "is not signed" in printed
    assert not (tmp_path / "to").exists()


def test_a_forged_provenance_is_not_fetched(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0-provenance.json"
    place.write_text(place.read_text().replace("workstation", "elsewhere"))
    assert call("fetch", "auth=1.1.0", "--to", "to")[0] == 6
