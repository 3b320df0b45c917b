"""ssh-agent: an OpenSSH agent with keys of the vault around the checkout and all steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner import processes
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.steps.credentials import find
from sluicegate.runner.vault import Credential
from sluicegate.tools import process

MINUTE = 60.0


class SSHAgent:
    """com.cloudbees.jenkins.plugins.sshagent.SSHAgentBuildWrapper."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.names = tuple(filter(None, (*fields.texts("credentialIds/string"), fields.text("user").strip())))
        self.ignore_missing = fields.flag("ignoreMissing")

    def plan(self) -> str:
        return f"start an ssh-agent with {', '.join(self.names)}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        keys = self._keys(build)
        with build.scratch(short=True) as folder:
            socket = folder / "agent"
            build.show(folder)
            # Its words go nowhere: it lives on, and nobody must wait for the end of what it could say.
            if build.launch(["/bin/sh", "-c", 'exec ssh-agent -a "$0" >/dev/null 2>&1', str(socket)], quiet=True):
                raise StepFailed("[ssh-agent] ssh-agent cannot be started")
            pid = " ".join(str(agent) for agent in _agents(socket))
            build.say("[ssh-agent] Started.")
            try:
                for key in keys:
                    _add(build, key, socket)
                with build.variables_set({"SSH_AUTH_SOCK": str(socket), "SSH_AGENT_PID": pid}):
                    yield
            finally:
                processes.kill(_agents(socket), {})
                build.say("[ssh-agent] Stopped.")

    def _keys(self, build: Build) -> list[Credential]:
        keys = []
        for name in map(build.expand, self.names):
            try:
                keys.append(find(build, name, "ssh"))
            except StepFailed as problem:
                if not self.ignore_missing:
                    raise StepFailed(
                        f"[ssh-agent] Could not find specified credentials: {problem.message}"
                    ) from problem
                build.say(f"[ssh-agent] Could not find specified credentials: {problem.message}")
        return keys


def _asked(build: Build, argv: Sequence[str], env: Mapping[str, str]) -> process.Completed:
    """Run one of OpenSSH's programs where the build's commands run. Raises StepFailed."""
    answer = build.ask(argv, cwd=build.workspace, env={**process.plain_environment(), **env}, timeout=MINUTE)
    if answer.status:
        raise StepFailed(f"[ssh-agent] {argv[0]} ended with status {answer.status}: {answer.error_text}")
    return answer


def _agents(socket: Path) -> set[int]:
    """The agent by its number here: in a sandbox it knows itself by another one, and it hides its environment."""
    lines = {pid: process.command_line(pid) for pid in processes.pids()}
    return {pid for pid, line in lines.items() if line.startswith("ssh-agent ") and str(socket) in line}


def _add(build: Build, key: Credential, socket: Path) -> None:
    """Give the agent one key; a passphrase reaches ssh-add by a helper that prints it from the environment."""
    build.say(f"[ssh-agent] Using credentials {key.user}{f' ({key.description})' if key.description else ''}")
    build.mask([key.secret, key.passphrase])
    with build.scratch() as folder:
        file, helper = folder / "key", folder / "askpass"
        file.touch(mode=0o600)
        file.write_text(f"{key.secret.rstrip()}\n")
        helper.write_text('#!/bin/sh\necho "$SG_PASSPHRASE"\n')
        helper.chmod(0o700)
        build.show(folder)
        env = {
            "SSH_AUTH_SOCK": str(socket),
            "SSH_ASKPASS": str(helper),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": ":",
            "SG_PASSPHRASE": key.passphrase,
        }
        try:
            _asked(build, ["ssh-add", str(file)], env)
        except SluicegateError as problem:
            raise StepFailed(f"[ssh-agent] Unable to add the key '{key.id}': {problem.message}") from problem


ELEMENTS = (
    Entry(
        tag="com.cloudbees.jenkins.plugins.sshagent.SSHAgentBuildWrapper",
        plugin="ssh-agent",
        kind="wrapper",
        make=SSHAgent,
    ),
)
