"""`check --jenkins`: each step that a Jenkins lacks is named, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from sluicegate.delivery.answers.readiness import Finding, check_jenkins
from sluicegate.model.config import After, Component, Config, Environment, Jenkins, Role
from sluicegate.tools import patience, restarts
from tests.jenkins_stub import JenkinsStub, Job, playing
from tests.parts import web_server

NAMES = ("COMPONENT", "VERSION", "TO", "ROLE", "WHY")
SEAL = Job(parameters=[{"name": name} for name in NAMES])
SUITE = Job(parameters=[{"name": name} for name in ("COMPONENT", "VERSION", "ENVIRONMENT", "ADDRESSES")])
AGENT = {"_class": "hudson.slaves.SlaveComputer", "displayName": "a1", "offline": False, "numExecutors": 2}
BUILT_IN = {"_class": "hudson.model.Hudson$MasterComputer", "displayName": "Built-In Node", "offline": False}
PLUGINS = [{"shortName": name, "active": True} for name in ("git", "junit", "credentials-binding")]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    monkeypatch.setattr(restarts, "PATIENCE", 0.05)
    monkeypatch.setenv("JENKINS_TOKEN", "t0ken")


def config(url: str) -> Config:
    integration = Environment(name="integration", groups=(), after=(After(name="regression", job="{component}-suite"),))
    return Config(
        repositories={},
        components={"auth": Component(name="auth", repository="releases", git="ssh://git@git/auth.git")},
        environments={"integration": integration},
        hosts={},
        groups={},
        roles={"qa": Role(name="qa", members=("anna",), jobs={"approve": ("fold/approve",)})},
        jenkins=Jenkins(url=url, user="ci", token_variable="JENKINS_TOKEN"),
    )


def findings_of(change: Callable[[JenkinsStub, dict[str, Any], str], None] | None = None, **jobs: Job) -> list[Finding]:
    """What is said of a Jenkins that lacks nothing but for what `change` takes away."""
    stub = JenkinsStub({"fold": Job(folder=True), "fold/approve": SEAL, "auth-suite": SUITE, **jobs}, closed=True)
    with playing(stub) as url:
        top = {"_class": "hudson.model.Hudson", "url": f"{url}/", "useSecurity": True}
        stub.extra |= {
            "/api/json": top,
            "/whoAmI/api/json": {"_class": "hudson.security.WhoAmI", "anonymous": False, "name": "ci"},
            "/pluginManager/api/json": {"plugins": PLUGINS},
            "/computer/api/json": {"computer": [{**BUILT_IN, "numExecutors": 0}, AGENT]},
        }
        if change:
            change(stub, top, url)
        return list(check_jenkins(config(url)))


def lacking(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, finding.todo) for finding in findings if finding.state == "missing"]


def test_a_jenkins_that_is_ready_lacks_nothing_and_says_what_cannot_be_seen() -> None:
    findings = findings_of()
    assert lacking(findings) == []
    (hook,) = [finding for finding in findings if finding.state == "unknown"]
    assert "notifyCommit takes a token" in hook.what and "&token=" in hook.todo


def without(stub: JenkinsStub, path: str, value: object) -> None:
    stub.extra[path] = value


STEPS: Mapping[str, tuple[Callable[[JenkinsStub, dict[str, Any], str], None], str, str]] = {
    "its address": (lambda stub, top, url: top.update(url=None), "no BUILD_URL", "set 'Jenkins URL' to http"),
    "another address": (lambda stub, top, url: top.update(url="http://ci/"), "calls itself http://ci,", "{url: http://ci}"),
    "security": (lambda stub, top, url: top.update(useSecurity=False), "anybody may do everything", "realm"),
    "a plugin": (
        lambda stub, top, url: without(stub, "/pluginManager/api/json", {"plugins": PLUGINS[::2]}),
        "plugin junit is not active", "install junit",
    ),
    "agents": (
        lambda stub, top, url: without(stub, "/computer/api/json", {"computer": [{**AGENT, "offline": True}]}),
        "no agent is online", "add one",
    ),
    "the user": (
        lambda stub, top, url: without(stub, "/whoAmI/api/json", {"anonymous": True, "name": "anonymous"}),
        "takes us for anonymous", "'user' and its token",
    ),
    "the token": (lambda stub, top, url: without(stub, "/whoAmI/api/json", 403), "refused the user 'ci'", "API token"),
    "a job": (
        lambda stub, top, url: without(stub, "/job/auth-suite/api/json", 404), "auth-suite, after", "jenkins-jobs",
    ),
    "a folder": (
        lambda stub, top, url: without(stub, "/job/auth-suite/api/json", {"_class": "x.Folder"}), "is a folder", "/JOB",
    ),
    "parameters": (
        lambda stub, top, url: without(stub, "/job/fold/job/approve/api/json", {"_class": "FreeStyleProject"}),
        "has no parameter COMPONENT, VERSION, TO, ROLE", "declare them",
    ),
    "a disabled job": (
        lambda stub, top, url: without(stub, "/job/auth-suite/api/json", {"buildable": False}),
        "cannot be built", "enable",
    ),
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_is_missing_is_named_with_what_to_do(step: str) -> None:
    change, what, todo = STEPS[step]
    ((finding, advice),) = lacking(findings_of(change))
    assert what in finding and todo in advice


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/job/auth-suite/api/json", "the job auth-suite, after an installation in integration, cannot be asked for"),
        ("/pluginManager/api/json", "its plugins cannot be asked for"),
        ("/computer/api/json", "its agents cannot be asked for"),
    ],
)
def test_a_page_that_fails_is_not_taken_for_one_that_is_not_there(path: str, what: str) -> None:
    findings = findings_of(lambda stub, top, url: without(stub, path, 500))
    assert lacking(findings) == []
    (unknown,) = [
        finding.what for finding in findings if finding.state == "unknown" and "notifyCommit" not in finding.what
    ]
    assert unknown.startswith(what) and unknown.endswith(f"{path} answered with status 500")


@pytest.mark.parametrize("odd", [[None, 5, {}], "x", [{"parameterDefinitions": [None]}, {"parameterDefinitions": "x"}]])
def test_lists_of_something_else_are_no_fault_of_ours(odd: object) -> None:
    """An older Jenkins has null in place of what it does not export."""

    def change(stub: JenkinsStub, top: dict[str, Any], url: str) -> None:
        without(stub, "/pluginManager/api/json", {"plugins": odd})
        without(stub, "/computer/api/json", {"computer": odd})
        without(stub, "/job/fold/job/approve/api/json", {"property": odd})

    findings = findings_of(change)
    assert any("has no parameter COMPONENT, VERSION, TO, ROLE" in what for what, _ in lacking(findings))


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", f"https://ci.example.com/jenkins{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


def test_a_jenkins_that_lives_elsewhere_by_now_is_named_with_its_new_address() -> None:
    """As http:// before a proxy that speaks TLS."""
    with web_server(_Elsewhere) as port:
        url = f"http://127.0.0.1:{port}"
        ((finding, advice),) = lacking(list(check_jenkins(config(url))))
    assert finding == f"{url} leads on to https://ci.example.com/jenkins"
    assert "set 'jenkins: {url: https://ci.example.com/jenkins}'" in advice


def test_a_jenkins_below_a_path_and_one_that_is_down_are_named() -> None:
    with playing(JenkinsStub({}, context="/jenkins")) as url:
        ((finding, advice),) = lacking(list(check_jenkins(config(url.removesuffix("/jenkins")))))
    assert "not the root of a Jenkins" in finding and url in advice
    ((finding, advice),) = lacking(list(check_jenkins(config("http://127.0.0.1:9"))))
    assert "127.0.0.1:9" in finding and "correct 'url'" in advice
    ((finding, _),) = lacking(list(check_jenkins(replace(config(url), jenkins=None))))
    assert "names no Jenkins" in finding


def test_a_source_on_the_controller_and_an_unset_token_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    local = Component(name="auth", repository="releases", git="/srv/git/auth.git")
    with playing(JenkinsStub({}, extra={"/whoAmI/api/json": {"name": "ci"}})) as url:
        findings = lacking(list(check_jenkins(replace(config(url), components={"auth": local}))))
    assert any("/srv/git/auth.git, which Jenkins refuses" in what for what, _ in findings)
    monkeypatch.delenv("JENKINS_TOKEN")
    ((what, _),) = lacking(list(check_jenkins(config(url))))
    assert "JENKINS_TOKEN is not set" in what
