"""Start-up of the commands that job steps call, against bare Python measured in the same run.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/startup.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

GOALS = {"version": 4.0, "status": 10.0}
BARE = "bare Python"
PUBLISHED = ("1.0.0", "1.9.0", "1.10.0")


def seconds(argv: list[str], env: dict[str, str]) -> float:
    """How long one run of a program takes; it must succeed."""
    begin = time.perf_counter()
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def interleaved(programs: dict[str, list[str]], rounds: int, env: dict[str, str]) -> dict[str, float]:
    """Each program's median; one of each per round, so that a busy moment meets them alike. Round 0 warms caches."""
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, argv in programs.items():
            once = seconds(argv, env)
            if turn:
                taken[name].append(once)
    return {name: median(times) for name, times in taken.items()}


def small_repo(sluicegate: Path, home: Path, env: dict[str, str]) -> Path:
    """A delivery repo with the sample configuration of `init`, a few published versions and a pin."""
    repo, sample, changed = home / "delivery", home / "sample", home / "sluicegate.yaml"
    seconds([str(sluicegate), "init", str(sample)], env)
    text = (sample / "sluicegate.yaml").read_text()
    changed.write_text(text.replace("/srv/releases", f"{home}/releases"))
    seconds([str(sluicegate), "init", "--config", str(changed), str(repo)], env)
    for version in PUBLISHED:
        file = home / f"app-{version}.tar.gz"
        file.write_text(version)
        seconds([str(sluicegate), "-C", str(repo), "publish", f"app={version}", str(file)], env)
    seconds([str(sluicegate), "-C", str(repo), "pin", f"app={PUBLISHED[-1]}", "--in", "integration"], env)
    return repo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="runs of each program; 15 at the least")
    rounds = max(15, parser.parse_args().rounds)
    sluicegate = Path(sys.executable).with_name("sluicegate")
    if not sluicegate.exists():
        sys.exit(f"{sluicegate} is missing: run this with the Python that sluicegate is installed for")
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as home:
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": home, "GIT_CONFIG_NOSYSTEM": "1"}
        (Path(home) / ".gitconfig").write_text("[user]\n\tname = olle\n\temail = olle@example.com\n")
        programs = {
            BARE: [sys.executable, "-c", "pass"],
            "version": [str(sluicegate), "--version"],
            "status": [str(sluicegate), "-C", str(small_repo(sluicegate, Path(home), env)), "status"],
        }
        found = interleaved(programs, rounds, env)
    for name, middle in found.items():
        print(f"{name:12} {middle * 1000:6.1f} ms (median of {rounds})")
    for name, goal in GOALS.items():
        print(f"ratio {name} {found[name] / found[BARE]:.2f} goal <={goal:g}")


if __name__ == "__main__":
    main()
