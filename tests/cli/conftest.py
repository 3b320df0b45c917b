"""Commands as a job step calls them: exit code, and everything printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.cli.main import run

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[str], Call]:
    """Makes a delivery repo of a configuration, and gives what runs commands on it."""
    for name in ("BUILD_URL", "WORKSPACE", "SLUICEGATE_REPO"):
        monkeypatch.delenv(name, raising=False)
    for part in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{part}_NAME", "olle")
        monkeypatch.setenv(f"GIT_{part}_EMAIL", "olle@example.com")

    def make(content: str) -> Call:
        config, repo = tmp_path / "config.yaml", str(tmp_path / "delivery.git")
        config.write_text(content.format(root=tmp_path))
        assert run(["init", "--bare", "--config", str(config), repo]) == 0

        def call(*words: str) -> tuple[int, str]:
            capfd.readouterr()
            code = run(["-C", repo, *words])
            captured = capfd.readouterr()
            return code, captured.out + captured.err

        return call

    return make
