"""Evidence that people and jobs bring: test runs, approvals and rejections, vetoes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sluicegate.delivery.book.actor import check_judgement, refuse_stranger
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.moves import gating
from sluicegate.errors import Malformed, UsageError
from sluicegate.model.config import Config
from sluicegate.model.evidence import Approval, Rejection, Tests, Unveto, Veto, Vetoing
from sluicegate.model.settings import suggestion
from sluicegate.model.story import Story, lifting, unlifted, vetoed
from sluicegate.model.values import Actor
from sluicegate.tools import files
from sluicegate.tools.reports import reportfiles, testreports


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """The sums of test reports; a test that errored counts as failed, one that did not run as skipped.

    `digest` names the files' content; `notes` say what somebody must know of single files.
    """

    passed: int
    failed: int
    skipped: int
    digest: str
    notes: tuple[str, ...] = ()


def read_junit(paths: Sequence[Path]) -> TestRun:
    """Add up JUnit reports: files, patterns, folders. A report that can't be read is a failed test.

    Raises UnknownName when a name means no file, Malformed when there is no test at all.
    """
    if not paths:
        raise UsageError("no JUnit file was named")
    passed = failed = skipped = 0
    digest = hashlib.sha256()
    notes = []
    for path in reportfiles.named(paths):
        report = _report(path, digest)
        tests = testreports.tally(report.suites)
        passed, failed, skipped = passed + tests.passed, failed + tests.failed, skipped + tests.skipped
        if report.note:
            notes.append(f"{path} {report.note}")
    if passed + failed + skipped == 0:
        names = ", ".join(map(str, paths))
        raise Malformed(f"{names}: no test case is in it; an empty run is no evidence")
    return TestRun(passed=passed, failed=failed, skipped=skipped, digest=digest.hexdigest(), notes=tuple(notes))


def _report(path: Path, digest: hashlib._Hash) -> testreports.Report:
    """What stands in the file; its content is added to the digest."""
    try:
        digest.update(bytes.fromhex(files.sha256(path)))
        with path.open("rb") as stream:
            return testreports.read(stream, str(path))
    except OSError as problem:
        digest.update(str(path).encode(errors="replace"))
        return testreports.unreadable(str(path), f"cannot be read: {problem.strerror or problem}")


def record_tests(
    repo: DeliveryRepo, component: str, version: str, environment: str, suite: str, run: TestRun, *,
    dry_run: bool = False,
) -> None:  # fmt: skip
    """Record a run of `suite` against the environment, on the set that it has now."""

    def decide(state: State, draft: Draft) -> None:
        place = state.config.environment(environment)
        manifest = state.manifest(component, version)
        standing = state.effective(place)
        here = standing.installed.get(component) if standing else None
        if standing is None or here is None or here.manifest != manifest:
            there = f"it has {here.version}" if here else "it has none"
            raise UsageError(f"{component}={version} is not deployed in {environment} ({there}), so nothing was tested")
        if state.unsure(place, standing.group):
            raise UsageError(
                f"the last deploy to {environment} failed, so nobody knows what was tested there",
                hint=f"sluicegate sync {environment}, then test again",
            )
        if not draft.by.source.startswith("http"):  # outside of a build the files' content tells one run from another
            draft.by = replace(draft.by, source=f"junit:{run.digest[:16]}")
        tests = Tests(
            env=environment, suite=suite, set=standing.set_name, manifest=manifest, passed=run.passed,
            failed=run.failed, skipped=run.skipped,
        )  # fmt: skip
        draft.note(component, version, tests)

    outcome = f"{run.passed} passed, {run.failed} failed"
    repo.change(decide, f"record tests {component}={version} in {environment}: {suite}: {outcome}", dry_run=dry_run)


def judge(
    repo: DeliveryRepo, component: str, version: str, environment: str, role: str, *, approve: bool, why: str,
    dry_run: bool = False,
) -> None:  # fmt: skip
    """Approve or reject a version for an environment in a role. Raises GateRefused for who is not in the role."""
    kind = Approval if approve else Rejection

    def decide(state: State, draft: Draft) -> None:
        state.config.environment(environment)
        wanted = gating.judgement_parameters(component, version, environment, role)
        acting = repo.acting(state)
        check_judgement(acting.build, state.config.role(role), "approve" if approve else "reject", wanted)
        draft.by = acting.person
        manifest = state.manifest(component, version)
        refuse_stranger(state.membership, draft.by, state.config.role(role))
        judgement = kind(env=environment, role=role, manifest=manifest, why=why)
        if approve:
            gating.refuse_uncounted(state, component, version, replace(judgement, by=draft.by, at=state.now))
        draft.note(component, version, judgement)

    repo.change(decide, f"{kind.what} of {component}={version} to {environment} as {role}", why=why, dry_run=dry_run)


def unasked_role(config: Config, environment: str, role: str) -> str:
    """What to say of a judgement that no gate of the environment asks for; '' when one does."""
    gates = config.environments[environment].gates
    if any(gate.driver == "approval" and gate.settings.values.get("role") == role for gate in gates):
        return ""
    return f"no gate of {environment} asks for the role '{role}', so this is recorded and changes nothing"


def unasked_suite(config: Config, suite: str) -> str:
    """What to say of a test run that no gate asks for and nothing starts; '' when one does."""
    known = {after.name for environment in config.environments.values() for after in environment.after}
    known |= {
        str(gate.settings.values["suite"])
        for environment in config.environments.values()
        for gate in environment.gates
        if "suite" in gate.settings.values
    }
    if suite in known or not known:
        return ""
    return (
        f"no gate asks for the suite '{suite}', so this is recorded and changes nothing.{suggestion(suite, [*known])}"
    )


def veto(
    repo: DeliveryRepo, component: str, version: str, environment: str, *, lift: bool, why: str, dry_run: bool = False
) -> None:
    """Say, or take back, that a version must not go further; from `environment` on, or everywhere when it is ''."""
    kind = Unveto if lift else Veto

    def decide(state: State, draft: Draft) -> None:
        if environment:
            state.config.environment(environment)
        story = state.known_story(component, version)
        standing = [spoken.by for spoken in unlifted(story, environment)] if lift else []
        draft.by = repo.said_by(state, "unveto" if lift else "veto", against=standing)
        if lift:
            _refuse_unvetoed(story, component, version, environment, draft.by)
        draft.note(component, version, kind(env=environment, why=why))

    repo.change(
        decide,
        f"{kind.what} {component}={version}" + (f" in {environment}" if environment else ""),
        why=why,
        dry_run=dry_run,
    )


def _refuse_unvetoed(story: Story, component: str, version: str, environment: str, by: Actor) -> None:
    """Raise UsageError when no such veto stands; a step that runs again may lift again what it has lifted."""
    last = story.latest(Vetoing, env=environment)
    if last is not None and (isinstance(last, Veto) or last.by.source == by.source):
        return
    what = f"{component}={version}"
    standing = vetoed(story, dict.fromkeys(spoken.env for spoken in story.of(Vetoing)))
    if standing is None:
        raise UsageError(f"{what} is not vetoed", hint=f"sluicegate history {component}")
    where = f"from {standing.env} on" if standing.env else "everywhere"
    raise UsageError(f"{what} is vetoed {where}", hint=lifting(component, version, standing))
