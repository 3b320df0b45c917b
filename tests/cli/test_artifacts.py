"""The commands about artifacts, as a job step calls them: output and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

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
        code, said = call("publish", f"auth={version}", str(built), "--figure", f"coverage=8{version[2]}")
        assert code == 0, said
    return call


def test_search_prints_what_it_found_in(call: Call) -> None:
    code, said = call("search", "coverage=81")
    assert code == 0
    assert "auth=1.1.0" in said
    assert "auth=1.2.0" not in said
    assert json.loads(call("search", "AUTH-1.2", "--json")[1])[0]["found_in"] == ["auth-1.2.0.zip"]
    assert call("search", "nothing of it") == (0, "no version holds 'nothing of it'\n")
    assert call("search", " ")[0] == 2


def test_show_prints_files_with_addresses(call: Call, tmp_path: Path) -> None:
    code, said = call("show", "auth=1.1.0")
    assert code == 0
    assert str(tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0.zip") in said
    assert "built from" in said
    assert json.loads(call("show", "auth", "--json")[1])["version"] == "1.2.0"
    assert call("show", "auth=9")[0] == 2


def test_verify_ends_with_6_when_a_file_differs(call: Call, tmp_path: Path) -> None:
    assert call("verify", "auth=1.1.0")[0] == 0
    (tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0.zip").write_text("rotten")
    code, said = call("verify", "auth=1.1.0")
    assert code == 6
    assert "wrong" in said
    assert "1 of 3 files differ" in said


def test_copy_and_its_record(call: Call, tmp_path: Path) -> None:
    code, said = call("copy", "auth=1.1.0", "--to", "archive", "--dry-run")
    assert (code, "would copy auth=1.1.0" in said) == (0, True)
    assert not (tmp_path / "archive").exists()
    assert call("copy", "auth=1.1.0", "--to", "archive")[0] == 0
    here, there = (tmp_path / place / "com/example/auth/1.1.0" for place in ("releases", "archive"))
    assert {p.name: p.read_bytes() for p in here.iterdir()} == {p.name: p.read_bytes() for p in there.iterdir()}
    assert "copied to archive" in call("history", "auth")[1]
    assert call("copy", "auth=1.1.0", "--to", "archiv")[0] == 2


def test_prune_first_dry_then_for_good(call: Call, tmp_path: Path) -> None:
    code, said = call("prune", "auth", "--keep", "1", "--dry-run")
    assert code == 0
    assert "would go  auth=1.0.0" in said
    assert "stays   auth=1.2.0: one of the newest 1" in said
    assert call("resolve", "auth=1.0.0") == (0, "1.0.0\n")
    assert call("pin", "auth=1.0.0", "--in", "integration")[0] == 0
    code, said = call("prune", "auth", "--keep", "1", "--why", "the disk is full")
    assert code == 0
    assert "stays   auth=1.0.0: pinned in integration" in said
    assert sorted(p.name for p in (tmp_path / "releases/com/example/auth").glob("1.*")) == ["1.0.0", "1.2.0"]
    code, said = call("fetch", "auth=1.1.0", "--to", "somewhere")
    assert code == 2
    assert "was pruned by olle" in said
    assert call("prune", "auth", "--keep", "0")[0] == 2


def test_copy_compares_what_is_there_first_and_takes_latest(call: Call, tmp_path: Path) -> None:
    there = tmp_path / "archive/com/example/auth/1.2.0/auth-1.2.0.zip"
    there.parent.mkdir(parents=True)
    there.write_text("another")
    for words in (["--dry-run"], []):
        code, said = call("copy", "auth", "--to", "archive", *words)
        assert code == 4
        assert "is there with other content" in said
    assert [path.name for path in there.parent.iterdir()] == [there.name]
    there.unlink()
    code, said = call("copy", "auth", "--to", "archive")
    assert (code, "copied auth=1.2.0 to archive" in said) == (0, True)


def test_copy_that_is_refused_half_way_lists_what_is_done(call: Call, tmp_path: Path) -> None:
    (tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0-provenance.json").write_text("rotten")
    code, said = call("copy", "auth=1.1.0", "--to", "archive")
    assert code == 7
    assert "copied: auth-1.1.0.zip" in said
    assert "not copied: auth-1.1.0-manifest.json" in said
    assert "run the same again" in said


def test_show_refuses_a_manifest_that_is_not_the_ledgers(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0-manifest.json"
    place.write_bytes(place.read_bytes().replace(b'"author": ""', b'"author": "eve"'))
    place.with_name(f"{place.name}.sha256").unlink()
    code, said = call("show", "auth=1.1.0")
    assert (code, "the ledger says" in said) == (6, True)


def test_verify_says_what_helps(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "releases/com/example/auth/1.1.0"
    (folder / "stray.zip").write_text("x")
    (folder / "auth-1.1.0.zip").unlink()
    code, said = call("verify", "auth=1.1.0")
    assert code == 6
    assert "has lost auth-1.1.0.zip" in said
    assert "try: publish the same files again, or restore the repository from its backup; find out who put it" in said
    (folder / "stray.zip").unlink()
    built = tmp_path / "auth-1.1.0.zip"
    assert "stored auth-1.1.0.zip again" in call("publish", "auth=1.1.0", str(built))[1]
    assert call("verify", "auth=1.1.0")[0] == 0


@pytest.mark.parametrize("words", [["fetch", "auth", "--to", ""], ["publish", "auth=1.3.0", "setup.cfg", "--sign", ""]])
def test_an_empty_value_is_none(call: Call, words: list[str]) -> None:
    code, said = call(*words)
    assert code == 2
    assert "names no" in said


def test_what_was_asked_and_not_done_is_noted(call: Call, tmp_path: Path) -> None:
    built = str(tmp_path / "auth-1.1.0.zip")
    code, said = call("publish", "auth=1.1.0", built, "--figure", "coverage=99")
    assert (code, "note: auth=1.1.0 keeps its first figures: coverage=81" in said) == (0, True)
    assert json.loads(call("publish", "auth=1.1.0", built, "--json")[1])["notes"] == []


def test_a_foreign_sbom_is_refused_before_anything_is_sent(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_text('{"bomFormat": "SPDX"}')
    (tmp_path / "new.zip").write_text("new")
    assert call("publish", "auth=2.0.0", "new.zip", "--sbom", "bom.json")[0] == 2
    assert not (tmp_path / "releases/com/example/auth/2.0.0").exists()
    (tmp_path / "bom.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6"}')
    assert call("publish", "auth=2.0.0", "new.zip", "--sbom", "bom.json")[0] == 0
    assert (tmp_path / "releases/com/example/auth/2.0.0/auth-2.0.0-sbom.cdx.json").exists()


def test_an_unsigned_version_is_not_fetched_with_verify(call: Call, tmp_path: Path) -> None:
    code, said = call("fetch", "auth=1.1.0", "--to", "to", "--verify")
    assert code == 6
    assert "is not signed" in said
    assert not (tmp_path / "to").exists()


def test_a_forged_provenance_is_not_fetched(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "releases/com/example/auth/1.1.0/auth-1.1.0-provenance.json"
    place.write_text(place.read_text().replace("workstation", "elsewhere"))
    assert call("fetch", "auth=1.1.0", "--to", "to")[0] == 6
