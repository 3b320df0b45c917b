"""A world for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.world import IN_PLACE, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Integration follows latest; staging and production swap."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def in_place(tmp_path: Path) -> Iterator[World]:
    """Production without a parallel side: promoted to and deployed in place."""
    made = World(tmp_path, IN_PLACE)
    yield made
    made.close()
