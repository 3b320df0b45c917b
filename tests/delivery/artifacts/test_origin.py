"""What a checkout says of itself, whatever its user has set."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.source import read_origin


def git(*words: str | Path) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()


def test_settings_of_git_log_change_neither_commit_nor_author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that is shown stands before the commit; names come in the encoding of the terminal."""
    source, key = tmp_path / "source", tmp_path / "key"
    git("init", "--quiet", source)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    git("-C", source, *signing, "commit", "--quiet", "-S", "--allow-empty", "--author=Åsa <asa@example.com>", "-m", "x")
    signers = tmp_path / "signers"
    signers.write_text(f"* {key.with_suffix('.pub').read_text()}")
    (tmp_path / "gitconfig").write_text(
        "[log]\nshowSignature = true\n[i18n]\nlogOutputEncoding = ISO-8859-1\n"
        f'[gpg "ssh"]\nallowedSignersFile = {signers}\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    origin = read_origin(source, build="", build_started=None, figures={})
    assert (origin.commit, origin.author) == (git("-C", source, "rev-parse", "HEAD"), "Åsa")
