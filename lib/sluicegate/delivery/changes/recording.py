"""What a deploy leaves in the ledger: the set that its group has, how it ended, what became of every host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.sets import difference
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.planning import Plan
from sluicegate.errors import PartlyDone, SluicegateError
from sluicegate.model import ledgerfiles
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Deployed, Intent
from sluicegate.model.values import Installed, set_name


def record_failure(repo: DeliveryRepo, plan: Plan, intent: Intent, problem: SluicegateError, done: str) -> None:
    """Record what a deploy ended with, and raise it; `done` says what was changed before, '' for nothing."""
    try:
        give_up(repo, plan.environment, intent, problem.message, plan)
    except SluicegateError as second:  # it must not hide what failed first; the intent stays open
        message = f"{problem.message}; and that could not be written down: {second.message}"
        raise PartlyDone(f"{message}{done}", hint="mend that, then: sluicegate resume") from problem
    if not done:
        raise problem
    raise PartlyDone(f"{problem.message}{done}", hint=problem.hint or "mend the cause, then deploy again") from problem


def give_up(repo: DeliveryRepo, environment: str, intent: Intent, reason: str, plan: Plan | None = None) -> None:
    """Record that a deploy has ended before its end, and how far the plan had come where there was one."""

    def decide(state: State, draft: Draft) -> None:
        intents.end(draft, environment, intent, failed=reason, behind=_behind(plan) if plan else {})
        if plan:
            keep_table(draft, plan, intent)

    repo.change(decide, f"{intent.verb} {environment}: failed")


def _behind(plan: Plan) -> dict[str, str]:
    return {host: outcome.ending for host, outcome in plan.behind.items()}


def keep_table(draft: Draft, plan: Plan, intent: Intent) -> None:
    """Write what became of every host, in a file of its own that nobody changes later."""
    steps = {transaction.host: transaction.steps for batch in plan.batches for transaction in batch}
    table = [
        {"host": host, "ending": outcome.ending, "why": outcome.why,
         "steps": [{"component": s.component, "before": s.before, "after": s.after} for s in steps.get(host, ())]}
        for host, outcome in plan.endings.items()
    ]  # fmt: skip
    table += [{"host": host, "ending": "out", "why": why, "steps": []} for host, why in plan.out.items()]
    if plan.endings:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table)
        draft.tables[ledgerfiles.deploy_path(plan.environment, intent.id)] = content.encode()


def record_deployed(state: State, draft: Draft, plan: Plan, intent: Intent) -> None:
    """Record that a deploy has ended well."""
    note_deployed(state, draft, plan, intent)
    intents.end(draft, plan.environment, intent)
    keep_table(draft, plan, intent)


def note_deployed(state: State, draft: Draft, plan: Plan, intent: Intent) -> None:
    """Record that the group has the plan's target, and of each version that came that it did."""
    state.read_stories(plan.target.items())
    manifests = {name: state.manifest(name, version) for name, version in plan.target.items()}
    whole = has_set(state, state.config.environment(plan.environment), plan.group, plan.target, manifests)
    target_set = whole.set
    draft.note_environment(plan.environment, replace(whole, of=intent.id, behind=_behind(plan)))
    moved = {step.component for step in plan.steps}
    for name, version in plan.target.items():
        # a version that came into this environment because its group changed roles counts as well
        if name in moved or not state.story(name, version).has(Deployed, env=plan.environment):
            record = Deployed(
                env=plan.environment, group=plan.group, set=target_set, manifest=manifests[name], of=intent.id
            )
            draft.note(name, version, record)


def has_set(
    state: State, environment: Environment, group: str, target: Mapping[str, str], manifests: Mapping[str, str]
) -> Deployed:
    """The record that says that a group has the target: component -> version, whose manifests are given."""
    the_set = set_name({name: (version, manifests[name]) for name, version in target.items()})
    if state.form == 1:
        components = {name: Installed(version=version, manifest=manifests[name]) for name, version in target.items()}
        return Deployed(group=group, set=the_set, components=components)
    base, changed, before = step_to(state, environment, group, target)
    return Deployed(group=group, set=the_set, base=base, changed=changed, before=before)


def step_to(
    state: State, environment: Environment, group: str, target: Mapping[str, str]
) -> tuple[str, dict[str, str], dict[str, str]]:
    """How the set that a group has becomes the target: the record that says what it has, what changes, what goes."""
    last = state.group_state(environment, group)
    changed, before = difference(last.versions if last else {}, target)
    return last.record.id if last else "", changed, before
