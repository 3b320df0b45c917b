"""What all jobs of a runner share: settings.yaml of its home."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.errors import ConfigError
from sluicegate.runner import settings
from sluicegate.runner.service import Runner
from tests.runner.conftest import build, shell


def test_a_changed_file_counts_at_once_and_a_broken_one_changes_nothing(runner: Runner) -> None:
    file = runner.home.path / "settings.yaml"
    job = shell('echo "more=$MORE"')
    file.write_text("env: {MORE: one}\n")
    assert "more=one\n" in build(runner, "a", job).log.read_text()
    file.write_text("env: [\n")
    assert "more=one\n" in build(runner, "b", job).log.read_text()
    file.unlink()
    assert "more=\n" in build(runner, "c", job).log.read_text()


def test_a_server_does_not_start_with_settings_that_are_broken(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("env: {A: [b]}\n")
    with pytest.raises(ConfigError, match=r"settings\.yaml:1: A: expected a text"):
        Runner(tmp_path)


def test_settings_that_are_not_to_be_reached_are_not_none(runner: Runner, tmp_path: Path) -> None:
    file, away = runner.home.path / "settings.yaml", tmp_path / "mounted.yaml"
    away.write_text("env: {MORE: one}\n")
    file.symlink_to(away)
    job = shell('echo "more=$MORE"')
    assert "more=one\n" in build(runner, "a", job).log.read_text()
    away.unlink()
    assert "more=one\n" in build(runner, "b", job).log.read_text()
    with pytest.raises(ConfigError, match=r"settings\.yaml: it cannot be read"):
        settings.Shared(runner.home.path)


def test_passwords_of_the_administrator_are_bound_and_masked(runner: Runner) -> None:
    wrapper = "<EnvInjectPasswordWrapper><injectGlobalPasswords>true</injectGlobalPasswords></EnvInjectPasswordWrapper>"
    runner.shared_settings.replace("passwords: {NEXUS: s3cret-word}\n")
    job = shell("echo $NEXUS | rev; echo $NEXUS", more=f"<buildWrappers>{wrapper}</buildWrappers>")
    log = build(runner, "a", job).log.read_text()
    assert "drow-terc3s" in log and "s3cret-word" not in log
