"""The trusted Jenkins is asked as the configuration says, whatever the environment of a job has."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sluicegate.errors import Denied, NotFound, RemoteUnavailable, UsageError
from sluicegate.model.config import Jenkins
from sluicegate.tools import jenkins
from sluicegate.tools.credentials import Login, Secret
from tests.drivers.test_server import certificate, secure_server
from tests.parts import web_server

ASKED: list[tuple[str, str | None]] = []
BUILD: dict[str, object] = {"building": True, "actions": [{"causes": [{"userId": "anna"}]}]}
STATUS = {"status": 200}


class Build(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        ASKED.append((self.path, self.headers.get("Authorization")))
        content = json.dumps(BUILD).encode()
        self.send_response(STATUS["status"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    STATUS["status"] = 200
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


@pytest.mark.parametrize("said", [False, None, "true", 1])
def test_only_a_build_that_its_jenkins_says_is_building_runs(monkeypatch: pytest.MonkeyPatch, said: object) -> None:
    monkeypatch.setitem(BUILD, "building", said)
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
        with pytest.raises(RemoteUnavailable, match="a page instead of JSON"):  # it was reached
            jenkins.read_build(trusted(url, ca=str(pem)), f"{url}/job/approve/7/")
        with pytest.raises(UsageError, match="cannot be read"):
            jenkins.read_build(trusted(url, ca="/nowhere.pem"), f"{url}/job/approve/7/")


@pytest.mark.parametrize(("status", "error"), [(401, Denied), (403, Denied), (404, NotFound), (503, RemoteUnavailable)])
def test_each_refusal_is_told_as_what_it_is(status: int, error: type[Exception]) -> None:
    STATUS["status"] = status
    with web_server(Build) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(error):
            jenkins.read_build(trusted(url), f"{url}/job/approve/7/")
