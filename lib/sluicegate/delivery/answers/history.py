"""What happened to a component or in an environment, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sluicegate.delivery.book.state import State
from sluicegate.errors import UnknownName
from sluicegate.model.evidence import (
    Adopted,
    Approval,
    BalancerOut,
    BalancerRecord,
    Batch,
    Built,
    Copied,
    Deployed,
    HostOut,
    HostRecord,
    HostsInstalled,
    HostsReported,
    InEnvironment,
    Intent,
    Judgement,
    Migrated,
    Other,
    PinEvent,
    Pinned,
    Record,
    Removed,
    Started,
    Swapped,
    Tests,
    Unheld,
    Veto,
    Vetoing,
)
from sluicegate.model.settings import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record with what it is about: `auth=1.4.2`, or an environment's name; why it does not count, where so."""

    subject: str
    record: Record
    not_counted: str = ""

    def summary(self) -> str:
        """The record in a few words."""
        text, why = _words(self.record), " ".join(str(getattr(self.record, "why", "")).split())
        sentence = f"{text}: {why}" if why else text
        return f"not counted ({self.not_counted}): {sentence}" if self.not_counted else sentence


def _words(record: Record) -> str:
    match record:
        case Built(commit=commit):
            return f"built from {commit[:12] or 'an unnamed commit'}"
        case Deployed(env=env, group=group):
            return f"deployed in {env} on {group}" if env else f"deployed on {group}"
        case Adopted(env=env, group=group):
            return f"adopted as it is in {env} on {group}"
        case Tests(env=env, suite=suite, passed=passed, failed=failed):
            counts = ["?" if count is None else count for count in (passed, failed)]
            return f"{suite} in {env}: {counts[0]} passed, {counts[1]} failed"
        case Judgement(env=env, role=role):
            return f"{'approved' if isinstance(record, Approval) else 'rejected'} for {env} as {role}"
        case Vetoing(env=env):
            return ("vetoed" if isinstance(record, Veto) else "veto lifted") + (f" from {env} on" if env else "")
        case Pinned(env=env, how=how):
            return f"pinned in {env} by {how}"
        case PinEvent(env=env):
            return f"{'no longer held' if isinstance(record, Unheld) else record.what} in {env}"
        case Copied(to=to):
            return f"copied to {to}"
        case Removed():
            return "files removed"
        case Started(env=env, suite=suite, log=log):
            return f"{suite} started in {env}" + (f", its output: {log}" if log else "")
        case Swapped(back=back, idle=idle, live=live):
            return f"swap{' back' if back else ''}: {idle} -> {live}"
        case Intent(verb=verb, only=only):
            return f"{verb} begun" + (f" for {only}" if only else "")
        case Migrated(component=component, version=version, step=step, seconds=seconds):
            return f"schema of {component} {version}: {step}, {seconds} s"
        case BalancerRecord(name=name):
            return f"balancer {name} {'out' if isinstance(record, BalancerOut) else 'in again'}"
        case Batch(number=number, stage=stage, hosts=hosts, verdict=verdict):
            return f"batch {number} {' '.join(filter(None, (stage, verdict)))}: {', '.join(hosts)}".rstrip(": ")
        case HostsReported(runs=runs):
            word = "installed" if isinstance(record, HostsInstalled) else "not as assigned"
            return f"{word}, by their own reports: {', '.join(runs)}"
        case HostRecord(host=host):
            return f"{host} {'out' if isinstance(record, HostOut) else 'in again'}"
        case Other(kind=kind):
            return kind
    return record.what


def history(state: State, name: str = "") -> tuple[Entry, ...]:
    """All records about a component or an environment; of everything when `name` is ''. Newest first.

    About an environment is also what was said of a version for it: pins, holds, seals, vetoes, tests.
    """
    known = [*state.config.components, *state.config.environments]
    if name and name not in known:
        raise UnknownName(f"no component or environment is called '{name}'.{suggestion(name, known)}")
    entries = []
    for component in state.config.components:
        whole = name in ("", component)
        if whole or name in state.config.environments:
            entries += [
                entry
                for version in state.recorded_versions(component)
                for entry in _told(state, component, version)
                if whole or (isinstance(entry.record, InEnvironment) and entry.record.env == name)
            ]
    for environment in state.config.environments:
        if name in ("", environment):
            entries += [Entry(subject=environment, record=record) for record in state.chronicle(environment)]
    return tuple(sorted(entries, key=lambda entry: entry.record.at, reverse=True))


def _told(state: State, component: str, version: str) -> Iterator[Entry]:
    """All records of a version, those that do not count too."""
    subject = f"{component}={version}"
    for record in state.story(component, version):
        yield Entry(subject=subject, record=record)
    for doubt in state.uncounted(component, version):
        yield Entry(subject=subject, record=doubt.record, not_counted=doubt.reason)
