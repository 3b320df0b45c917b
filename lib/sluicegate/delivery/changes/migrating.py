"""Run the steps of schema changes, once a deploy and from one place; each is on record before anything else happens.

The deploy's open intent is the lock: nobody else changes this environment meanwhile, nor the one that it swaps with.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.planning import Plan
from sluicegate.delivery.moves import schema
from sluicegate.errors import SluicegateError, TimedOut, UsageError
from sluicegate.model.config import After, Config
from sluicegate.model.evidence import Migrated
from sluicegate.tools import process
from sluicegate.tools.scratch import scratch

SHOWN = 1000
"""Characters of what a step printed that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The schema changes of one deploy; `say` takes progress."""

    repo: DeliveryRepo
    plan: Plan
    say: Callable[[str], None]

    def expand(self) -> None:
        """Expand the schemas before any host changes. Raises SluicegateError: then none does."""
        state = self.repo.state()
        environment = state.config.environment(self.plan.environment)
        schema.refuse_below(state, environment, self.plan.target)
        self._run_all(state, "expand", schema.to_expand(state, environment, self.plan.target))

    def verify(self) -> None:
        """Verify the schemas once the hosts have the version."""
        state = self.repo.state()
        environment = state.config.environment(self.plan.environment)
        self._run_all(state, "verify", schema.to_verify(state, environment, self.plan.target))

    def contract(self, behind: Mapping[str, object]) -> None:
        """Where no host is below the version any more; `behind`: the hosts that this deploy did not reach."""
        state = self.repo.state()
        environment = state.config.environment(self.plan.environment)
        due = schema.to_contract(state, environment, self.plan.group, self.plan.target, behind)
        self._run_all(state, "contract", due)

    def _run_all(self, state: State, step: str, versions: Mapping[str, str]) -> None:
        for component, version in versions.items():
            began = time.monotonic()
            self.say(f"{self.plan.environment}: schema of {component} {version}: {step}")
            self._run(state, step, component, version)
            seconds = round(time.monotonic() - began)
            record = Migrated(component=component, version=version, step=step, seconds=seconds, group=self.plan.group)
            self._note(record)

    def _note(self, record: Migrated) -> None:
        def decide(state: State, draft: Draft) -> None:
            draft.note_environment(self.plan.environment, record)

        subject = f"{self.plan.environment}: schema of {record.component} {record.version}: {record.step}"
        self.repo.change(decide, subject)

    def _run(self, state: State, step: str, component: str, version: str) -> None:
        spec = state.component(component).schema
        assert spec is not None
        what = spec.steps[step]
        subject = f"schema of {component} {version}: {step}"
        with scratch() as folder:
            files = fetch(state, component, version, folder / "files").folder
            words, more = _command(state.config, what, component, version, self.plan.environment, files)
            try:
                done = process.run(words, env=more, timeout=spec.timeout.total_seconds(), check=False)
            except TimedOut as problem:
                raise TimedOut(
                    f"{subject} was not ready after {spec.timeout}", hint="see what it waits for"
                ) from problem
        if done.status != 0:
            output = (done.error_text or done.text.strip())[-SHOWN:]
            raise SluicegateError(f"{subject} ended with status {done.status}: {output}")


def planned(state: State, plan: Plan) -> tuple[str, ...]:
    """What a deploy of this plan would run, a line each, if all goes well. Raises GateRefused for what is too low."""
    environment = state.config.environment(plan.environment)
    schema.refuse_below(state, environment, plan.target)
    expanding = schema.to_expand(state, environment, plan.target)
    return tuple(f"schema of {component} {version}: expand" for component, version in expanding.items())


def _command(
    config: Config, what: After, component: str, version: str, environment: str, files: Path
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words to run, and what they find in their environment beside ours."""
    facts = {"COMPONENT": component, "VERSION": version, "ENVIRONMENT": environment}
    more = {f"SLUICEGATE_{name}": value for name, value in facts.items()} | {"SLUICEGATE_FILES": str(files)}
    if what.command:
        return what.command, more
    if config.jenkins is None:
        raise UsageError(f"the job '{what.job}' needs 'jenkins: {{url: ...}}' in sluicegate.yaml")
    server = config.jenkins
    login = {"JENKINS_URL": server.url, "JENKINS_USER": server.user,
             "JENKINS_TOKEN": os.environ.get(server.token_variable, "")}  # fmt: skip
    parameters = [word for name, value in facts.items() for word in ("-p", f"{name}={value}")]
    return (sys.executable, "-m", "sluicegate", "trigger", what.job, *parameters), more | login
