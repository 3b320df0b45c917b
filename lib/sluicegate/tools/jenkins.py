"""What a job step asks of the Jenkins that runs it: who started this build, and start that job."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from sluicegate.errors import Denied, NotFound, RemoteUnavailable, SluicegateError, UnknownName, UsageError
from sluicegate.model.config import Jenkins
from sluicegate.model.jobs import path_of
from sluicegate.model.numbers import whole
from sluicegate.model.values import Json
from sluicegate.tools import http
from sluicegate.tools.credentials import Login, Secret

if TYPE_CHECKING:
    import requests

TREE = "url,building,actions[causes[userId,upstreamProject,upstreamBuild],parameters[name,value]]"
LONGEST_CHAIN = 20
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build as its Jenkins tells of it.

    `users` are the people in its chain of causes; `direct` those who started this very build.
    """

    url: str
    job: str
    building: bool
    parameters: Mapping[str, str]
    users: frozenset[str]
    direct: frozenset[str]


def read_build(jenkins: Jenkins, url: str) -> Build:
    """Read a build, and up the chain of upstream causes who started it."""
    job, number = _place(jenkins, url)
    value = _read(jenkins, job, number)
    parameters = {
        str(one["name"]): str(one.get("value", ""))
        for action in value.get("actions", [])
        for one in action.get("parameters") or []
        if "name" in one
    }
    return Build(
        url=url,
        job=job,
        building=value.get("building") is True,
        parameters=parameters,
        users=frozenset(_users(jenkins, value, LONGEST_CHAIN)),
        direct=frozenset(str(cause["userId"]) for cause in _causes(value) if cause.get("userId")),
    )


def start_job(jenkins: Jenkins, job: str, parameters: Mapping[str, str]) -> str:
    """Queue a job with parameters; the address of its place in the queue."""
    url = f"{jenkins.url}/{path_of(job)}buildWithParameters"
    answer = http.post(url, parameters, login=_login(jenkins), timeout=TIMEOUT, session=_session(jenkins))
    _check(jenkins, answer)
    if answer.status == 404:
        raise UnknownName(f"{jenkins.url} has no job '{job}'", hint="jenkins-jobs update makes the jobs")
    if answer.status not in (200, 201, 303):
        said = answer.headers.get("X-Error") or f"status {answer.status}"
        raise SluicegateError(f"{jenkins.url} did not start the job '{job}': {said}")
    return answer.headers.get("Location", "")


def _causes(build: Json) -> list[Json]:
    return [cause for action in build.get("actions", []) for cause in action.get("causes") or []]


def _users(jenkins: Jenkins, build: Json, left: int) -> set[str]:
    found: set[str] = set()
    for cause in _causes(build):
        if cause.get("userId"):
            found.add(str(cause["userId"]))
        if cause.get("upstreamProject") and left:
            above = _read(jenkins, str(cause["upstreamProject"]), str(cause.get("upstreamBuild")))
            found |= _users(jenkins, above, left - 1)
    return found


def _place(jenkins: Jenkins, url: str) -> tuple[str, str]:
    """Job and number of a build's URL, which must be one of the Jenkins that the configuration names."""
    if not url.startswith(f"{jenkins.url}/job/"):
        raise UsageError(
            f"BUILD_URL is {url}, but the delivery repo trusts {jenkins.url}",
            hint="set 'jenkins: {url: ...}' in sluicegate.yaml to the address that Jenkins gives its builds",
        )
    parts = url.removeprefix(f"{jenkins.url}/").strip("/").split("/")
    names, number = parts[1:-1:2], parts[-1]
    if len(parts) % 2 == 0 or set(parts[0:-1:2]) != {"job"} or whole(number, least=1) is None:
        raise UsageError(f"BUILD_URL is {url}, which is no build's address")
    return "/".join(unquote(name) for name in names), number


def _read(jenkins: Jenkins, job: str, number: str) -> Json:
    url = f"{jenkins.url}/{path_of(job)}{quote(number, safe='')}/api/json"
    answer = http.get(f"{url}?tree={quote(TREE)}", login=_login(jenkins), timeout=TIMEOUT, session=_session(jenkins))
    _check(jenkins, answer)
    if answer.status == 404:
        raise NotFound(f"{url} does not exist", hint=f"may the user '{jenkins.user}' read that job?")
    if answer.status != 200:
        raise SluicegateError(f"{url} answered with status {answer.status}")
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RemoteUnavailable(f"{url} answered with a page instead of JSON; is it a login page?")
    return value


def _check(jenkins: Jenkins, answer: http.Answer) -> None:
    """Wrong credentials, a login page, a Jenkins that is not ready."""
    to_login = answer.status in (301, 302, 307) and "login" in answer.headers.get("Location", "")
    if answer.status in (401, 403) or to_login:
        raise Denied(
            f"{jenkins.url} refused the user '{jenkins.user}' (status {answer.status})",
            hint=f"set {jenkins.token_variable} to an API token of that user",
        )
    if answer.status >= 500:
        raise RemoteUnavailable(f"{jenkins.url} answered with status {answer.status}; it may still be starting")


def _session(jenkins: Jenkins) -> requests.Session:
    """A session that takes nothing from the environment, which belongs to the job whose word is being checked."""
    from sluicegate.tools import sessions

    return sessions.made(jenkins.url, tries=1, environment=False, ca=jenkins.ca, proxy=jenkins.proxy)


def _login(jenkins: Jenkins) -> Login | None:
    if not jenkins.user:
        return None
    token = os.environ.get(jenkins.token_variable, "")
    if not token:
        raise UsageError(
            f"the variable {jenkins.token_variable} is not set, so {jenkins.url} cannot be asked",
            hint="bind the API token in the job, for example with the credentials binding",
        )
    return Login(jenkins.user, Secret(token))
