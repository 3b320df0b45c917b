"""What cannot be read is not taken for nothing: the next write would make it so."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.errors import IntegrityError
from sluicegate.runner.history import History
from sluicegate.runner.users import Ended, Users
from sluicegate.runner.vault import Vault


def test_builds_that_cannot_be_listed_do_not_begin_at_one_again(tmp_path: Path) -> None:
    assert History("job", tmp_path).next_number == 1
    (tmp_path / "builds").write_text("no folder")
    with pytest.raises(OSError):
        History("job", tmp_path).numbers()


def test_sessions_that_were_ended_do_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "ended"
    Ended(path).add("a session", 2**40)
    assert Ended(path).has("a session")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="sessions that were ended cannot be read"):
        Ended(path)


def test_tokens_that_cannot_be_read_open_nothing_and_are_not_written_away(tmp_path: Path) -> None:
    users = Users(tmp_path, Vault(tmp_path))
    users.new_token("anna", "one")
    path = tmp_path / "users" / "anna" / "tokens.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(IntegrityError, match="the tokens of anna cannot be read"):
        users.new_token("anna", "two")
    assert path.read_bytes() == whole[:-9]
    users.revoke("anna", None)
    assert users.tokens("anna") == []
