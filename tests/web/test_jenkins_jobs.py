"""The ordinary `jenkins-jobs` command against the server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.web.conftest import Server

YAML = """
- job:
    name: jjb-one
    description: first
    builders: [shell: echo one]
- job:
    name: jjb-folder
    project-type: folder
- job:
    name: jjb-folder/inner
    builders: [shell: echo inner]
- job:
    name: jjb-raw
    builders:
      - raw: {xml: '<com.example.Nope plugin="nope@1"><a> kept </a></com.example.Nope>'}
- view:
    name: jjb-view
    view-type: list
    job-name: [jjb-one]
"""


def jenkins_jobs(server: Server, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    configuration = folder / "jjb.ini"
    configuration.write_text(
        f"[jenkins]\nurl={server.url}\nuser=jobs\npassword={server.password('jobs')}\nquery_plugins_info=True\n"
    )
    program = str(Path(sys.executable).parent / "jenkins-jobs")
    return subprocess.run(
        [program, "--conf", str(configuration), *words],
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_update_test_list_and_delete_work_twice_in_a_row(fresh: Server, tmp_path: Path) -> None:
    source = tmp_path / "jobs.yaml"
    source.write_text(YAML)
    listed = ["jjb-folder", "jjb-folder/inner", "jjb-one", "jjb-raw"]
    for _ in range(2):
        done = jenkins_jobs(fresh, tmp_path, "test", str(source), "--config-xml", "-o", str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
        for _ in range(2):
            done = jenkins_jobs(fresh, tmp_path, "--ignore-cache", "update", str(source))
            assert done.returncode == 0, done.stderr
        listing = jenkins_jobs(fresh, tmp_path, "list")
        assert sorted(listing.stdout.split()) == listed, listing.stderr
        kept = (fresh.home / "jobs" / "jjb-raw" / "config.xml").read_text()
        assert '<com.example.Nope plugin="nope@1">' in kept and "<a> kept </a>" in kept
        assert fresh.client().get_view_config("jjb-view").count("jjb-one") == 1
        done = jenkins_jobs(fresh, tmp_path, "delete", "jjb-one", "jjb-raw", "jjb-folder", "jjb-view")
        assert done.returncode == 0, done.stderr
        assert jenkins_jobs(fresh, tmp_path, "list").stdout.split() == []


def test_delete_old_removes_what_is_no_longer_written(fresh: Server, tmp_path: Path) -> None:
    source = tmp_path / "jobs.yaml"
    source.write_text(YAML)
    assert jenkins_jobs(fresh, tmp_path, "update", str(source)).returncode == 0
    fresh.client().create_job("by-hand", "<project/>")
    source.write_text("- job: {name: jjb-one}\n")
    done = jenkins_jobs(fresh, tmp_path, "update", "--delete-old", str(source))
    assert done.returncode == 0, done.stderr
    assert sorted(job["name"] for job in fresh.client().get_jobs()) == ["by-hand", "jjb-one"]
