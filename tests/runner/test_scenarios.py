"""Each folder of scenarios/ is a job and what it must do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.runner import scenario

SHOWN = [(name, option) for name in scenario.NAMES for option in scenario.expected(name).get("shows", ())]


def _needs(name: str) -> None:
    """Skip a scenario whose real programs this machine lacks; CI has them all."""
    for program in scenario.expected(name).get("needs", ()):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize("name", scenario.NAMES)
def test_scenario(name: str, tmp_path: Path) -> None:
    _needs(name)
    scenario.play(name, tmp_path / "home")


@pytest.mark.parametrize("name", scenario.NAMES)
def test_every_scenario_says_what_it_shows(name: str) -> None:
    assert scenario.expected(name).get("shows")


@pytest.mark.parametrize(("name", "option"), SHOWN)
def test_a_scenario_goes_red_without_the_option_that_it_shows(name: str, option: str, tmp_path: Path) -> None:
    _needs(name)
    with pytest.raises(AssertionError):
        scenario.play(name, tmp_path / "home", drop=option)
