"""One Jenkins, asked by python-jenkins; its errors in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sluicegate.errors import (
    Denied,
    RemoteUnavailable,
    Restarting,
    ServerError,
    SluicegateError,
    UnknownName,
    UsageError,
)  # fmt: skip
from sluicegate.tools import door, restarts

TIMEOUT = 30.0


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
            return self.server.jenkins_request(request, add_crumb=method == "POST")
        except jenkins.TimeoutException as problem:
            raise RemoteUnavailable(f"{self.url} did not answer within {TIMEOUT:g} seconds") from problem
        except jenkins.NotFoundException as problem:
            page = path.partition("?")[0].removesuffix("api/json").rstrip("/")
            raise UnknownName(f"{self.url}{page} does not exist") from problem
        except jenkins.JenkinsException as problem:
            response = getattr(problem.__context__, "response", None)
            raise self._failed(path, response, str(problem)) from problem
        except requests.HTTPError as problem:
            raise self._failed(path, problem.response) from problem
        except requests.exceptions.JSONDecodeError as problem:
            raise self._no_json() from problem
        except requests.RequestException as problem:
            reason = f"{problem}".partition(":")[2].strip() or f"{problem}"
            kind = Restarting if restarts.refused(problem) else RemoteUnavailable
            raise kind(f"{self.url} cannot be reached: {reason[:200]}") from problem
        except ValueError as problem:
            # python-jenkins reads the crumb as JSON before our own request goes out.
            raise self._no_json() from problem

    def _no_json(self) -> RemoteUnavailable:
        hint = "is this the URL of a Jenkins, and does the user log in by token?"
        return RemoteUnavailable(f"{self.url} answered with a login page or another page instead of JSON", hint=hint)

    def _failed(self, path: str, response: Any, text: str = "") -> SluicegateError:
        status = response.status_code if response is not None else 0
        if status == 503 or (status == 401 and self.is_starting()):
            return Restarting(f"{self.url} is starting (status {status})")
        if status in (401, 403):
            who = f"user '{self.user}'" if self.user else "a request without a user"
            hint = "set JENKINS_TOKEN to an API token of the user given by --user"
            return Denied(f"{self.url} refuses {who}: wrong token, or no right to do this", hint=hint)
        if status == 500:
            hint = "Jenkins' log names the cause (Manage Jenkins, System Log)"
            return ServerError(
                f"{self.url}{path.partition('?')[0]} answered with status 500: it broke there", hint=hint
            )
        if status == 409:
            return SluicegateError(f"{self.url}{path.removesuffix('build')} is disabled")
        if status == 400:
            reason = response.headers.get("X-Error") or _title(response.text) or "it does not take these parameters"
            return UsageError(f"{self.url}: {reason}")
        return RemoteUnavailable(f"{self.url} answered with status {status}" if status else f"{self.url}: {text[:300]}")

    def is_starting(self) -> bool:
        """Whether the login page, which never asks for one, is not there yet."""
        import requests

        try:
            return requests.get(f"{self.url}login", timeout=TIMEOUT, allow_redirects=False).status_code == 503
        except requests.RequestException:
            return True

    def json(self, path: str) -> Any:
        """A JSON answer; a login page or a proxy's page instead is named as such."""
        answer = self.ask(path)
        try:
            return answer.json()
        except ValueError as problem:
            raise self._no_json() from problem

    def patiently(self, path: str) -> Any:
        """Like `json`, of what was there a moment ago: a server that restarts is waited for."""
        return restarts.again(lambda: self.json(path), may_pass)

    def post(self, path: str, data: Mapping[str, str], look: str) -> Any:
        """Send a form once, and again where a restart has surely lost it; reading `look` tells that from a fault."""

        def send() -> Any:
            self.server.crumb = None  # a crumb from before a restart is worth nothing
            return self.ask(path, "POST", data)

        return restarts.post(send, lambda: self.json(look))


def may_pass(problem: SluicegateError) -> bool:
    """A build, a login that were there a moment ago come back after a restart."""
    return isinstance(problem, Denied | UnknownName)


def _title(page: str) -> str:
    """The message of Jetty's error page: `Error 400 NAME is not parameterized`."""
    title = re.search(r"<title>(?:Error \d+ )?([^<]{1,200})</title>", page or "")
    return title[1].strip() if title else ""
