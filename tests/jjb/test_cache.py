"""What was rendered before is taken again only where nothing of it has changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.errors import ConfigError
from sluicegate.jjb import cache, render
from sluicegate.jjb.sources import Options

JOBS = """
- job-template:
    name: '{word}-build'
    builders: [shell: !include-raw-escape: part.sh, {word}-step: {{}}]
- project: {name: p, word: auth, jobs: ['{word}-build']}
"""
MACRO = "- builder: {name: auth-step, builders: [shell: make]}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "jobs.yaml").write_text(JOBS.replace("{word}-step: {{}}", "auth-step"))
    (jobs / "macro.yaml").write_text(MACRO)
    (jobs / "part.sh").write_text("echo part\n")
    monkeypatch.chdir(tmp_path)
    return jobs


def _contents(options: Options | None = None) -> dict[str, bytes]:
    return render.kept([Path("jobs")], options or Options()).contents()


def _is_kept(options: Options | None = None) -> bool:
    paths = [Path("jobs")]
    return cache.lookup(cache.entry_of(paths, options or Options()), paths) is not None


def test_an_unchanged_tree_is_not_rendered_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _contents()
    monkeypatch.setattr(render, "tree", None)
    assert _contents() == first and b"echo part" in first["auth-build"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file of jobs": lambda jobs: (jobs / "macro.yaml").write_text(MACRO.replace("make", "make all")),
    "an included file": lambda jobs: (jobs / "part.sh").write_text("echo other\n"),
    "an included file is gone": lambda jobs: (jobs / "part.sh").unlink(),
    "a new file of jobs": lambda jobs: (jobs / "more.yaml").write_text("- job: {name: more}\n"),
    "a file of jobs is gone": lambda jobs: (jobs / "macro.yaml").unlink(),
    "a new config.xml": lambda jobs: (jobs / "other.xml").write_text("<project/>"),
    "the ini file": lambda jobs: Path("jenkins_jobs.ini").write_text("[job_builder]\nallow_duplicates=True\n"),
    "a file that is included first": lambda jobs: Path("part.sh").write_text("echo first\n"),
    "a damaged entry": lambda jobs: next(Path("cache").rglob("index.json")).write_text("{"),
    "a lost entry": lambda jobs: shutil.rmtree("cache"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_is_seen(change: Callable[[Path], object], place: Path) -> None:
    _contents()
    assert _is_kept()
    change(place)
    assert not _is_kept()


def test_a_change_is_seen_where_python_lies_above(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in /usr/local, where Python's own prefix is /usr."""
    monkeypatch.setattr(sys, "base_prefix", str(place.parent))
    _contents()
    assert _is_kept()
    (place / "part.sh").write_text("echo other\n")
    assert not _is_kept()


def test_another_process_takes_it_too(place: Path) -> None:
    """jenkins-job-builder changes sys.path, and with it where packages are found."""
    program = [sys.executable, "-m", "sluicegate", "jobs", "render", "jobs"]
    for _ in range(2):
        subprocess.run(program, check=True, capture_output=True)
    assert len(list(Path("cache").rglob("index.json"))) == 1


def test_other_options_and_mistakes_have_no_entry(place: Path) -> None:
    _contents()
    assert not _is_kept(Options(recursive=True)) and not _is_kept(Options(exclude=("x",)))
    (place / "bad.yaml").write_text("- job: {name: bad, builders: [nothing: {}]}\n")
    with pytest.raises(ConfigError):
        _contents()
    assert not _is_kept()


def test_only_its_owner_reads_it_and_the_oldest_go(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    for number in range(4):
        render.kept([Path("jobs")], Options(exclude=(str(number),)))
    kept = list(Path("cache").rglob("index.json"))
    assert len(kept) == 2
    assert all(
        path.stat().st_mode & 0o077 == 0 for index in kept for path in (index, index.parent, index.with_name("jobs"))
    )
