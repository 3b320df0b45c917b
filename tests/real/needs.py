"""Real parts that a test needs: skipped with the reason on a user's machine, never in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """Where a program is, also one that only root has on PATH; its name where it is nowhere."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin") or name


def needs(*programs: str) -> None:
    """Skip the test where a program is missing; in CI it runs, and fails."""
    lacking = [name for name in programs if not shutil.which(program(name))]
    if lacking and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(lacking)}")
