"""Real parts that a test needs: skipped with the reason on a user's machine, never in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str) -> None:
    """Skip the test where a program is missing; in CI it runs, and fails."""
    lacking = [program for program in programs if not shutil.which(program)]
    if lacking and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(lacking)}")
