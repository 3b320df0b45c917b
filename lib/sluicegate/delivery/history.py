"""What happened to a component or in an environment, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery.state import State
from sluicegate.errors import UsageError
from sluicegate.model.ledger import stamp
from sluicegate.model.settings import suggestion
from sluicegate.model.values import Json, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record with what it is about: `auth=1.4.2`, or an environment's name."""

    subject: str
    record: Record

    def summary(self) -> str:
        """The record in a few words."""
        r = self.record
        words = {
            "built": lambda: f"built from {str(r.get('commit'))[:12] or 'an unnamed commit'}",
            "deployed": lambda: f"deployed in {r.get('env')} on {r.get('group')}" if r.get("env") else "deployed",
            "tests": lambda: f"{r.get('suite')} in {r.get('env')}: {r.get('passed')} passed, {r.get('failed')} failed",
            "approval": lambda: f"approved for {r.get('env')} as {r.get('role')}",
            "rejection": lambda: f"rejected for {r.get('env')} as {r.get('role')}",
            "veto": lambda: "vetoed" + (f" from {r.get('env')} on" if r.get("env") else ""),
            "unveto": lambda: "veto lifted" + (f" in {r.get('env')}" if r.get("env") else ""),
            "pinned": lambda: f"pinned in {r.get('env')} by {r.get('how')}",
            "unpinned": lambda: f"unpinned in {r.get('env')}",
            "held": lambda: f"held in {r.get('env')}",
            "unheld": lambda: f"no longer held in {r.get('env')}",
            "started": lambda: f"{r.get('suite')} started in {r.get('env')}",
            "swap": lambda: f"swap{' back' if r.get('back') else ''}: {r.get('idle')} -> {r.get('live')}",
            "intent": lambda: f"{r.get('verb')} begun",
            "failed": lambda: "failed",
            "done": lambda: "done",
        }
        text = words[r.what]() if r.what in words else r.what
        why = str(r.get("why"))
        return f"{text}: {why}" if why else text

    def json(self) -> Json:
        """The shape of an entry of `history --json`."""
        by = {"user": self.record.by.user, "source": self.record.by.source, "verified": self.record.by.verified}
        head = {"subject": self.subject, "at": stamp(self.record.at), "what": self.record.what}
        return {**head, **self.record.facts, "id": self.record.id, "after": self.record.after, "by": by}


def history(state: State, name: str = "") -> tuple[Entry, ...]:
    """All records about a component or an environment; of everything when `name` is ''. Newest first."""
    known = [*state.config.components, *state.config.environments]
    if name and name not in known:
        raise UsageError(f"no component or environment is called '{name}'.{suggestion(name, known)}")
    entries = []
    for component in state.config.components:
        if name in ("", component):
            entries += [
                Entry(subject=f"{component}={version}", record=record)
                for version in state.versions(component)
                for record in state.story(component, version)
            ]
    for environment in state.config.environments:
        if name in ("", environment):
            entries += [Entry(subject=environment, record=record) for record in state.chronicle(environment)]
    return tuple(sorted(entries, key=lambda entry: entry.record.at, reverse=True))
