"""Jobs with the element mix and the options of public ones, really run: against two small repositories and stand-ins.

Each file of public_mix/ names the repositories whose mix it has; expected/ says what must come of its jobs. Those that
no other job of the file starts are started here, all at once.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from sluicegate.jjb import render
from sluicegate.runner import local, planning
from sluicegate.runner.records import Record
from sluicegate.runner.service import Runner
from sluicegate.runner.settings import Settings
from sluicegate.runner.vault import Credential
from tests.runner.conftest import ADMIN, until, wait_for

FOLDER = Path(__file__).parent / "public_mix"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
STAND_IN = "#!/bin/sh\necho stand-in of $0: $@\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Two repositories, and tools that only say how they were called."""
    place = tmp_path_factory.mktemp("world")
    for name in ("wheel", "axle"):
        _repository(place / "git" / f"{name}.git", name)
    for tool in ("mvn35/bin/mvn", "gradle7/bin/gradle", "path/forge"):
        path = place / "tools" / tool
        path.parent.mkdir(parents=True)
        path.write_text(STAND_IN)
        path.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{place}/tools/path{os.pathsep}{before}"
    yield Settings(
        env={"GIT_URL": str(place / "git"), "GOROOT": str(place)},
        tools={"maven": {"mvn35": str(place / "tools/mvn35")}, "gradle": {"gradle7": str(place / "tools/gradle7")}},
        files={
            "mill-netrc": "machine example.com\n",
            "mill-settings": "<settings/>\n",
            "global-settings": "<settings/>\n",
        },
        passwords={"MILL_PASSWORD": "hunter2222"},
    )
    os.environ["PATH"] = before


def _repository(bare: Path, name: str) -> None:
    work = bare.with_suffix("")
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(work))
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    (work / "README").write_text(f"first of {name}\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", f"first of {name}"], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)


def _credentials(key: str) -> list[Credential]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("inside.txt", "x")
    packed = base64.b64encode(archive.getvalue()).decode()
    return [
        Credential(id="mill-ssh", kind="ssh", user="git", secret=key),
        Credential(id="mill-ssh-user", kind="ssh", user="git", secret=key),
        Credential(id="mill-nexus", kind="user", user="keeper", secret="hunter22"),
        Credential(id="mill-token", kind="string", secret="t0ken-of-the-mill"),
        Credential(id="mill-kube", kind="file", file_name="kube", secret=base64.b64encode(b"kube").decode()),
        Credential(id="mill-zip", kind="file", file_name="some.zip", secret=packed),
    ]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A private key that an agent takes."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed")
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.read_text()


def _expected(name: str) -> Mapping[str, Mapping[str, Any]]:
    expectation: Mapping[str, Mapping[str, Any]] = yaml.safe_load((FOLDER / "expected" / f"{name}.yaml").read_text())
    return expectation


def _started_by_others(contents: Mapping[str, bytes]) -> set[str]:
    """The jobs that other jobs start, by call, as what comes after, or because they wait for them."""
    started: set[str] = set()
    for job, content in contents.items():
        root = ElementTree.fromstring(content)
        called = [root.iter(tag) for tag in ("projects", "childProjects", "jobName")]
        names = {name.strip() for texts in called for text in texts for name in (text.text or "").split(",")}
        started |= names - {job}
        upstream = [
            name.strip() for element in root.iter("upstreamProjects") for name in (element.text or "").split(",")
        ]
        if any(name in contents for name in upstream):
            started.add(job)
    return started


def _compare(record: Record, wanted: Mapping[str, Any]) -> None:
    log = record.log.read_text()
    assert record.result is not None and record.result.name == wanted["result"], log
    for text in wanted.get("log", ()):
        assert text in log, log
    for text in wanted.get("not_in_log", ()):
        assert text not in log, log
    if "artifacts" in wanted:
        files = [path for path in record.archive.rglob("*") if path.is_file()]
        assert sorted(path.relative_to(record.archive).as_posix() for path in files) == wanted["artifacts"], log
    for field in ("description", "display_name"):
        if field in wanted:
            assert getattr(record, field) == wanted[field], log


def test_at_least_forty_jobs_can_run_here() -> None:
    tree = render.tree([FOLDER])
    assert not tree.mistakes
    assessed = [planning.assess(name, tree.content(name), {"GIT_URL": "x"}) for name in tree.names]
    hindered = {assessment.job: assessment.reasons for assessment in assessed if not assessment.runnable}
    assert hindered == {
        "swh": ("<com.cloudbees.hudson.plugins.folder.Folder>: a folder is not built; build a job in it",)
    }
    assert len(assessed) > 40


def test_a_plan_notices_what_a_build_will_leave_out() -> None:
    tree = render.tree([FOLDER])
    notices = {name: planning.assess(name, tree.content(name), {}).notices for name in tree.names}
    skipped = {
        name: [text.partition(">")[0].rpartition(".")[2] for text in texts if " is skipped: " in text]
        for name, texts in notices.items()
    }
    assert skipped["lfit-maven-verify"] == ["FindBugsPublisher", "JacocoPublisher", "ExtendedEmailPublisher"]
    assert skipped["openstack-tarball"] == ["BapFtpPublisherPlugin"] and skipped["fuel-smoke"] == []
    assert (
        "the job asks for a node with the label 'prod': here is one node, which takes every job" in notices["odl-csit"]
    )
    assert any("--env GIT_URL=VALUE" in text for text in notices["opnfv-daily"])


@pytest.mark.parametrize("name", NAMES)
def test_jobs_do_what_their_organisation_expects(name: str, world: Settings, key: str, tmp_path: Path) -> None:
    contents = render.jobs(FOLDER / f"{name}.yaml")
    runner = Runner(tmp_path / "home", executors=6, settings=world)
    for credential in _credentials(key):
        runner.vault.store(credential)
    runner.start()
    try:
        items = {job: local.create(runner, job, content) for job, content in contents.items()}
        started = _started_by_others(contents)
        for job, item in items.items():
            if job not in started and not item.config.is_folder:
                runner.trigger(item, ADMIN, {}, 0)
        for job, wanted in _expected(name).items():
            _compare(wait_for(items[job]), wanted)
        until(lambda: not runner.busy)
    finally:
        runner.stop()


@pytest.mark.parametrize(("url", "noticed"), [("$BASE/x", True), ("/x/$JOB_NAME", False), ("/x/$PLACE", False)])
def test_only_variables_that_no_build_has_are_asked_for(url: str, noticed: bool) -> None:
    remote = f"<hudson.plugins.git.UserRemoteConfig><url>{url}</url></hudson.plugins.git.UserRemoteConfig>"
    scm = f'<scm class="hudson.plugins.git.GitSCM"><userRemoteConfigs>{remote}</userRemoteConfigs></scm>'
    assessed = planning.assess("j", f"<project>{scm}</project>".encode(), {"PLACE": "x"})
    assert any("--env" in text for text in assessed.notices) is noticed
