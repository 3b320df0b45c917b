"""Playbooks as processes: one run for all hosts of a batch, results per host by our callback plugin."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sluicegate.deployers.ansible import callback, results
from sluicegate.deployers.proof import Proof
from sluicegate.deployers.together import Said, Together, Work, files_of
from sluicegate.errors import MissingProgram, SluicegateError, TimedOut, UsageError
from sluicegate.model.config import Config, DriverSpec
from sluicegate.model.settings import Settings
from sluicegate.model.values import Json
from sluicegate.ports import Host
from sluicegate.tools import extras, process
from sluicegate.tools.scratch import scratch

OURS = ("limit", "l", "inventory", "i", "check", "C", "extra-vars", "e", "forks", "f", "list-hosts", "list-tasks",
        "list-tags", "syntax-check", "start-at-task", "step", "ask-pass", "k", "ask-become-pass", "K",
        "ask-vault-pass", "J")  # fmt: skip
"""Options of ansible-playbook that we give, that change nothing, or that ask."""
CALLBACKS = "~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback"
"""Where Ansible looks for callback plugins unless it is told otherwise."""
FORKS = 100
"""Hosts that one run works on side by side, where `at-once` gives it more: each is a process here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleDeployer(Together):
    """`playbook` brings a host what it is given; `survey` sets the fact `sluicegate_installed`: component -> version.

    Both find the extra variables `sluicegate_environment`, `sluicegate_components` (all of the configuration),
    `sluicegate_versions` (component -> version), `sluicegate_files` and `sluicegate_remove`, and at each host its
    settings as `sluicegate`. The inventory is made of ours, `inventories` are read before it.
    """

    environment: str
    config: Config
    playbook: str
    questions: str
    trial: bool
    inventories: tuple[str, ...]
    options: tuple[str, ...]
    limit: timedelta
    proof: Proof

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> AnsibleDeployer:
        """Read `playbook`, `survey`, `check`, `inventory`, `options`, `limit` and `timeout`."""
        settings.only("playbook", "survey", "check", "inventory", "options", "limit", "timeout")
        playbook, survey = _playbook(settings, "playbook"), _playbook(settings, "survey")
        options = settings.texts("options")
        for word in options:
            if (option := re.match(r"--?([A-Za-z-]+)", word)) and option[1] in OURS:
                raise settings.fail(
                    f"'options' has '{word}', which is ours to give; see 'check', 'inventory', 'limit'", "options"
                )
        proof = Proof(
            config=config, seconds=settings.span("timeout", "30 s").total_seconds(),
            asking=lambda component: f"the playbook {survey} says so", log=lambda component: "see its log there",
        )  # fmt: skip
        return cls(
            environment=name, config=config, playbook=playbook, questions=survey,
            trial=settings.flag("check", default=True), inventories=settings.texts("inventory"), options=options,
            limit=settings.span("limit", "30 min"), proof=proof,
        )  # fmt: skip

    def ask(self, hosts: Sequence[Host]) -> Mapping[str, Said]:
        return self._run([self.questions], [(host, {}) for host in hosts], asking=True)

    def attempt(self, work: Work) -> Mapping[str, Said]:
        """The playbook in check mode, where it can be run so."""
        if not self.trial:
            return {host.name: Said() for host, _ in work}
        return self._run([self.playbook], work, "--check")

    def change(self, work: Work) -> Mapping[str, Said]:
        return self._run([self.playbook, self.questions], work, asking=True)

    def _run(self, playbooks: Sequence[str], work: Work, *more: str, asking: bool = False) -> dict[str, Said]:
        hosts = [host.name for host, _ in work]
        self._refuse_ambiguous(hosts)
        for file in (*playbooks, *self.inventories):
            if not Path(file).exists():
                raise UsageError(f"there is no {file} in {Path.cwd()}", hint="check it out there, or correct its path")
        with scratch() as folder:
            lines = folder / "results"
            words = self._words(folder, playbooks, hosts)
            (folder / "variables.json").write_text(json.dumps(self._variables(work)))
            failure = self._failure([*words, *more], lines)
            run = results.Run(
                playbooks=playbooks, survey=self.questions if asking else "", components=[*self.config.components],
                failure=failure,
            )  # fmt: skip
            return run.judged(lines.read_bytes() if lines.exists() else b"", hosts)

    def _words(self, folder: Path, playbooks: Sequence[str], hosts: Sequence[str]) -> list[str]:
        """The command, once the files that it names are written."""
        end = {"name": "sluicegate", "hosts": "all", "gather_facts": False, "tags": ["always"],
               "tasks": [{"name": results.END, "ansible.builtin.debug": {"msg": "done"}}]}  # fmt: skip
        plays = [play for file in playbooks for play in ({"import_playbook": str(Path(file).absolute())}, end)]
        (folder / "run.yml").write_text(json.dumps(plays))
        (folder / "inventory.json").write_text(json.dumps(self._inventory()))
        (folder / "hosts").write_text("".join(f"{host}\n" for host in hosts))
        inventories = [f"--inventory={file}" for file in (*self.inventories, folder / "inventory.json")]
        return [
            _program(), *self.options, *inventories, f"--limit=@{folder / 'hosts'}",
            f"--forks={min(len(hosts), FORKS)}", f"--extra-vars=@{folder / 'variables.json'}", str(folder / "run.yml"),
        ]  # fmt: skip

    def _failure(self, words: Sequence[str], lines: Path) -> SluicegateError | None:
        """Run it; why it did not end well."""
        seconds = self.limit.total_seconds()
        there = os.environ.get("ANSIBLE_CALLBACK_PLUGINS", CALLBACKS)
        mine = os.path.dirname(callback.__file__)
        environment = {"ANSIBLE_CALLBACK_PLUGINS": f"{mine}:{there}", "SLUICEGATE_RESULTS": str(lines),
                       "ANSIBLE_NOCOLOR": "1", "ANSIBLE_RETRY_FILES_ENABLED": "0"}  # fmt: skip
        try:
            done = process.run(words, env=environment, timeout=seconds, check=False, bound=True)
        except TimedOut:
            return TimedOut(f"{self.playbook} did not end within {seconds:g} seconds", hint="or raise 'limit'")
        if done.status == 0:
            return None
        output_lines = [line.strip() for line in (done.error_text or done.text).splitlines() if line.strip()]
        complaint = (
            "; ".join(line for line in output_lines if "[WARNING]" not in line)
            or "; ".join(output_lines)
            or "it printed nothing"
        )
        return SluicegateError(
            f"ansible-playbook ended with status {done.status}: {complaint[-1500:]}",
            hint=f"try it by hand: ansible-playbook --syntax-check {self.playbook}",
        )

    def _variables(self, work: Work) -> dict[str, Json]:
        releases = {name: release for _, wanted in work for name, release in wanted.items() if release}
        remove = {name for _, wanted in work for name, release in wanted.items() if release is None} - set(releases)
        return {
            "sluicegate_environment": self.environment, "sluicegate_components": [*self.config.components],
            "sluicegate_versions": {name: release.version for name, release in releases.items()},
            "sluicegate_files": {name: files_of(release) for name, release in releases.items()},
            "sluicegate_remove": sorted(remove),
        }  # fmt: skip

    def _inventory(self) -> dict[str, Json]:
        """All our hosts and groups, as Ansible reads them from YAML."""
        hosts: dict[str, dict[str, Json]] = {n: _variables_of(n, spec) for n, spec in self.config.hosts.items()}
        groups: dict[str, Json] = {
            name: {"hosts": {host: {} for host in members}}
            for name, members in self.config.groups.items()
            if name != "all"
        }
        for name, settings in self.config.variables.items():
            hosts.setdefault(name, {}).setdefault("sluicegate", {})["variables"] = dict(settings)
        return {"all": {"hosts": hosts, "children": groups}}

    def _refuse_ambiguous(self, hosts: Sequence[str]) -> None:
        """A name that is a group's too would bring the whole group into the run."""
        both = [host for host in hosts if host in self.config.groups or host in ("all", "ungrouped")]
        if both:
            raise UsageError(f"'{both[0]}' is a host and a group, which Ansible cannot tell apart", hint="rename one")


def _variables_of(host: str, spec: DriverSpec) -> dict[str, Json]:
    """How Ansible reaches a host of ours, and what only playbooks of ours read."""
    values = spec.settings.values
    known: dict[str, Json] = {"sluicegate": {key: values[key] for key in ("ports", "folder") if key in values}}
    if spec.driver == "local":
        return {**known, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    arguments = ["-oBatchMode=yes", *([f"-oProxyJump={values['jump']}"] if "jump" in values else [])]
    return {
        **known, "ansible_host": values.get("address", host), "ansible_ssh_common_args": " ".join(arguments),
        **{f"ansible_{key}": values[key] for key in ("user", "port") if key in values},
    }  # fmt: skip


def _playbook(settings: Settings, key: str) -> str:
    name = settings.text(key)
    if not re.fullmatch(r"[^-\0][^\0]*\.(yml|yaml)", name):
        raise settings.fail(f"'{key}' is '{name}', expected a playbook such as deploy.yml")
    return name


def _program() -> str:
    """The one of our own environment, where the extra brought it, else the one on PATH."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("ansible-playbook")
    if program is None:
        raise MissingProgram("ansible-playbook is not installed", hint=extras.install("ansible"))
    return program
