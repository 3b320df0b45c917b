"""ssh-agent: an OpenSSH agent with keys of the vault around the checkout and all steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.masking import SHORTEST
from sluicegate.runner.steps.credentials import find
from sluicegate.runner.vault import Credential
from sluicegate.tools import process
from sluicegate.tools.scratch import scratch

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
        # A socket's path has at most 108 bytes: a workspace's own is often longer.
        with scratch() as folder:
            socket = folder / "agent"
            started = process.run(["ssh-agent", "-s", "-a", socket], timeout=MINUTE, env=build.marks)
            pid = started.text.partition("SSH_AGENT_PID=")[2].partition(";")[0]
            build.say("[ssh-agent] Started.")
            try:
                for key in keys:
                    _add(build, key, folder, socket)
                with build.variables_set({"SSH_AUTH_SOCK": str(socket), "SSH_AGENT_PID": pid}):
                    yield
            finally:
                process.run(["ssh-agent", "-k"], env={"SSH_AGENT_PID": pid}, check=False, timeout=MINUTE)
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


def _add(build: Build, key: Credential, folder: Path, socket: Path) -> None:
    """Give the agent one key; a passphrase reaches ssh-add by a helper that prints it from the environment."""
    build.say(f"[ssh-agent] Using credentials {key.user}{f' ({key.description})' if key.description else ''}")
    build.mask(secret for secret in (key.secret, key.passphrase) if len(secret) >= SHORTEST)
    file, helper = folder / "key", folder / "askpass"
    file.touch(mode=0o600)
    file.write_text(f"{key.secret.rstrip()}\n")
    helper.write_text('#!/bin/sh\necho "$SG_PASSPHRASE"\n')
    helper.chmod(0o700)
    env = {
        "SSH_AUTH_SOCK": str(socket),
        "SSH_ASKPASS": str(helper),
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": ":",
        "SG_PASSPHRASE": key.passphrase,
    }
    try:
        process.run(["ssh-add", file], env=env, timeout=MINUTE)
    except SluicegateError as problem:
        raise StepFailed(f"[ssh-agent] Unable to add the key '{key.id}': {problem.message}") from problem
    finally:
        file.unlink()


ELEMENTS = (
    Entry(
        tag="com.cloudbees.jenkins.plugins.sshagent.SSHAgentBuildWrapper",
        plugin="ssh-agent",
        kind="wrapper",
        make=SSHAgent,
    ),
)
