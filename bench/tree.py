"""`run --plan --json`, `run --list` and `jobs render` over a tree of YAML files, against `jenkins-jobs test`.

`jobs render` cold has nothing kept; again, nothing has changed since.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/tree.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

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


def seconds(*words: str) -> float:
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="YAML files, of two jobs each")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
        for number in range(given.files):
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
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.rounds):
            shutil.rmtree(f"{out}/cache", ignore_errors=True)
            for name, words in commands.items():
                taken[name].append(seconds(*words))
    peer = median(taken["jenkins-jobs test"])
    ratios = {name: median(times) / peer for name, times in taken.items() if name in GOALS}
    for name, times in taken.items():
        print(f"{name:<18} {median(times):6.2f} s")
    for name, ratio in ratios.items():
        print(f"ratio {name.replace(' --', '-')} {ratio:.2f} goal <={GOALS[name]}")
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 1 if any(ratio > GOALS[name] for name, ratio in ratios.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
