"""Temporary folders lie in one private folder of ours and go away, also when their process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sluicegate.errors import UsageError
from sluicegate.tools import logs
from sluicegate.tools import scratch as module
from sluicegate.tools.scratch import scratch, sweep

HOLDER = """
import pathlib, time
from sluicegate.tools.scratch import scratch
with scratch() as folder:
    (folder / "inside").mkdir()
    (folder / "inside" / "token").write_text("secret")
    (folder / "inside").chmod(0o500)
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holder() -> tuple[subprocess.Popen[str], Path]:
    """Another process in a scratch folder."""
    started = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    return started, Path(started.stdout.readline().strip())


def end(started: subprocess.Popen[str], how: signal.Signals) -> None:
    started.send_signal(how)
    started.communicate()


def test_a_scratch_folder_is_private_and_leaves_nothing_behind(temporary: Path) -> None:
    with scratch() as folder, scratch() as second:
        assert folder.parent == second.parent == temporary / f"sluicegate-{os.getuid()}"
        assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
        (folder / "file").write_text("x")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_one_and_what_a_living_one_has_stays(temporary: Path) -> None:
    killed, left = holder()
    living, kept = holder()
    try:
        end(killed, signal.SIGKILL)
        with scratch():
            assert left.exists()
        assert not left.exists()
        assert (kept / "inside" / "token").read_text() == "secret"
    finally:
        end(living, signal.SIGKILL)
    sweep()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("taken", ["open", "link", "file"])
def test_a_folder_that_others_can_enter_is_not_used(temporary: Path, taken: str) -> None:
    house = temporary / f"sluicegate-{os.getuid()}"
    if taken == "open":
        house.mkdir()
        house.chmod(0o755)
    elif taken == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        house.symlink_to(temporary / "elsewhere")
    else:
        house.write_text("")
    with pytest.raises(UsageError, match=r"sluicegate-\d+"), scratch():
        pass


def test_a_sweep_that_comes_late_leaves_the_folder_that_another_process_has_made_since(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, lock = temporary / f"sluicegate-{os.getuid()}", module._lock
    house.mkdir(mode=0o700)

    def late(folder: Path, how: int) -> int:
        """Opened before another process swept it, and a third one made it anew."""
        descriptor = lock(folder, how)
        house.rmdir()
        house.mkdir(mode=0o700)
        return descriptor

    monkeypatch.setattr(module, "_lock", late)
    sweep()
    assert house.is_dir()


@pytest.mark.root
def test_a_folder_of_another_user_is_not_used(temporary: Path) -> None:
    house = temporary / f"sluicegate-{os.getuid()}"
    house.mkdir(mode=0o700)
    os.chown(house, 65534, 65534)
    with pytest.raises(UsageError, match="is not a folder of yours"), scratch():
        pass


def test_a_folder_for_temporary_files_that_is_not_there_is_named(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    with pytest.raises(UsageError, match="gone cannot be written: No such file"), scratch():
        pass


def test_logs_are_private_and_the_oldest_go_by_number_and_by_size(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(temporary))
    monkeypatch.setattr(logs, "LARGEST", 1000)
    written = [logs.new_log("a/b suite") for _ in range(logs.KEPT + 1)]
    assert {log.parent for log in written} == {temporary / "sluicegate" / "logs"}
    assert (written[-1].stat().st_mode | written[-1].parent.stat().st_mode) & 0o077 == 0
    assert len(list(written[0].parent.iterdir())) == logs.KEPT
    large = written[-2]
    large.write_bytes(b"x" * 1001)
    os.utime(large, (1, 1))
    logs.new_log("another")
    assert not large.exists() and written[-1].exists()
