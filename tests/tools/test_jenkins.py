"""The trusted Jenkins is asked as the configuration says, whatever the environment of a job has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluicegate.errors import Denied, NotFound, RemoteUnavailable, SluicegateError, UnknownName, UsageError
from sluicegate.model.config import Jenkins
from sluicegate.tools import jenkins, patience, restarts
from sluicegate.tools.credentials import Login, Secret
from tests.jenkins_stub import JenkinsStub, Job, playing
from tests.parts import Replying, web_server
from tests.tools.test_server import certificate, secure_server

ASKED: list[tuple[str, str | None]] = []
BUILD: dict[str, object] = {"building": True, "actions": [{"causes": [{"userId": "anna"}]}]}
STATUS = {"status": 200}


class Build(Replying):
    def do_GET(self) -> None:
        ASKED.append((self.path, self.headers.get("Authorization")))
        self.reply(json.dumps(BUILD).encode(), STATUS["status"])


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    STATUS["status"] = 200
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    monkeypatch.setenv("JENKINS_TOKEN", "t0ken")


def trusted(url: str, **more: str) -> Jenkins:
    return Jenkins(url=url, user="ci", token_variable="JENKINS_TOKEN", **more)


def test_neither_proxies_nor_a_netrc_of_the_job_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password x\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with web_server(Build) as port:
        url = f"http://127.0.0.1:{port}"
        assert jenkins.read_build(trusted(url), f"{url}/job/approve/7/").users == {"anna"}
    assert [login for _, login in ASKED] == [Login("ci", Secret("t0ken")).basic()]


@pytest.mark.parametrize("building", [False, None, "true", 1])
def test_only_a_build_that_its_jenkins_says_is_building_runs(monkeypatch: pytest.MonkeyPatch, building: object) -> None:
    monkeypatch.setitem(BUILD, "building", building)
    with web_server(Build) as port:
        url = f"http://127.0.0.1:{port}"
        assert not jenkins.read_build(trusted(url), f"{url}/job/approve/7/").building


def test_the_proxy_of_the_configuration_counts() -> None:
    with web_server(Build) as port:
        url = "http://jenkins.invalid"
        assert jenkins.read_build(trusted(url, proxy=f"http://127.0.0.1:{port}"), f"{url}/job/approve/7/").building
    assert ASKED[0][0].startswith("http://jenkins.invalid/job/approve/7/api/json")


def test_authorities_come_from_the_configuration_and_never_from_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, 10)
    with secure_server(pem) as url:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(pem))
        with pytest.raises(RemoteUnavailable, match="is not trusted"):
            jenkins.read_build(trusted(url), f"{url}/job/approve/7/")
        with pytest.raises(Denied, match="a page instead of JSON"):  # it was reached
            jenkins.read_build(trusted(url, ca=str(pem)), f"{url}/job/approve/7/")
        with pytest.raises(UsageError, match="cannot be read"):
            jenkins.read_build(trusted(url, ca="/nowhere.pem"), f"{url}/job/approve/7/")


@pytest.mark.parametrize(("status", "error"), [(401, Denied), (403, Denied), (404, NotFound), (503, RemoteUnavailable)])
def test_each_refusal_is_told_as_what_it_is(
    status: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "PATIENCE", 0.05)
    STATUS["status"] = status
    with web_server(Build) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(error):
            jenkins.read_build(trusted(url), f"{url}/job/approve/7/")


VERSION = {"name": "VERSION", "type": "StringParameterDefinition"}
RESTART = [0, 503, 503, 401, 401, 503, 404]


def test_who_did_it_is_read_when_a_restart_is_over() -> None:
    stub = JenkinsStub({"approve": Job()}, spells=list(RESTART))
    with playing(stub) as url:
        assert jenkins.read_build(trusted(url), f"{url}/job/approve/1/").building
    assert not stub.spells


def test_a_wrong_token_is_told_at_once() -> None:
    stub = JenkinsStub({"approve": Job()}, spells=[401], login_up=True)
    with playing(stub) as url, pytest.raises(Denied):
        jenkins.read_build(trusted(url), f"{url}/job/approve/1/")


def test_whoever_only_looks_does_not_wait_for_a_restart() -> None:
    stub = JenkinsStub({"approve": Job()}, spells=[503, 503])
    with playing(stub) as url, pytest.raises(RemoteUnavailable):
        jenkins.read_build(trusted(url), f"{url}/job/approve/1/", patient=False)
    assert stub.spells == [503]


def test_a_job_is_started_once_though_jenkins_restarts() -> None:
    stub = JenkinsStub({"suite": Job(parameters=[VERSION])}, spells=[500, 503, 401, 401, 503])
    with playing(stub) as url:
        assert "queue/item" in jenkins.start_job(trusted(url), "suite", {"VERSION": "1"})
    assert stub.jobs["suite"].started == [{"VERSION": "1"}]


def test_an_error_of_jenkins_starts_a_job_no_second_time() -> None:
    stub = JenkinsStub({"suite": Job(parameters=[VERSION])}, spells=[500])
    with playing(stub) as url, pytest.raises(SluicegateError, match="status 500") as broken:
        jenkins.start_job(trusted(url), "suite", {"VERSION": "1"})
    assert broken.value.exit_code == 1 and not stub.jobs["suite"].started


@pytest.mark.parametrize(
    ("job", "error", "message", "hint"),
    [
        ("plain", UsageError, "'plain' .*has no parameters", "declare VERSION"),
        ("fold", UsageError, "'fold' is a folder", "fold/JOB"),
        ("off", SluicegateError, "it is disabled", ""),
        ("none", UnknownName, "has no job 'none'", "FOLDER/none"),
    ],
)
def test_what_cannot_be_started_says_what_it_is(
    job: str, error: type[SluicegateError], message: str, hint: str
) -> None:
    off = Job(parameters=[VERSION], buildable=False)
    stub = JenkinsStub({"plain": Job(), "fold": Job(folder=True), "off": off, "fold/suite": Job(parameters=[VERSION])})
    with playing(stub) as url, pytest.raises(error, match=message) as refused:
        jenkins.start_job(trusted(url), job, {"VERSION": "1"})
    assert hint in refused.value.hint
    with playing(stub) as url:
        assert jenkins.start_job(trusted(url), "fold/suite", {"VERSION": "1"})


def test_a_context_path_that_is_missing_is_named() -> None:
    with playing(JenkinsStub({"suite": Job()}, context="/jenkins")) as url:
        top = url.removesuffix("/jenkins")
        with pytest.raises(UnknownName, match="not the root of a Jenkins") as refused:
            jenkins.start_job(trusted(top), "suite", {})
        assert f"url: {url}" in refused.value.hint
        with pytest.raises(UsageError, match="trusts") as distrusted:
            jenkins.read_build(trusted(top), f"{url}/job/approve/1/")
        assert f"url: {url}}}" in distrusted.value.hint
