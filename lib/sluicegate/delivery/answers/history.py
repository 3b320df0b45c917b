"""What happened to a component or in an environment, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery.book.state import State
from sluicegate.errors import UnknownName
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
        where, scope = r.get("env"), f" from {r.get('env')} on" if r.get("env") else ""
        log = r.get("log")
        words = {
            "built": f"built from {str(r.get('commit'))[:12] or 'an unnamed commit'}",
            "deployed": f"deployed in {where} on {r.get('group')}" if where else f"deployed on {r.get('group')}",
            "tests": f"{r.get('suite')} in {where}: {r.get('passed')} passed, {r.get('failed')} failed",
            "approval": f"approved for {where} as {r.get('role')}",
            "rejection": f"rejected for {where} as {r.get('role')}",
            "veto": f"vetoed{scope}",
            "unveto": f"veto lifted{scope}",
            "pinned": f"pinned in {where} by {r.get('how')}",
            "unpinned": f"unpinned in {where}",
            "held": f"held in {where}",
            "unheld": f"no longer held in {where}",
            "copied": f"copied to {r.get('to')}",
            "pruned": "pruned",
            "removed": "files removed",
            "started": f"{r.get('suite')} started in {where}{f', its output: {log}' if log else ''}",
            "swap": f"swap{' back' if r.get('back') else ''}: {r.get('idle')} -> {r.get('live')}",
            "intent": f"{r.get('verb')} begun",
        }
        text = words.get(r.what, r.what)
        why = " ".join(str(r.get("why")).split())
        return f"{text}: {why}" if why else text

    def json(self) -> Json:
        """The shape of an entry of `history --json`."""
        by = {"user": self.record.by.user, "source": self.record.by.source, "verified": self.record.by.verified}
        head = {"subject": self.subject, "at": stamp(self.record.at), "what": self.record.what}
        return {**head, **self.record.facts, "id": self.record.id, "after": self.record.after, "by": by}


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
                Entry(subject=f"{component}={version}", record=record)
                for version in state.recorded_versions(component)
                for record in state.story(component, version)
                if whole or record.get("env") == name
            ]
    for environment in state.config.environments:
        if name in ("", environment):
            entries += [Entry(subject=environment, record=record) for record in state.chronicle(environment)]
    return tuple(sorted(entries, key=lambda entry: entry.record.at, reverse=True))
