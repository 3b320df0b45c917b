"""Trees that need jenkins-job-builder 4.3, rendered by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real
VERSIONS = ("jenkins-job-builder==4.3.0", "setuptools==65.7.0")  # it refuses to load beside a newer one


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that version and its setuptools; its other libraries are those of the newer one."""
    folder = tmp_path_factory.mktemp("old")
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*words, *VERSIONS], capture_output=True, text=True, check=False)
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder


def run(old: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(old)}
    argv = [sys.executable, "-m", "sluicegate", "run", *words]
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_a_tree_for_4_3_is_rendered_planned_and_run_with_4_3(old: Path, tmp_path: Path) -> None:
    # Version 5 and later formats a plain job's text too, and knows no other top-level keys.
    (tmp_path / "jobs.yaml").write_text(
        "- _anchors: {name: common, steps: &steps [{shell: 'x=1; echo from ${x}'}]}\n"
        "- job: {name: good, builders: *steps}\n- job: {name: bad, builders: [no-such-step]}\n"
    )
    assert "\nfrom 1\n" in run(old, "jobs.yaml", "good", cwd=tmp_path).stdout
    done = run(old, "jobs.yaml", "--plan", "--json", cwd=tmp_path)
    assert [json.loads(line)["job"] for line in done.stdout.splitlines()] == ["good"]
    assert done.returncode == 2 and "not rendered: job 'bad'" in done.stderr
