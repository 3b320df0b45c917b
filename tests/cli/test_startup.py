"""What the commands called from every job step import; `bench/startup.py` measures what that costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTED = """
import sys
sys.argv = ["sluicegate", *sys.argv[1:]]
from sluicegate.cli.start import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), sep="\\n")
"""


def run(*words: str) -> set[str]:
    """Run a command in a Python of its own; the top-level modules that it has imported at its end."""
    argv = [sys.executable, "-c", LISTED, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A delivery repo with published versions, which have to be put in order."""
    tmp_path = tmp_path_factory.mktemp("startup")
    sample = tmp_path / "sample"
    run("init", str(sample))
    config = tmp_path / "sluicegate.yaml"
    config.write_text((sample / "sluicegate.yaml").read_text().replace("/srv/releases", str(tmp_path / "releases")))
    folder = str(tmp_path / "delivery")
    run("init", "--config", str(config), folder)
    for version in ("1.9.0", "1.10.0"):
        file = tmp_path / f"app-{version}.tar.gz"
        file.write_text(version)
        run("-C", folder, "publish", f"app={version}", str(file))
    return folder


def test_the_version_is_told_without_click_and_yaml() -> None:
    assert not run("--version") & {"click", "yaml", "requests", "subprocess"}


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("history", "app"), ("explain", "app")])
def test_answers_come_without_slow_libraries(repo: str, words: tuple[str, ...]) -> None:
    slow = {"requests", "urllib3", "jenkins", "jenkins_jobs", "boto3", "cryptography", "lxml", "starlette", "rich"}
    slow |= {"tempfile", "secrets", "random", "bz2", "shlex", "email", "zipfile", "textwrap"}
    assert not run("-C", repo, *words) & slow


def test_a_status_that_is_remembered_reads_no_yaml(repo: str) -> None:
    run("-C", repo, "status")
    assert not run("-C", repo, "status") & {"yaml"}


def test_status_starts_one_git(repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim, log = tmp_path / "bin" / "git", tmp_path / "calls"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nPATH="${{PATH#*:}}" exec git "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:/usr/local/bin:/usr/bin:/bin")
    run("-C", repo, "status")
    assert log.read_text().splitlines() == ["cat-file --batch"]


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("check",), ("history",), ("pin", "app=1.9.0", "--in", "integration"), ("verify", "app"),
        ("jobs", "check", str(ROOT / "jobs")),
    ],
)  # fmt: skip
def test_python_has_nothing_to_warn_of(repo: str, words: tuple[str, ...]) -> None:
    """No file that is left open, no call that a newer Python lacks, nothing that only a library can mend."""
    argv = [sys.executable, "-W", "error", "-m", "sluicegate", "-C", repo, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
