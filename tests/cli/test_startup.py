"""What a command does not import: a job step calls us dozens of times, and each library it does not need costs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.cli.main import run

PROGRAM = """
import sys
before = set(sys.modules)
from sluicegate.cli.start import main
sys.argv = ["sluicegate", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
finally:
    print("imported:", *sorted(set(sys.modules) - before))
"""


def imported(*words: str) -> set[str]:
    """Every module that a command has imported by its end."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.fixture
def repo(tmp_path: Path) -> str:
    assert run(["init", str(tmp_path / "delivery")]) == 0
    return str(tmp_path / "delivery")


def test_version_needs_no_library() -> None:
    found = imported("--version")
    assert found
    assert not found & {"click", "yaml", "dataclasses", "signal", "subprocess", "sluicegate.cli.main"}


def test_status_needs_no_heavy_library(repo: str) -> None:
    found = imported("-C", repo, "status")
    assert {"click", "yaml"} <= found
    assert not found & {"requests", "univers", "jenkins", "boto3", "importlib.metadata", "ctypes", "rich"}


def test_help_needs_no_heavy_library_either(repo: str) -> None:
    assert not imported("-C", repo, "check", "--help") & {"requests", "univers", "jenkins", "boto3"}
