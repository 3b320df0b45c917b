"""`run --plan --json`, `run --list` and `jobs render` over a tree of YAML files, against `jenkins-jobs test`.

`jobs render` cold has nothing kept; again, nothing has changed since. Each ratio is of the clock, and of the
processor, which other work on the machine disturbs less.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/tree.py
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each start would compile what an installation has compiled
GOALS = {"run --plan --json": 1.2, "run --list": 1.2, "jobs render, cold": 1.1, "jobs render, again": 0.2}
FILE = """
- job-template:
    name: '{{name}}-{n}-build'
    scm: [git: {{url: 'https://git.example.com/{{name}}.git', branches: [main]}}]
    parameters: [string: {{name: VERSION, default: '1'}}]
    wrappers: [timeout: {{timeout: 10}}, timestamps]
    builders: [shell: 'make build {n}']
    publishers: [archive: {{artifacts: 'out/*.tar.gz'}}]
- job-template: {{name: '{{name}}-{n}-test', builders: [shell: 'make test {n}']}}
- project: {{name: p{n}, jobs: ['{{name}}-{n}-build', '{{name}}-{n}-test']}}
"""


def seconds(*words: str) -> tuple[float, float]:
    """How long a command takes by the clock, and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended, after = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="YAML files, of two jobs each")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
        for number in range(options.files):
            (Path(folder) / f"{number}.yaml").write_text(
                FILE.replace("{{", "{").replace("}}", "}").replace("{n}", str(number))
            )
        os.environ["XDG_CACHE_HOME"] = f"{out}/cache"
        render = (str(programs / "sluicegate"), "jobs", "render", folder, "--to", f"{out}/ours")
        commands = {
            "jenkins-jobs test": (str(programs / "jenkins-jobs"), "test", folder, "-o", f"{out}/theirs"),
            "run --plan --json": (str(programs / "sluicegate"), "run", folder, "--plan", "--json"),
            "run --list": (str(programs / "sluicegate"), "run", folder, "--list"),
            "jobs render, cold": render,
            "jobs render, again": render,
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            shutil.rmtree(f"{out}/cache", ignore_errors=True)
            for name, words in commands.items():
                taken[name].append(seconds(*words))
    medians = {name: [median(column) for column in zip(*pairs, strict=True)] for name, pairs in taken.items()}
    for name, (clock, worked) in medians.items():
        print(f"{name:<18} {clock:6.2f} s, {worked:6.2f} s of the processor")
    missed = False
    for name, goal in GOALS.items():
        for what, mine, peer in zip(("", " of processor"), medians[name], medians["jenkins-jobs test"], strict=True):
            print(f"ratio {name.replace(' --', '-')}{what} {mine / peer:.2f} goal <={goal}")
            missed |= mine / peer > goal
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
