"""Jobs that direct a real delivery repo: who is behind a build, and a build that dies in the middle of its work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from sluicegate.model.values import Json
from tests.parts import app_files, free_port, tar
from tests.runner.conftest import shell
from tests.web.conftest import Server, ended, serving, until

CONFIG = """
jenkins: {{url: "{url}", user: ci, token: {{env: JENKINS_TOKEN}}}}
repositories: {{releases: {{driver: directory, path: "{root}/releases"}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
roles: {{qa: {{members: [anna], jobs: {{approve: [approve]}}}}}}
hosts:
  int1: {{driver: local, folder: "{root}/hosts/int1", ports: {{auth: {ports[0]}}}}}
  test1: {{driver: local, folder: "{root}/hosts/test1", ports: {{auth: {ports[1]}}}}}
groups: {{int: [int1], test: [test1]}}
environments:
  integration: {{follow: latest, hosts: int, deploy: {{driver: archive}}}}
  training:
    from: integration
    gates: [{{approval: {{role: qa}}}}]
    hosts: test
    deploy: {{driver: archive}}
"""
SEAL = {"COMPONENT": "auth", "VERSION": "1.0.0", "TO": "training", "ROLE": "qa"}
DEFINITION = (
    "<hudson.model.StringParameterDefinition><name>{}</name><defaultValue/></hudson.model.StringParameterDefinition>"
)
PARAMETERS = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>{}</parameterDefinitions>"
    "</hudson.model.ParametersDefinitionProperty></properties>"
)
PASS_ON = """<hudson.plugins.parameterizedtrigger.BuildTrigger><configs>
<hudson.plugins.parameterizedtrigger.BuildTriggerConfig><configs>
<hudson.plugins.parameterizedtrigger.PredefinedBuildParameters><properties>{properties}</properties>
</hudson.plugins.parameterizedtrigger.PredefinedBuildParameters></configs><projects>{job}</projects>
<condition>ALWAYS</condition></hudson.plugins.parameterizedtrigger.BuildTriggerConfig></configs>
</hudson.plugins.parameterizedtrigger.BuildTrigger>"""


@dataclass
class Organisation:
    """A build server, and a delivery repo that trusts it; auth 1.0.0 is published."""

    server: Server
    root: Path

    @property
    def repo(self) -> str:
        return str(self.root / "delivery.git")

    def sluicegate(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sluicegate", "-C", self.repo, *words], capture_output=True, text=True, cwd=self.root
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, version: str, files: dict[str, str]) -> None:
        self.sluicegate("publish", f"auth={version}", str(tar(self.root / f"auth-{version}.tar.gz", files)))

    def job(
        self, name: str, command: str, *, parameters: tuple[str, ...] = (), quiet: int = 0, after: str = ""
    ) -> None:
        """A job whose step may call sluicegate; `after` are publishers."""
        step = f"export JENKINS_TOKEN={self.server.token('ci')}\n{command}"
        defined = PARAMETERS.format("".join(map(DEFINITION.format, parameters)))
        content = shell(step, more=defined if parameters else "", quiet=quiet, publishers=after)
        self.server.client().create_job(name, content.decode())

    def approve_job(self, *, quiet: int = 0, before: str = "") -> None:
        words = '"$COMPONENT=$VERSION" --to "$TO" --as "$ROLE"'
        command = f"{before}\n{sys.executable} -m sluicegate -C {self.repo} approve {words}"
        self.job("approve", command, parameters=tuple(SEAL), quiet=quiet)

    def console(self, job: str, number: int = 1) -> tuple[str, str]:
        """The result of a build that has ended, and what it said."""
        client = self.server.client()
        info = ended(client, job, number)
        return str(info["result"]), client.get_build_console_output(job, number)

    def approvals(self) -> list[Json]:
        story = json.loads(self.sluicegate("history", "auth", "--json"))
        return [record for record in story if record["what"] == "approval"]


@pytest.fixture
def organisation(tmp_path: Path) -> Iterator[Organisation]:
    for host in ("int1", "test1"):
        (tmp_path / "hosts" / host).mkdir(parents=True)
    options = ("--port", str(free_port()), "--user", "olle", "--user", "ci")  # the same port after a restart
    options += ("--isolation", "none")  # what a job starts on the hosts of this machine outlives it
    with serving(tmp_path / "home", *options) as server:
        prepared = Organisation(server, tmp_path)
        subprocess.run([sys.executable, "-m", "sluicegate", "init", "--bare", prepared.repo], check=True)
        work = tmp_path / "work"
        subprocess.run(["git", "clone", "-q", prepared.repo, str(work)], check=True)
        text = CONFIG.format(url=server.url.rstrip("/"), root=tmp_path, ports=[free_port(), free_port()])
        (work / "sluicegate.yaml").write_text(text)
        subprocess.run(["git", "-C", str(work), "commit", "-qam", "Ours"], check=True)
        subprocess.run(["git", "-C", str(work), "push", "-q"], check=True)
        yield prepared
        subprocess.run(["pkill", "-f", str(tmp_path / "hosts")], check=False)


FORGED = {"BUILD_USER": "anna", "BUILD_USER_ID": "anna", "USER": "anna", "GIT_AUTHOR_NAME": "anna", "userId": "anna"}


def relay(organisation: Organisation, name: str, to: str, values: dict[str, str]) -> None:
    """A job that passes parameters on to another."""
    properties = escape("\n".join(f"{key}={value}" for key, value in values.items()))
    organisation.job(name, "true", parameters=tuple(values), after=PASS_ON.format(properties=properties, job=to))


def test_a_seal_is_of_who_started_that_very_build(organisation: Organisation) -> None:
    organisation.publish("1.0.0", app_files("1.0.0"))
    organisation.approve_job()
    organisation.server.client("anna").build_job("approve", SEAL | {"BUILD_USER": "rita"})
    result, log = organisation.console("approve")
    assert result == "SUCCESS", log
    (seal,) = organisation.approvals()
    assert (seal["by"]["user"], seal["by"]["verified"]) == ("anna", True)
    assert seal["by"]["source"] == f"{organisation.server.url}job/approve/1/"


@pytest.mark.parametrize("person", ["anna", "olle"])
def test_a_chain_of_jobs_lends_nobodys_name_to_a_seal(organisation: Organisation, person: str) -> None:
    """Mallory's job starts `approve` with parameters of hers, and anna starts that job and does not know."""
    organisation.publish("1.0.0", app_files("1.0.0"))
    organisation.approve_job()
    relay(organisation, "second", "approve", SEAL | FORGED)
    relay(organisation, "first", "second", SEAL | FORGED)
    organisation.server.client(person).build_job("first", SEAL | FORGED)
    result, log = organisation.console("approve")
    assert 'Started by upstream project "second" build number 1' in log
    assert result == "FAILURE"
    assert "it takes one person who started this very build, and there is nobody" in log
    assert organisation.approvals() == []


def test_a_build_that_rejects_is_no_proof_of_an_approval(organisation: Organisation) -> None:
    """anna's rejection runs; its parameters are those of an approval, and somebody else speaks in its name."""
    organisation.publish("1.0.0", app_files("1.0.0"))
    words = '"$COMPONENT=$VERSION" --to "$TO" --as "$ROLE"'
    command = f"{sys.executable} -m sluicegate -C {organisation.repo} approve {words}"
    organisation.job("reject", command, parameters=tuple(SEAL))
    organisation.server.client("anna").build_job("reject", SEAL)
    result, log = organisation.console("reject")
    assert result == "FAILURE"
    assert "the job 'reject' is not one that may approve in the role: approve" in log
    assert organisation.approvals() == []


def test_a_stranger_behind_a_proxy_does_not_answer_for_the_trusted_jenkins(organisation: Organisation) -> None:
    organisation.publish("1.0.0", app_files("1.0.0"))
    organisation.approve_job(before="export http_proxy=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 no_proxy=")
    organisation.server.client("anna").build_job("approve", SEAL)
    result, log = organisation.console("approve")
    assert result == "SUCCESS", log


def annas_other_seal(organisation: Organisation) -> Path:
    """auth 1.0.0 is published, and a build in which anna approves 0.9.0 runs until the file that is returned exists."""
    organisation.publish("1.0.0", app_files("1.0.0"))
    go = organisation.root / "go"
    organisation.approve_job(before=f"while [ ! -e {go} ]; do sleep 0.1; done")
    organisation.server.client("anna").build_job("approve", SEAL | {"VERSION": "0.9.0"})
    until(lambda: organisation.server.client().get_job_info("approve")["builds"])
    return go


def test_the_address_of_another_build_as_a_parameter_does_not_lend_its_person(organisation: Organisation) -> None:
    go = annas_other_seal(organisation)
    hers = f"{organisation.server.url}job/approve/1/"
    organisation.server.client("olle").build_job("approve", SEAL | {"BUILD_URL": hers})
    go.touch()
    result, log = organisation.console("approve", 2)
    assert result == "FAILURE" and "olle is not in the role 'qa'" in log
    assert organisation.approvals() == []


def test_a_job_of_ones_own_cannot_carry_the_seal_in_the_name_of_a_build_that_says_something_else(
    organisation: Organisation,
) -> None:
    go = annas_other_seal(organisation)
    command = f"{sys.executable} -m sluicegate -C {organisation.repo} approve auth=1.0.0 --to training --as qa"
    organisation.job("mine", command)
    organisation.job("taken", f"export BUILD_URL={organisation.server.url}job/approve/1/\n{command}")
    for name in ("mine", "taken"):
        organisation.server.client("olle").build_job(name)
    result, log = organisation.console("mine")
    assert result == "FAILURE" and "the job 'mine' is not one that may approve in the role" in log
    result, log = organisation.console("taken")
    assert result == "FAILURE" and "the build's parameter VERSION is '0.9.0', not '1.0.0'" in log
    go.touch()
    organisation.console("approve")
    assert organisation.approvals() == []


def test_two_people_behind_one_build_are_nobodys_seal(organisation: Organisation) -> None:
    organisation.publish("1.0.0", app_files("1.0.0"))
    organisation.approve_job(quiet=3)
    organisation.server.client("anna").build_job("approve", SEAL)
    organisation.server.client("olle").build_job("approve", SEAL)
    result, log = organisation.console("approve")
    assert result == "FAILURE"
    assert "it takes one person who started this very build, and there is anna, olle" in log
    assert organisation.approvals() == []


def test_a_server_killed_in_the_middle_of_a_sync_is_mended_by_the_next_build(organisation: Organisation) -> None:
    started, go = organisation.root / "started", organisation.root / "go"
    slow = f"sh -c 'touch {started}; while [ ! -e {go} ]; do sleep 0.1; done; exec {sys.executable} app.py'"
    organisation.publish("1.0.0", app_files("1.0.0", slow))
    organisation.job("integration-sync", f"{sys.executable} -m sluicegate -C {organisation.repo} sync integration")
    client = organisation.server.client("olle")
    client.build_job("integration-sync")
    until(started.exists, 30)
    organisation.server.kill()
    organisation.server.start()
    result, log = organisation.console("integration-sync")
    assert result == "ABORTED", log
    go.touch()
    organisation.server.client("olle").build_job("integration-sync")
    result, log = organisation.console("integration-sync", 2)
    assert result == "SUCCESS", log
    assert "integration: finishing 'deploy' by olle since" in log
    (cell,) = effective(organisation)
    assert cell == {"pin": "1.0.0", "effective": "1.0.0", "marks": []}
    organisation.server.client("olle").build_job("integration-sync")
    assert "integration: nothing to do" in organisation.console("integration-sync", 3)[1]


def effective(organisation: Organisation) -> list[dict[str, Any]]:
    status = json.loads(organisation.sluicegate("status", "--json"))
    return [row["environments"]["integration"] for row in status["components"]]
