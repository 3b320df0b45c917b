"""Starts a job on any Jenkins and follows it: queue, console, result. Talks by python-jenkins."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError, UnknownName, UsageError
from sluicegate.model.jobs import path_of
from sluicegate.model.numbers import INT, whole
from sluicegate.runner.results import Result
from sluicegate.tools import door

TIMEOUT = 30.0
PATIENCE = 60.0
"""Seconds for which a server that stops answering in the middle is asked again."""


class Remote:
    """One Jenkins server."""

    def __init__(self, url: str, user: str, token: str) -> None:
        import jenkins

        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UsageError(f"'{url}' is no URL of a Jenkins", hint="give --url, or set JENKINS_URL")
        self.url = url.rstrip("/") + "/"
        self.user = user
        self.server = jenkins.Jenkins(self.url, username=user or None, password=token or None, timeout=TIMEOUT)

    def ask(self, path: str, method: str = "GET", data: Mapping[str, str] | None = None) -> Any:
        """An answer of the server. Errors become ours, in clear words."""
        import jenkins
        import requests

        door.passing(f"{method} {path}")
        request = requests.Request(method, self.url + path, data=data)
        try:
            return self.server.jenkins_request(request)
        except jenkins.TimeoutException as problem:
            raise RemoteUnavailable(f"{self.url} did not answer within {TIMEOUT:g} seconds") from problem
        except jenkins.NotFoundException as problem:
            page = path.partition("?")[0].removesuffix("/api/json")
            raise UnknownName(f"{self.url}{page} does not exist") from problem
        except jenkins.JenkinsException as problem:
            raise self._refused(problem) from problem
        except requests.HTTPError as problem:
            raise self._failed(path, problem.response) from problem
        except requests.exceptions.JSONDecodeError as problem:
            raise self._no_json() from problem
        except requests.RequestException as problem:
            reason = f"{problem}".partition(":")[2].strip() or f"{problem}"
            raise RemoteUnavailable(f"{self.url} cannot be reached: {reason[:200]}") from problem
        except ValueError as problem:
            # python-jenkins reads the crumb as JSON before our own request goes out.
            raise self._no_json() from problem

    def _no_json(self) -> RemoteUnavailable:
        hint = "is this the URL of a Jenkins, and does the user log in by token?"
        return RemoteUnavailable(f"{self.url} answered with a login page or another page instead of JSON", hint=hint)

    def _refused(self, problem: Exception) -> SluicegateError:
        text = str(problem)
        if re.search(r"\[401\]|\[403\]|Possibly authentication failed", text):
            who = f"user '{self.user}'" if self.user else "a request without a user"
            hint = "set JENKINS_TOKEN to an API token of the user given by --user"
            return Denied(f"{self.url} refuses {who}: wrong token, or no right to do this", hint=hint)
        return RemoteUnavailable(f"{self.url}: {text[:300]}")

    def _failed(self, path: str, response: Any) -> SluicegateError:
        status = response.status_code
        if reason := response.headers.get("X-Error"):
            return UsageError(f"{self.url}: {reason}")
        if status == 409:
            return SluicegateError(f"{self.url}{path.removesuffix('build')} is disabled")
        if status == 400:
            return UsageError(f"{self.url} does not take these parameters")
        return RemoteUnavailable(f"{self.url} answered with status {status}")

    def json(self, path: str) -> Any:
        """A JSON answer; a login page or a proxy's page instead is named as such."""
        answer = self.ask(path)
        try:
            return answer.json()
        except ValueError as problem:
            raise self._no_json() from problem

    def patiently(self, path: str) -> Any:
        """Like `json`, but a server that is away for a moment (a restart) is waited for."""
        return _again(lambda: self.json(path))


def _again(ask: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except RemoteUnavailable:
            if time.monotonic() >= end:
                raise
            time.sleep(2)


def follow(
    remote: Remote, name: str, given: Mapping[str, str], say: Callable[[str], None], write: Callable[[bytes], None]
) -> Result:
    """Start a job, print its way through the queue and its console, and return its result."""
    path = path_of(name)
    info = remote.json(f"{path}api/json?tree=property[parameterDefinitions[name]],buildable")
    declared = {d["name"] for p in info.get("property", []) for d in p.get("parameterDefinitions", [])}
    if unknown := set(given) - declared:
        known = ", ".join(sorted(declared)) or "none"
        raise UsageError(f"{name} has no parameter {', '.join(sorted(unknown))} (it has: {known})")
    action = "buildWithParameters" if declared else "build"
    answer = remote.ask(path + action, "POST", dict(given))
    found = re.search(r"queue/item/(\d+)", answer.headers.get("Location", ""))
    if found is None:
        raise RemoteUnavailable(f"{remote.url} accepted {name} but named no queue item")
    number = _queue(remote, found[1], say)
    say(f"{remote.url}{path}{number}/")
    return _console(remote, f"{path}{number}/", write)


def _queue(remote: Remote, item: str, say: Callable[[str], None]) -> int:
    """Wait until the item is a build; its number."""
    told = ""
    pause = 0.05
    while True:
        state = remote.patiently(f"queue/item/{item}/api/json")
        if state.get("cancelled"):
            raise SluicegateError("the build was cancelled while it waited in the queue")
        if executable := state.get("executable"):
            if (number := whole(executable.get("number"), least=1, most=INT)) is None:
                raise SluicegateError(f"the server names no build: {str(executable)[:100]}")
            return number
        why = re.sub(r"[\d.]+ (m?sec|ms|s)\b.*", "a moment", state.get("why") or "")
        if why and why != told:
            say(f"waiting: {why}")
            told = why
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)


def _console(remote: Remote, path: str, write: Callable[[bytes], None]) -> Result:
    start = 0
    pause = 0.1
    while True:
        at = start
        answer = _again(lambda at=at: remote.ask(f"{path}logText/progressiveText?start={at}"))  # type: ignore[misc]
        if answer.content:
            write(answer.content)
            pause = 0.1
        size = whole(answer.headers.get("X-Text-Size", ""))
        start = start if size is None else size
        if answer.headers.get("X-More-Data") != "true":
            break
        time.sleep(pause)
        pause = min(1.0, pause * 1.3)
    while True:
        state = remote.patiently(f"{path}api/json?tree=result,building")
        if state.get("result") and not state.get("building"):
            return Result.named(state["result"], Result.FAILURE)
        time.sleep(0.1)
