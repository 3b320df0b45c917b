"""Plays a real Jenkins 2.568.2 as recordings show it: progressiveText, results, queue, restarts, refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.parts import web_server

NOTE = b"\x1b[8mha:////4NOTEnoteNOTEnote+NOTE/noteAAAAlx+LCAAAAAAAAP9bNOTE=\x1b[0m"
MOST_LINES = 10_000
"""Of one plain progressive answer while the build runs."""

Answer = tuple[int, str, bytes, dict[str, str]]


@dataclass
class Job:
    """A job whose only build writes one of `pieces` before each look at its console, and ends after the last."""

    pieces: Sequence[bytes] = (b"Started by user anna\n", b"Finished: SUCCESS\n")
    parameters: Sequence[Mapping[str, Any]] = ()
    result: str = "SUCCESS"
    early: int = 2
    """How many looks the result is there before the log is complete."""
    buildable: bool = True
    folder: bool = False
    merged: bool = False
    log: bytes = b""
    looks: int = 0
    started: list[dict[str, str]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.looks >= len(self.pieces)

    def look(self) -> None:
        self.looks += 1
        self.log = b"".join(self.pieces[: self.looks])


@dataclass
class JenkinsStub:
    """`spells` are statuses that answer the next requests instead: 0 hangs up; to POST and GET alike, `login` apart."""

    jobs: dict[str, Job]
    context: str = ""
    spells: list[int] = field(default_factory=list)
    login_up: bool = False
    """Whether /login answers 200 during a spell: then a 401 is a wrong token, no restart."""
    lost_items: bool = False
    before: dict[str, list[int]] = field(default_factory=dict)
    """Spells that begin when a path that holds the key is asked for."""
    calls: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    """Further answers by path: JSON, or a status."""

    closed: bool = False
    """Whether who has not logged in is refused."""

    def answer(self, method: str, target: str, body: bytes, stranger: bool) -> Answer | None:
        """Status, type, body, headers; None hangs up."""
        parts = urlsplit(target)
        path = unquote(parts.path)
        self.calls.append(f"{method} {path}")
        if path == "/login":
            return self._page(200 if self.login_up or not self.spells else 503)
        for key in [key for key in self.before if key in path]:
            self.spells += self.before.pop(key)
        if self.spells:
            status = self.spells.pop(0)
            return self._page(status) if status else None
        if not path.startswith(f"{self.context}/"):
            return self._jetty(404, "Not Found")
        path = path.removeprefix(self.context)
        if path == "/git/notifyCommit" and path not in self.extra:
            return self._jetty(401, "An access token is required.")
        if stranger and self.closed:
            return self._page(403)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        form = {key: values[-1] for key, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        if path in self.extra:
            page = self.extra[path]
            return self._page(page) if isinstance(page, int) else self._json(page)
        if path == "/api/json":
            return self._json({"_class": "hudson.model.Hudson", "mode": "NORMAL", "jobs": self._listed()})
        if item := re.fullmatch(r"/queue/item/(\d+)/(api/json)?", path):
            return self._queue_item(int(item[1]))
        match = re.match(r"((?:/job/[^/]+)+)/(.*)$", path)
        job = self.jobs.get("/".join(match[1].split("/job/")[1:])) if match else None
        if match is None or job is None:
            return self._page(404)
        return self._job(match[1], job, method, match[2], {**query, **form})

    def _listed(self) -> list[dict[str, Any]]:
        top = [{"fullName": name} for name in self.jobs if "/" not in name]
        for entry in top:
            below = [{"fullName": name} for name in self.jobs if name.startswith(f"{entry['fullName']}/")]
            entry.update({"jobs": below} if below else {})  # type: ignore[dict-item]
        return top

    def _queue_item(self, number: int) -> Answer:
        if self.lost_items:
            return self._page(404)
        return self._json({"cancelled": False, "executable": {"number": 1}, "id": number})

    def _job(self, path: str, job: Job, method: str, rest: str, values: dict[str, str]) -> Answer:
        if rest == "api/json":
            return self._json(self._facts(job))
        if job.folder:
            return self._page(404)
        if rest in ("build", "buildWithParameters") and method == "POST":
            return self._start(path, job, rest, values)
        if rest == "1/logText/progressiveText":
            return self._progressive(job, int(values.get("start", "0")))
        if rest == "1/api/json":
            ending = job.ended or job.looks > len(job.pieces) - job.early
            state = {"result": job.result if ending else None, "building": not ending, "inProgress": not job.ended}
            if not job.ended and job.looks:
                job.look()  # time goes on for whoever asks for the result only
            return self._json(state)
        return self._page(404)

    def _facts(self, job: Job) -> dict[str, Any]:
        if job.folder:
            return {"_class": "com.cloudbees.hudson.plugins.folder.Folder"}
        builds = [{"number": 1, "queueId": 7}] if job.started else []
        parameters = {"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": job.parameters}
        return {
            "_class": "hudson.model.FreeStyleProject", "buildable": job.buildable, "disabled": not job.buildable,
            "builds": builds, "property": [parameters] if job.parameters else [],
        }  # fmt: skip

    def _start(self, path: str, job: Job, action: str, values: dict[str, str]) -> Answer:
        if action == "build" and job.parameters:
            return self._jetty(400, "Nothing is submitted")
        if action == "buildWithParameters" and not job.parameters:
            return self._jetty(400, f"{path.rpartition('/')[2]} is not parameterized")
        if not job.buildable:
            return self._jetty(409, "Conflict")
        for declared in job.parameters:
            if values.get(str(declared["name"])) not in (
                None,
                *declared.get("choices", [values.get(declared["name"])]),
            ):
                return self._page(500)
        job.started.append(values)
        status = 303 if job.merged and action == "buildWithParameters" else 201
        return status, "text/plain", b"", {"Location": f"{self.context}/queue/item/7/"}

    def _progressive(self, job: Job, start: int) -> Answer:
        """Whole lines only, at most 10,000 while it runs; X-Text-Size is the file's; beyond the end: all of it."""
        if not job.ended:
            job.look()
        start = 0 if start > len(job.log) else start
        text = job.log[start:]
        headers = {"X-Text-Size": str(len(job.log))}
        if not job.ended:
            headers["X-More-Data"] = "true"
            lines = text[: text.rfind(b"\n") + 1].splitlines(keepends=True)
            text = b"".join(lines[:MOST_LINES])
        text = text.decode("utf-8", "replace").encode()
        return 200, "text/plain;charset=utf-8", re.sub(rb"(?<!\r)\n", b"\r\n", text), headers

    def _json(self, value: object) -> Answer:
        return 200, "application/json;charset=utf-8", json.dumps(value).encode(), {"X-Jenkins": "2.568.2"}

    def _page(self, status: int) -> Answer:
        named = {} if status in (401, 503) else {"X-Jenkins": "2.568.2"}
        return status, "text/html;charset=utf-8", f"<html><title>{status}</title></html>".encode(), named

    def _jetty(self, status: int, message: str) -> Answer:
        return status, "text/html", f"<html><title>Error {status} {message}</title></html>".encode(), {}


@contextmanager
def playing(stub: JenkinsStub) -> Iterator[str]:
    """The stub on a port of its own; its URL, without a slash at the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = stub.answer(self.command, self.path, body, "Authorization" not in self.headers)
            if answer is None:
                self.close_connection = True
                return
            status, kind, content, headers = answer
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _any

        def log_message(self, *words: object) -> None:
            pass

    with web_server(Handler) as port:
        yield f"http://127.0.0.1:{port}{stub.context}"
