"""make demo-real: the worked example with real parts, in a place of its own that leaves nothing behind.

usage: python -m tests.real.demo [--keep] [--quiet]
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from sluicegate.demo.command import PEOPLE, Screen
from sluicegate.errors import SluicegateError
from tests.real.demo.hosts import INSIDE
from tests.real.demo.lacking import lacking
from tests.real.demo.namespaces import Inside
from tests.real.machines import bootstrapping

NEXUS = Path(__file__).parents[1] / "nexus.sh"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
INTERRUPTED = 130


def main() -> int:
    """The exit status: 0 when every check held, 2 when something is missing here."""
    parser = argparse.ArgumentParser(prog="make demo-real", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say how to look around")
    parser.add_argument("--quiet", action="store_true", help="do not show the output of commands that succeed")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return play(options.inside, keep=options.keep, quiet=options.quiet)
    complaints = lacking(Path(tempfile.gettempdir()))
    for complaint in complaints:
        print(f"demo-real: {complaint}", file=sys.stderr)
    return 2 if complaints else outside(sys.argv[1:], keep=options.keep)


def outside(words: list[str], *, keep: bool) -> int:
    """Start the story in its own place, make there with our network what it needs, and take everything away."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(INTERRUPTED))
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-real-"))
    argv = [sys.executable, "-m", "tests.real.demo", "--inside", str(folder), *words]
    kept = False
    inside = Inside(folder, argv, kept=keep, env=dict(os.environ))
    try:
        supplies = threading.Thread(target=supply, args=(inside,), daemon=True)
        supplies.start()
        while inside.process.poll() is None and not (folder / "kept").exists():
            time.sleep(0.2)
        kept = inside.process.poll() is None
        if kept:
            look_around(inside)
            return int((folder / "kept").read_text())
        return inside.process.returncode
    except KeyboardInterrupt:
        print("\ndemo-real: interrupted; taking everything away", file=sys.stderr)
        return INTERRUPTED
    finally:
        if not kept:
            inside.end()


def supply(inside: Inside) -> None:
    """What comes over the network: Nexus and a small Debian, kept for the next time; each is told when it is there."""
    debian = threading.Thread(target=make_debian)
    debian.start()
    subprocess.run(["bash", NEXUS, "get"], check=False, stdin=subprocess.DEVNULL)
    inside.tell(f"nexus {CACHE}")
    debian.join()
    inside.tell(f"base {debian_place()}" if debian_place().exists() else "no base")


def debian_place() -> Path:
    return CACHE / "sluicegate" / "parts" / f"debian-{hashlib.sha256(INSIDE.encode()).hexdigest()[:12]}"


def make_debian() -> None:
    """The root that all hosts lie over; made once."""
    place = debian_place()
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            unfinished = place.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            done = subprocess.run(bootstrapping(unfinished, INSIDE), check=False, stdin=subprocess.DEVNULL)
            if done.returncode == 0:
                unfinished.rename(place)


def look_around(inside: Inside) -> None:
    from tests.real.demo.world import RealWorld

    folder = inside.folder
    world = RealWorld(folder, CACHE, sys.stdin, print)
    inside.scripts(**world.plain)
    print(f"look around           {folder}/enter sluicegate status")
    print(f"                      {folder}/enter ssh deploy@int1 dpkg -l auth")
    print(f"                      {folder}/enter curl http://lb1/")
    print(
        f"a browser             socat TCP-LISTEN:8080,bind=127.0.0.1,fork EXEC:'{folder}/enter socat - TCP\\:ci\\:8080'"
    )
    for person, role in PEOPLE.items():
        password = folder / "jenkins/home/secrets/passwords" / person
        if password.exists():
            print(f"  log in as {person:9}   {password.read_text().strip()}   ({role})")
    print(f"end it all            {folder}/end")


def play(folder: Path, *, keep: bool, quiet: bool) -> int:
    """Inside: the story, step by step."""
    from tests.real.demo.story import RealExample
    from tests.real.demo.world import RealWorld

    if child := os.fork():
        return first_process(child)
    screen = Screen(quiet=quiet)
    world = RealWorld(folder, CACHE, sys.stdin, screen.checked)
    os.environ.clear()
    os.environ.update(world.plain)
    status = 0
    try:
        for step in RealExample(world, screen).steps:
            step()
        print(f"\nThe demo passed: {screen.checks} checks in {time.monotonic() - screen.started:.0f} s", flush=True)
    except (SluicegateError, OSError, subprocess.SubprocessError) as problem:
        hint = getattr(problem, "hint", "")
        print(f"\nThe demo failed: {problem}" + (f"\n  try: {hint}" if hint else ""), flush=True)
        if not keep:
            print("to look around where it fails: make demo-real KEEP=1", flush=True)
        status = 1
    if keep:
        (folder / "kept").write_text(str(status))
        signal.pause()
    os._exit(status)  # no thread is waited for: what it works on ends with us


def first_process(child: int) -> int:
    """What process 1 is for: it collects whatever ends, until its own child does, whose exit status it gives."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
