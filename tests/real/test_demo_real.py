"""`make demo-real` leaves nothing behind, however it ends, and says what it lacks before it starts anything."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.demo import lacking
from tests.real.demo.namespaces import CGROUPS, Inside, join_cgroup

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[2]
STORY = """
set -e
cd {folder}
mkdir up work root mounted
mount -t overlay overlay -o lowerdir=/etc,upperdir=up,workdir=work root
ip link set lo up
ip link add ours type bridge
sh -c '{join} && exec sleep 987' &
setsid sh -c 'trap "" TERM INT HUP; while :; do sleep 1; done' &
sleep 0.3
echo {folder} > begun
{ending}
"""
OUTSIDE = """
import os, sys
from pathlib import Path
from tests.real.demo import __main__ as demo
demo.supply = lambda inside: None
demo.tempfile.mkdtemp = lambda **_: sys.argv[1]
demo.Inside = lambda folder, argv, **more: inside(folder, ["bash", "-c", sys.argv[2]], **more)
from tests.real.demo.namespaces import Inside as inside
sys.exit(demo.outside([], keep=False))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the demo would have its files, of a name that is nobody else's."""
    place = tmp_path / f"sluicegate-real-{os.getpid()}-{time.monotonic_ns()}"
    place.mkdir()
    yield place
    assert left_of(place) == []


def left_of(folder: Path) -> list[str]:
    """Files, mounts, control groups and processes that belong to the folder."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if folder.name in line]
    groups = [str(group) for group in CGROUPS.glob(f"*/{folder.name}")] + [
        str(group) for group in CGROUPS.glob(folder.name)
    ]
    processes = [line for line in commands() if folder.name in line]
    return [*([str(folder)] if folder.exists() else []), *mounts, *groups, *processes]


def commands() -> list[str]:
    """The command line, and the folder, of every process but this one."""
    lines = []
    for place in Path("/proc").glob("[0-9]*"):
        if int(place.name) != os.getpid():
            try:
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                lines.append(f"{place.name} {words} in {os.readlink(place / 'cwd')}")
            except OSError:
                continue
    return lines


def story(folder: Path, ending: str) -> str:
    return STORY.format(folder=folder, join=join_cgroup(f"{folder.name}/host"), ending=ending)


def begun(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while not (folder / "begun").exists():
        assert time.monotonic() < deadline, "it does not begin"
        time.sleep(0.05)


def outside(folder: Path, ending: str) -> subprocess.Popen[str]:
    """The demo's outer half, around a story that mounts, connects and starts what must not stay."""
    words = [sys.executable, "-c", OUTSIDE, str(folder), story(folder, ending)]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_interrupts_it_has_nothing_to_take_away(folder: Path, number: signal.Signals) -> None:
    demo = outside(folder, "sleep 99")
    begun(folder)
    assert len(left_of(folder)) > 3, "there is something to take away"
    demo.send_signal(number)
    _, output = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Traceback" not in output


def test_a_step_that_fails_takes_everything_away_and_says_so_by_its_status(folder: Path) -> None:
    demo = outside(folder, "exit 7")
    demo.communicate(timeout=60)
    assert demo.returncode == 7


def test_killed_for_good_it_leaves_files_alone(folder: Path) -> None:
    demo = outside(folder, "sleep 99")
    begun(folder)
    demo.kill()
    demo.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(str(folder) in line for line in commands()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(folder.name in line for line in commands())
    assert folder.name not in Path("/proc/self/mounts").read_text()
    inside = Inside(folder, ["true"], kept=False, env={})
    inside.end()


@pytest.fixture
def takes_up_orphans() -> Iterator[None]:
    """Children of ours that lost their parent come to us, who do not wait for them: as below many first processes."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


@pytest.mark.usefixtures("takes_up_orphans")
def test_what_is_kept_is_entered_and_ended_by_its_scripts(folder: Path) -> None:
    inside = Inside(folder, ["bash", "-c", story(folder, "sleep 99")], kept=True, env=dict(os.environ))
    begun(folder)
    inside.scripts(GREETING="good day")
    output = subprocess.run(
        [folder / "enter", "sh", "-c", "echo $GREETING; ip -o link"], capture_output=True, text=True, check=True
    ).stdout
    assert output.startswith("good day\n")
    assert "ours" in output
    subprocess.run([folder / "end"], check=True, timeout=60)
    inside.process.wait(timeout=10)


def test_what_is_missing_is_said_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lacking, "WATCHERS", 0)  # other tests may have hosts of their own now
    assert lacking.lacking(tmp_path) == []
    monkeypatch.setitem(lacking.PACKAGES, "a thing", ("no-such-program", "no-such-package"))
    monkeypatch.setattr(lacking, "MEMORY", 2**60)
    monkeypatch.setattr(lacking, "DISK", 2**60)
    monkeypatch.setattr(lacking, "WATCHERS", 2**60)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    root, packages, memory, disk, watchers = lacking.lacking(tmp_path)
    assert "sudo make demo-real" in root
    assert packages == "packages are missing: apt-get install --no-install-recommends no-such-package"
    assert memory.startswith("it needs 1073741824.0 GiB of free memory, there are ")
    assert str(tmp_path) in disk
    assert watchers.endswith("sysctl fs.inotify.max_user_instances=512")


def test_instances_of_inotify_are_counted_as_the_kernel_does() -> None:
    before = lacking.watchers_of(Path("/proc/self"))
    watcher = ctypes.CDLL(None).inotify_init()
    assert watcher >= 0, "none is left"
    try:
        assert lacking.watchers_of(Path("/proc/self")) == before + 1
    finally:
        os.close(watcher)
