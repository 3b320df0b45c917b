"""A managed file at home: never over one of the user's own, and gone with the last build that needs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluicegate.runner import local
from sluicegate.runner.settings import Settings

JOB = (
    b"<project><builders><org.jenkinsci.plugins.configfiles.builder.ConfigFileBuildStep><managedFiles>"
    b"<org.jenkinsci.plugins.configfiles.buildwrapper.ManagedFile><fileId>netrc</fileId><replaceTokens>false"
    b"</replaceTokens><targetLocation>$HOME/.netrc</targetLocation><variable/>"
    b"</org.jenkinsci.plugins.configfiles.buildwrapper.ManagedFile></managedFiles>"
    b"</org.jenkinsci.plugins.configfiles.builder.ConfigFileBuildStep><hudson.tasks.Shell><command>cat ~/.netrc"
    b"</command></hudson.tasks.Shell></builders></project>"
)


def _run() -> str:
    blocks: list[bytes] = []
    local.run("j", JOB, {}, blocks.append, local.Circumstances(settings=Settings(files={"netrc": "managed\n"})))
    return b"".join(blocks).decode()


@pytest.mark.parametrize("own", [None, "mine\n"])
def test_a_users_own_file_stays_and_ours_goes_away(
    own: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc = tmp_path / ".netrc"
    if own is not None:
        netrc.write_text(own)
    log = _run()
    assert (own or "managed\n") in log and ("stays as it is" in log) == (own is not None)
    assert (netrc.read_text() if os.path.lexists(netrc) else None) == own
