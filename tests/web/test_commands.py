"""`run` and `trigger` as programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import answering, web_server
from tests.runner.conftest import shell
from tests.web.conftest import PROGRAM, ROOT, Server, command, until

YAML = """
- job:
    name: hello
    parameters:
      - string: {name: WHO, default: world}
    builders:
      - shell: {command: 'echo "hello $WHO"; exit ${{STATUS:-0}}', unstable-return: 3}
- job:
    name: yellow
    builders: [shell: {command: exit 3, unstable-return: 3}]
- job:
    name: red
    builders: [shell: exit 7]
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.yaml"
    path.write_text(YAML)
    return path


@pytest.mark.parametrize(("job", "status"), [("hello", 0), ("yellow", 3), ("red", 1)])
def test_run_ends_with_the_result_of_the_job(jobs: Path, job: str, status: int) -> None:
    done = command("run", str(jobs), job)
    assert done.returncode == status, done.stderr
    assert "Finished: " in done.stdout


def test_run_takes_parameters_literally(jobs: Path) -> None:
    done = command("run", str(jobs), "hello", "-p", "WHO=@/etc/passwd $(id)")
    assert done.returncode == 0 and "hello @/etc/passwd $(id)\n" in done.stdout
    assert command("run", str(jobs), "hello", "-p", "NOPE=1").returncode == 2


def test_run_plan_runs_nothing(jobs: Path) -> None:
    done = command("run", str(jobs), "hello", "--plan")
    assert done.returncode == 0 and "build:  /bin/sh -xe: echo" in done.stdout and "Finished" not in done.stdout


def test_run_names_the_jobs_when_there_are_several(jobs: Path) -> None:
    done = command("run", str(jobs))
    assert done.returncode == 2 and "hello, red, yellow" in done.stderr


def test_yaml_that_does_not_render_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("- job:\n    name: bad\n    builders: [no-such-builder]\n")
    done = command("run", str(path))
    assert done.returncode == 2
    assert "bad.yaml:1" in done.stderr and "no-such-builder" in done.stderr
    path.write_text("- job: [")
    assert command("run", str(path)).returncode == 2


def test_run_takes_a_config_xml(tmp_path: Path) -> None:
    path = tmp_path / "config.xml"
    path.write_bytes(shell("echo from xml"))
    assert "from xml" in command("run", str(path)).stdout


def test_an_interrupted_run_ends_its_processes(tmp_path: Path) -> None:
    path = tmp_path / "config.xml"
    path.write_bytes(shell(f"echo $$ > {tmp_path}/pid; sleep 60"))
    running = subprocess.Popen([*PROGRAM, "run", str(path)], cwd=ROOT, stdout=subprocess.DEVNULL)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_trigger_follows_a_job_and_ends_with_its_result(server: Server, name: str) -> None:
    client, env = server.client(), {"JENKINS_TOKEN": server.token("anna")}
    words = ("--url", server.url, "--user", "anna")
    definition = (
        "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
        "<hudson.model.StringParameterDefinition><name>CODE</name><defaultValue>0</defaultValue>"
        "</hudson.model.StringParameterDefinition></parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>"
    )
    client.create_job(name, shell("echo working; sleep 0.3; exit $CODE", more=definition).decode())
    done = command("trigger", name, *words, env=env)
    assert done.returncode == 0, done.stderr
    assert "Started by user anna" in done.stdout and done.stdout.endswith("Finished: SUCCESS\n")
    assert f"{server.url}job/{name}/1/" in done.stderr
    assert command("trigger", name, "-p", "CODE=1", *words, env=env).returncode == 1
    unknown = command("trigger", name, "-p", "NOPE=1", *words, env=env)
    assert unknown.returncode == 2 and "CODE" in unknown.stderr


def test_trigger_tells_clearly_what_is_wrong(server: Server, name: str) -> None:
    words = ("--url", server.url, "--user", "anna")
    wrong = command("trigger", name, *words, env={"JENKINS_TOKEN": "wrong"})
    assert wrong.returncode == 1 and "wrong token" in wrong.stderr and "wrong\n" not in wrong.stderr
    missing = command("trigger", name, *words, env={"JENKINS_TOKEN": server.token("anna")})
    assert missing.returncode == 2 and "does not exist" in missing.stderr
    down = command("trigger", name, "--url", "http://127.0.0.1:1")
    assert down.returncode == 5 and "cannot be reached" in down.stderr
    assert command("trigger", name, "--url", "nonsense").returncode == 2


def test_a_login_page_instead_of_a_jenkins_is_named() -> None:
    with web_server(answering(b"<html><form><input name=j_username></form></html>")) as port:
        done = command("trigger", "job", "--url", f"http://127.0.0.1:{port}/")
    assert done.returncode == 5 and "answered with a login page" in done.stderr


def test_a_library_without_jobs_is_told(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "sluicegate", "jobs", "check", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "holds no job" in done.stderr) == (2, True), done.stderr


def test_check_asks_our_own_server_what_it_lacks(server: Server, tmp_path: Path) -> None:
    url = server.url.rstrip("/")
    content = f"""
jenkins: {{url: {url}, user: anna, token: {{env: JENKINS_TOKEN}}}}
repositories: {{releases: {{driver: directory, path: {tmp_path}/releases}}}}
components: {{auth: {{repository: releases, git: "ssh://git@git/auth.git"}}}}
roles: {{qa: {{members: [anna], jobs: {{approve: [approve]}}}}}}
"""
    (tmp_path / "sluicegate.yaml").write_text(content)
    assert command("init", str(tmp_path / "d"), "--config", str(tmp_path / "sluicegate.yaml")).returncode == 0
    done = command("-C", str(tmp_path / "d"), "check", "--jenkins", env={"JENKINS_TOKEN": server.token("anna")})
    assert done.returncode == 2, done.stderr
    assert f"at {url}; the user 'anna' logs in" in done.stdout and f"it knows its own address, {url}/" in done.stdout
    assert "well     plugins: git, junit" in done.stdout
    assert "missing  the job approve, the role qa (approve), is not there\n         make it" in done.stdout
