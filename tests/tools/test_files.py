"""What is written in place of a file survives a power cut: the content first, then the name."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sluicegate.tools import files


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced from now on, in its order: file or folder."""
    kinds: list[str] = []
    sync = os.fsync

    def watching(descriptor: int) -> None:
        kinds.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watching)
    return kinds


def test_a_replaced_file_is_synced_before_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = synced(monkeypatch)
    files.replace(tmp_path / "live", b"blue")
    assert (kinds, (tmp_path / "live").read_bytes()) == (["file", "folder"], b"blue")


def test_what_can_be_made_again_costs_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = synced(monkeypatch)
    files.replace(tmp_path / "index", b"x", durable=False)
    assert kinds == []


def test_a_folder_that_is_made_for_a_file_is_on_disk_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut takes a new job away with its folder, which was answered with 200."""
    folders: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", folders.append)
    files.replace(tmp_path / "jobs" / "one" / "config.xml", b"<project/>")
    assert folders == [tmp_path / "jobs" / "one", tmp_path / "jobs", tmp_path]


PASSING = """
import os, sys
from pathlib import Path
from sluicegate.tools import beneath
folder = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
home = folder / "above" / "home"
print(beneath.read(home / "file").decode(), os.listdir(beneath.open_folder(home)))
"""


def test_a_folder_above_need_not_be_listed() -> None:
    """As /home of mode 711, below which servers and users live."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "above" / "home").mkdir(parents=True)
        (folder / "above" / "home" / "file").write_text("read")
        for path, mode in (("above/home", 0o755), ("above", 0o111), ("", 0o711)):
            (folder / path).chmod(mode)
        done = subprocess.run([sys.executable, "-c", PASSING, folder], capture_output=True, text=True)
        (folder / "above").chmod(0o700)
        assert done.stdout == "read ['file']\n", done.stderr
