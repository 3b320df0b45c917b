"""The build server of the worked example: our runner with the organisation's jobs, driven as people drive Jenkins."""

from __future__ import annotations

import base64
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jenkins

from sluicegate.errors import SluicegateError
from sluicegate.jjb.render import templates
from sluicegate.tools import process

PEOPLE = ("anna", "rita", "olle", "ci")
KEEPER = "keeper"
"""Who brings the jobs onto the server: of all users only this one and admin may change them."""
CREDENTIAL = "sluicegate-token"
SECRET = """<org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl>
  <scope>GLOBAL</scope><id>{id}</id><description>API token of ci</description><secret>{secret}</secret>
</org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl>"""
SIGNING_KEY = """<org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl>
  <scope>GLOBAL</scope><id>sluicegate-signing-key</id><description>signs what people decide</description>
  <fileName>signing-key</fileName><secretBytes>{secret}</secretBytes>
</org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl>"""
HOOK = """#!/bin/sh
# Tell the build server that something was pushed, so that it polls at once.
exec {python} -c '
import sys, urllib.parse, urllib.request
if any(line.split()[2] == "refs/heads/main" for line in sys.stdin):
    url = sys.argv[1] + "/git/notifyCommit?url=" + urllib.parse.quote(sys.argv[2])
    urllib.request.urlopen(url, timeout=20).read()
' {server} {repository}
"""
PATIENCE = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A button that was pressed: the build's result and console."""

    job: str
    number: int
    result: str
    console: str


class BuildServer:
    """One `sluicegate serve` below `folder`, which answers at `url`; `options` are of that command."""

    def __init__(self, folder: Path, url: str, environment: dict[str, str], options: Sequence[str]) -> None:
        self.folder = folder
        self.url = url
        self.environment = environment
        self.options = options
        self.patience = PATIENCE
        self.pause = 0.1  # seconds between two looks at what is waited for
        self.started: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, jenkins.Jenkins] = {}

    def start(self, repo: str | Path, signing_key: bytes) -> None:
        """Start it, with a user for each person and for the technical user `ci`; credentials: `ci`'s token, and the
        private key that signs what people decide.
        """
        words: list[str | Path] = [sys.executable, "-m", "sluicegate", "serve", "--home", self.folder / "home"]
        words += [*self.options, "--executors", "4", "--delivery", repo]
        for person in PEOPLE:
            words += ["--user", person]
        words += ["--user", f"{KEEPER}=configure"]
        self.folder.mkdir()
        self.started = process.start(words, cwd=self.folder, env=self.environment, log=self.folder / "serve.log")
        self.wait_for(self._answers, "the build server to start")
        token = self._ask("ci", "POST", "me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken")
        secret = SECRET.format(id=CREDENTIAL, secret=token["data"]["tokenValue"])
        key = SIGNING_KEY.format(secret=base64.b64encode(signing_key).decode())
        for credential in (secret, key):
            self._ask("admin", "POST", "credentials/store/system/domain/_/createCredentials", data=credential)

    def password(self, person: str) -> str:
        return (self.folder / "home" / "secrets" / "passwords" / person).read_text().strip()

    def client(self, person: str) -> jenkins.Jenkins:
        if person not in self._clients:
            self._clients[person] = jenkins.Jenkins(self.url, person, self.password(person), timeout=30)
        return self._clients[person]

    def update_jobs(self, text: str, binary: Path) -> str:
        """Write the organisation's jobs and let jenkins-job-builder put them on the server; its output."""
        jobs, settings = self.folder / "jobs.yaml", self.folder / "jenkins_jobs.ini"
        jobs.write_text(text)
        login = f"user={KEEPER}\npassword={self.password(KEEPER)}\n"
        settings.write_text(f"[job_builder]\n\n[jenkins]\nurl={self.url}\n{login}")
        settings.chmod(0o600)
        words: list[str | Path] = [binary, "--conf", settings, "update", f"{templates()}:{jobs}"]
        done = process.run(words, cwd=self.folder, env=self.environment, inherit=False, check=False)
        if done.status != 0:
            raise SluicegateError(f"jenkins-jobs update failed: {done.error_text}")
        return done.error_text

    def hook(self, repository: Path, *, python: str = sys.executable, known_as: str = "") -> None:
        """Let pushes to a bare repository be noticed at once. `known_as` is its address in jobs, when not its path."""
        path = repository / "hooks" / "post-receive"
        path.parent.mkdir(exist_ok=True)
        words = {"python": python, "server": self.url, "repository": known_as or str(repository)}
        path.write_text(HOOK.format(**{name: shlex.quote(word) for name, word in words.items()}))
        path.chmod(0o755)

    def press(self, person: str, job: str, **parameters: str) -> Pressed:
        """Build with parameters as one of the people, and wait for the result."""
        client = self.client(person)
        item = client.build_job(job, parameters)
        build: dict[str, Any] = {}

        def ended() -> bool:
            executable = client.get_queue_item(item).get("executable")
            if executable:
                build.update(client.get_build_info(job, executable["number"]))
            return bool(build) and not build["building"]

        self.wait_for(ended, f"the build of {job}")
        number = int(build["number"])
        console = client.get_build_console_output(job, number)
        return Pressed(job=job, number=number, result=str(build["result"]), console=console)

    def builds(self) -> list[dict[str, Any]]:
        """All builds, oldest first: job, number, result, timestamp and duration in ms."""
        tree = "jobs[name,builds[number,result,building,timestamp,duration]]"
        listed = self._ask("admin", "GET", f"api/json?tree={tree}")["jobs"]
        builds = [{**build, "job": job["name"]} for job in listed for build in job["builds"]]
        return sorted(builds, key=lambda build: int(build["timestamp"]))

    def wait_for(self, check: Any, what: str) -> None:
        """Wait until `check()` is true. Raises SluicegateError, with the last builds, when it takes too long."""
        deadline = time.monotonic() + self.patience
        while not check():
            if self.started is not None and self.started.poll() is not None:
                raise SluicegateError(f"the build server has ended; see {self.folder / 'serve.log'}")
            if time.monotonic() > deadline:
                last = "\n".join(f"  {b['job']} #{b['number']} {b['result']}" for b in self.builds()[-8:])
                raise SluicegateError(f"waited {self.patience:g} s for {what}. The last builds:\n{last}")
            time.sleep(self.pause)

    def stop(self) -> None:
        if self.started is not None:
            process.end(self.started.pid)

    def _answers(self) -> bool:
        try:
            return bool(self.client("admin").get_whoami())
        except (jenkins.JenkinsException, OSError):
            return False

    def _ask(self, person: str, method: str, path: str, data: str | None = None) -> Any:
        """One request of the remote API beyond what python-jenkins has."""
        import requests

        client = self.client(person)
        request = requests.Request(method, f"{self.url}/{path}", data=data, headers={"Content-Type": "application/xml"})
        answer = client.jenkins_request(request)
        return answer.json() if answer.content else {}
