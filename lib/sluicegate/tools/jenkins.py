"""What a job step asks of the Jenkins that runs it: who started this build, and start that job."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from sluicegate.errors import (
    Denied,
    NotFound,
    RemoteUnavailable,
    Restarting,
    ServerError,
    SluicegateError,
    UnknownName,
    UsageError,
)
from sluicegate.model.config import Jenkins
from sluicegate.model.jobs import path_of
from sluicegate.model.numbers import whole
from sluicegate.model.values import Json
from sluicegate.tools import http, restarts
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


def is_build(jenkins: Jenkins, url: str) -> bool:
    """Whether this is the address of a build of the Jenkins that the configuration names."""
    return _place_of(jenkins, url) is not None


def read_build(jenkins: Jenkins, url: str, *, patient: bool = True, chain: bool = True) -> Build:
    """Read a build, and with `chain` up the upstream causes who started it; `patient` waits while Jenkins restarts.

    Raises NotFound for a build that is gone.
    """
    job, number = _place(jenkins, url)

    def read(job: str, number: str) -> Json:
        return restarts.again(lambda: _read(jenkins, job, number)) if patient else _read(jenkins, job, number)

    value = read(job, number)
    direct = frozenset(str(cause["userId"]) for cause in _causes(value) if cause.get("userId"))
    parameters = {
        str(parameter["name"]): str(parameter.get("value", ""))
        for action in objects(value.get("actions"))
        for parameter in objects(action.get("parameters"))
        if "name" in parameter
    }
    return Build(
        url=url,
        job=job,
        building=value.get("building") is True,
        parameters=parameters,
        users=frozenset(_users(read, value, LONGEST_CHAIN)) if chain else direct,
        direct=direct,
    )


def start_job(jenkins: Jenkins, job: str, parameters: Mapping[str, str]) -> str:
    """Queue a job with parameters; the address of its place in the queue. A Jenkins that restarts is waited for."""
    url = f"{jenkins.url}/{path_of(job)}"

    def send() -> http.Answer:
        return ask(jenkins, f"{url}buildWithParameters", parameters)

    answer = restarts.post(send, lambda: ask(jenkins, f"{url}api/json?tree=_class"))
    if answer.status in (200, 201, 303):
        return answer.headers.get("Location", "")
    if answer.status == 404:
        raise _missing(jenkins, job)
    if answer.status == 409:
        raise SluicegateError(f"{jenkins.url} did not start the job '{job}': it is disabled")
    refusal = answer.headers.get("X-Error") or f"status {answer.status}"
    if answer.status == 400 and ("not parameterized" in answer.text or "not parameterized" in refusal):
        raise UsageError(
            f"the job '{job}' of {jenkins.url} has no parameters, so it would not know what to test",
            hint=f"declare {', '.join(parameters)} in it, as the template sluicegate-suite does",
        )
    raise SluicegateError(f"{jenkins.url} did not start the job '{job}': {refusal}")


def _missing(jenkins: Jenkins, job: str) -> SluicegateError:
    """Why there is nothing to start: a folder, a Jenkins that lives elsewhere, or no such job."""
    answer = ask(jenkins, f"{jenkins.url}/{path_of(job)}api/json?tree=_class")
    if answer.status == 200 and "Folder" in answer.text:
        return UsageError(f"'{job}' is a folder of {jenkins.url}", hint=f"name a job in it: {job}/JOB")
    if ask(jenkins, f"{jenkins.url}/api/json?tree=mode").status == 404:
        hint = f"it may live below a path: set 'jenkins: {{url: {jenkins.url}/jenkins}}' in sluicegate.yaml"
        return UnknownName(f"{jenkins.url} is not the root of a Jenkins", hint=hint)
    hint = f"jenkins-jobs update makes the jobs; a job in a folder is FOLDER/{job}; may '{jenkins.user}' read it?"
    return UnknownName(f"{jenkins.url} has no job '{job}'", hint=hint)


def objects(listed: object) -> list[Json]:
    """The objects of a list of the API, which has null in place of what it does not export."""
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _causes(build: Json) -> list[Json]:
    return [cause for action in objects(build.get("actions")) for cause in objects(action.get("causes"))]


def _users(read: Callable[[str, str], Json], build: Json, left: int) -> set[str]:
    users: set[str] = set()
    for cause in _causes(build):
        if cause.get("userId"):
            users.add(str(cause["userId"]))
        if cause.get("upstreamProject") and left:
            above = read(str(cause["upstreamProject"]), str(cause.get("upstreamBuild")))
            users |= _users(read, above, left - 1)
    return users


def _place(jenkins: Jenkins, url: str) -> tuple[str, str]:
    """Job and number of a build's URL. Raises for one of another Jenkins than the configuration names."""
    place = _place_of(jenkins, url)
    if place is not None:
        return place
    if not url.startswith(f"{jenkins.url}/job/"):
        raise UsageError(
            f"BUILD_URL is {url}, but the delivery repo trusts {jenkins.url}",
            hint=f"if that is your Jenkins: set 'jenkins: {{url: {url.partition('/job/')[0]}}}' in sluicegate.yaml;"
            " if not, correct 'Jenkins URL' in Manage Jenkins, System",
        )
    raise UsageError(f"BUILD_URL is {url}, which is no build's address")


def _place_of(jenkins: Jenkins, url: str) -> tuple[str, str] | None:
    """Job and number of a build's URL; None where it is none of this Jenkins."""
    if not url.startswith(f"{jenkins.url}/job/"):
        return None
    parts = url.removeprefix(f"{jenkins.url}/").strip("/").split("/")
    names, number = parts[1:-1:2], parts[-1]
    if len(parts) % 2 == 0 or set(parts[0:-1:2]) != {"job"} or whole(number, least=1) is None:
        return None
    return "/".join(unquote(name) for name in names), number


def _read(jenkins: Jenkins, job: str, number: str) -> Json:
    url = f"{jenkins.url}/{path_of(job)}{quote(number, safe='')}/api/json"
    answer = ask(jenkins, f"{url}?tree={quote(TREE)}")
    if answer.status == 404:
        if _is_starting(jenkins):
            raise Restarting(f"{jenkins.url} is starting: it does not know {url} yet")
        raise NotFound(f"{url} does not exist", hint=f"may the user '{jenkins.user}' read that job?")
    if answer.status != 200:
        raise SluicegateError(f"{url} answered with status {answer.status}")
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Denied(f"{url} answered with a page instead of JSON; is it a login page?")
    return value


def ask(jenkins: Jenkins, url: str, form: Mapping[str, str] | None = None) -> http.Answer:
    """A GET, or a POST of a form. Raises for wrong credentials, a login page, a Jenkins that is down or not ready."""
    login, session = _login(jenkins), _session(jenkins)
    try:
        if form is None:
            answer = http.get(url, login=login, timeout=TIMEOUT, session=session)
        else:
            answer = http.post(url, form, login=login, timeout=TIMEOUT, session=session)
    except RemoteUnavailable as problem:
        if restarts.refused(problem.__cause__):
            raise Restarting(problem.message, hint=problem.hint) from problem
        raise
    # What a Jenkins answers while it starts is no answer: ask again later.
    to_login = answer.status in (301, 302, 307) and "login" in answer.headers.get("Location", "")
    if answer.status == 401 and _is_starting(jenkins):
        raise Restarting(f"{jenkins.url} is starting (status 401)")
    if answer.status in (401, 403) or to_login:
        right = "build" if form is not None else "read"
        raise Denied(
            f"{jenkins.url} refused the user '{jenkins.user}' (status {answer.status})",
            hint=f"set {jenkins.token_variable} to an API token of that user, who may {right} the job",
        )
    if answer.status == 500:
        raise ServerError(f"{url.partition('?')[0]} answered with status 500", hint="see Jenkins' system log")
    if answer.status >= 500:
        kind = Restarting if answer.status == 503 else RemoteUnavailable
        raise kind(f"{jenkins.url} answered with status {answer.status}; it may still be starting")
    return answer


def without_login(jenkins: Jenkins, url: str) -> http.Answer:
    """What a stranger is answered; any status."""
    return http.get(url, timeout=TIMEOUT, session=_session(jenkins))


def is_open(jenkins: Jenkins) -> bool:
    """Whether the Jenkins shows its jobs to whoever has not logged in."""
    return without_login(jenkins, f"{jenkins.url}/api/json?tree=mode").status == 200


def _is_starting(jenkins: Jenkins) -> bool:
    """Whether the login page, which asks nobody who he is, is not there yet."""
    try:
        return without_login(jenkins, f"{jenkins.url}/login").status == 503
    except RemoteUnavailable:
        return True


def _session(jenkins: Jenkins) -> requests.Session:
    """A session that takes nothing from the environment, which belongs to the job whose word is being checked."""
    from sluicegate.tools import http_sessions

    return http_sessions.new_session(jenkins.url, tries=1, environment=False, ca=jenkins.ca, proxy=jenkins.proxy)


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
