"""The lock on a file: one holder, and none once its process is dead."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.errors import Conflict, UsageError
from sluicegate.runner.home import Home
from sluicegate.tools.lock import locked

HOLDER = """
import sys
from pathlib import Path
from sluicegate.tools.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_has_one_holder_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    place = tmp_path / "below" / "the.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=r"holds .*the\.lock"), locked(place, seconds=0):
            pass
        holder.kill()
    with locked(place, seconds=5), pytest.raises(Conflict), locked(place, seconds=0):
        pass
    with locked(place, seconds=0):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(UsageError, match=r"the file system of .* keeps no locks") as caught, locked(tmp_path / "lock"):
        pass
    assert "another file system" in caught.value.hint
    with pytest.raises(UsageError, match="keeps no locks"):
        Home(tmp_path / "home").hold()
