"""What the tests of the job library are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jjb.steps import Step


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)
