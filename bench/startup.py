"""How long a command takes to start, against a bare Python measured in the same run.

Job steps call the command line dozens of times a build. Ends with status 1 when a goal is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 25
GOALS = {"version": 4.0, "status": 10.0}


def seconds(words: list[str], env: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(repo: Path, env: dict[str, str], rounds: int) -> dict[str, float]:
    """The median of each, taken in turns so that a busy moment meets all of them."""
    program = str(Path(sys.executable).parent / "sluicegate")
    kinds = {
        "bare": [sys.executable, "-c", "pass"],
        "version": [program, "--version"],
        "status": [program, "-C", str(repo), "status"],
    }
    for words in kinds.values():
        seconds(words, env)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, words in kinds.items():
            taken[name].append(seconds(words, env))
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        people = {"GIT_COMMITTER_NAME": "olle", "GIT_COMMITTER_EMAIL": "olle@example.com", "HOME": folder}
        env = {**os.environ, **people}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: with bytecode
        repo = Path(folder) / "delivery"
        subprocess.run(
            [sys.executable, "-m", "sluicegate", "init", repo], env=env, check=True, stdout=subprocess.DEVNULL
        )
        medians = measure(repo, env, ROUNDS)
    for name, median in medians.items():
        print(f"{name}: {median * 1000:.1f} ms (median of {ROUNDS})")
    ratios = {name: medians[name] / medians["bare"] for name in GOALS}
    for name, ratio in ratios.items():
        print(f"ratio {name} {ratio:.2f} goal <={GOALS[name]:g}")
    return int(any(ratio > GOALS[name] for name, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
