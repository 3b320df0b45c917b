"""What an installation starts: jobs of the build server, or commands; fired and recorded, not waited for."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.applying import Say
from sluicegate.delivery.changes.planning import Plan, Step, Transaction
from sluicegate.errors import NotFound, UsageError
from sluicegate.model import evidence
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Deployed, Tests
from sluicegate.tools import jenkins, logs, process


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Something that the installation starts for one component. `addresses`: where every component answers."""

    name: str
    component: str
    version: str
    environment: str
    set_name: str
    job: str
    command: tuple[str, ...]
    addresses: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name} of {self.component}={self.version}"


def what_starts(state: State, plan: Plan) -> tuple[Started, ...]:
    """For each component that changed, and for those that are a new set together with what changed."""
    environment = state.config.environment(plan.environment)
    standing = state.group_state(environment, plan.group)
    changed = {step.component for step in plan.steps if step.after} | _unproven(state, environment, plan)
    addresses = _addresses(state, plan)
    return tuple(
        Started(
            name=after.name,
            component=component,
            version=plan.target[component],
            environment=environment.name,
            set_name=standing.set_name if standing else "",
            job=after.job.replace("{component}", component),
            command=tuple(word.replace("{component}", component) for word in after.command),
            addresses=addresses,
        )
        for after in environment.after
        for component in state.config.in_order(changed)
    )


def left_to_start(state: State, name: str) -> tuple[Started, ...]:
    """What the last deployment should have started on the set that stands there, and did not: its command died."""
    environment = state.config.environment(name)
    standing = state.effective(environment)
    if standing is None or standing.environment != name:
        return ()
    record = standing.record
    target = {component: here.version for component, here in standing.installed.items()}
    changed = [
        component
        for component, version in target.items()
        if state.story(component, version).has(Deployed, of=record.of)
    ]
    steps = tuple(Step(host="", component=component, before="", after=target[component]) for component in changed)
    plan = Plan(environment=name, group=standing.group, target=target, batches=((Transaction(host="", steps=steps),),))
    return tuple(consequence for consequence in what_starts(state, plan) if not _was_started(state, consequence))


def _was_started(state: State, consequence: Started) -> bool:
    story = state.story(consequence.component, consequence.version)
    return story.has(
        evidence.Started, Tests, env=consequence.environment, suite=consequence.name, set=consequence.set_name
    )


def _unproven(state: State, environment: Environment, plan: Plan) -> set[str]:
    """Components that differ from the production that swaps with this environment: its gates want the set together."""
    unproven: set[str] = set()
    for after in state.config.environments.values():
        if after.swaps_with == environment.name:
            pins = state.pins(after.name)
            unproven |= {name for name, v in plan.target.items() if name not in pins or pins[name].version != v}
    return unproven


def _addresses(state: State, plan: Plan) -> dict[str, str]:
    """`AUTH_URL` and the like: each component that has a port on the first host of the group that is not out."""
    hosts = state.config.groups[plan.group]
    first = next((name for name in hosts if name not in plan.out), hosts[0])
    host = state.drivers.host(state.config, first)
    addresses = {}
    for name in plan.target:
        with suppress(NotFound):  # a package without a port is a library, say
            addresses[f"{name.upper().replace('-', '_').replace('.', '_')}_URL"] = host.address(name)
    return addresses


def start(repo: DeliveryRepo, consequence: Started, *, wait: bool, say: Say) -> bool:
    """Start it and record that. A command is followed to its end with `wait`; False when it failed."""
    well, where = True, ""
    run = consequence.job or " ".join(consequence.command)
    if consequence.job:
        _start_job(repo.state(), consequence, say)
    else:
        say(f"starting {consequence}: {run}")
        if wait:
            well = process.follow(consequence.command, env=_environment(repo, consequence)) == 0
        else:
            log = logs.new_log(consequence.name)
            process.start(consequence.command, cwd=Path.cwd(), env=_environment(repo, consequence), log=log)
            where = f"{platform.node()}:{log}"
            say(f"its output goes to {log}")

    # Record it after it began: what is not on record is started once more, rather than never.
    started = evidence.Started(
        env=consequence.environment, suite=consequence.name, set=consequence.set_name, run=run, log=where
    )

    def decide(state: State, draft: Draft) -> None:
        draft.note(consequence.component, consequence.version, started)

    repo.change(decide, f"{consequence.environment}: started {consequence}")
    return well


def _start_job(state: State, consequence: Started, say: Say) -> None:
    if state.config.jenkins is None:
        raise UsageError(f"{consequence}: the job '{consequence.job}' needs 'jenkins: {{url: ...}}' in sluicegate.yaml")
    addresses = " ".join(f"{name}={url}" for name, url in consequence.addresses.items())
    parameters = {
        "COMPONENT": consequence.component,
        "VERSION": consequence.version,
        "ENVIRONMENT": consequence.environment,
        "ADDRESSES": addresses,
    }
    place = jenkins.start_job(state.config.jenkins, consequence.job, parameters)
    say(f"started {consequence}: the job {consequence.job} ({place or 'queued'})")


def _environment(repo: DeliveryRepo, consequence: Started) -> dict[str, str]:
    """What a command is started with: all that we have, and what it may want to know."""
    return {
        **os.environ,
        **consequence.addresses,
        "SLUICEGATE_COMPONENT": consequence.component,
        "SLUICEGATE_VERSION": consequence.version,
        "SLUICEGATE_ENVIRONMENT": consequence.environment,
        "SLUICEGATE_REPO": repo.store.location,
    }
