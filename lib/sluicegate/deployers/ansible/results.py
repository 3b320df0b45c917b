"""What a run of ansible-playbook says of each host, by the lines of our callback plugin and never by its status alone.

The status is 2 when one host of fifty failed, 0 when a playbook was meant for none of them, and a host on which nothing
failed may have been cut off because others did. So after each playbook comes a play of ours, and a host is done when it
was part of every playbook and came to the last of these; what failed on it before was rescued or ignored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sluicegate.deployers.together import Said, versions_in
from sluicegate.errors import Malformed, RemoteUnavailable, SluicegateError, TimedOut
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome
from sluicegate.model.values import Installed, Json

END = "sluicegate: the end of a playbook"
"""The task of our plays."""


@dataclass(kw_only=True)
class Events:
    """What happened on one host. `trouble`: the failures in their order, and whether the host was unreachable.

    `touched`: the playbooks, by their number in the run, that had tasks for it; `ended`: how many it came through.
    `answers`: what was set as the fact `sluicegate_installed`.
    """

    touched: set[int] = field(default_factory=set)
    ended: int = 0
    last_task: str = ""
    trouble: list[tuple[bool, str]] = field(default_factory=list)
    answers: list[Json] = field(default_factory=list)

    def note(self, row: dict[str, Json]) -> None:
        task, what = str(row.get("task")), row.get("what")
        if task == END:
            self.ended += what == "ok"
            return
        self.touched.add(self.ended)
        self.last_task = task
        if what in ("failed", "unreachable"):
            self.trouble.append((what == "unreachable", f"{task}: {row.get('why')}"))
        if "installed" in row:
            self.answers.append(row["installed"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that has ended. `survey` is the last of its playbooks where that says what a host has, else ''.

    `failure`: why the run as a whole did not end well, None where it did.
    """

    playbooks: Sequence[str]
    survey: str
    components: Sequence[str]
    failure: SluicegateError | None

    def judged(self, lines: bytes, hosts: Collection[str]) -> dict[str, Said]:
        """What became of each host, by the callback's lines. A line that the end of the run cut off says nothing."""
        events = {host: Events() for host in hosts}
        for row in _rows(lines):
            if host := events.get(str(row.get("host"))):
                host.note(row)
        explained = any(host.trouble and not self._came_through(host) for host in events.values())
        run = replace(self, failure=None) if explained and not isinstance(self.failure, TimedOut) else self
        return {name: run._said(name, host) for name, host in events.items()}

    def _came_through(self, host: Events) -> bool:
        return host.ended >= len(self.playbooks)

    def _said(self, name: str, host: Events) -> Said:
        if not self._came_through(host):
            return Said(outcome=self._broken_off(name, host))
        try:
            self._refuse_untouched(name, host)
            if self.failure is not None:
                raise self.failure
            remark = "; ".join(f"ignored: {why}" for _, why in host.trouble)
            standing = self._standing(name, host) if self.survey else {}
        except SluicegateError as problem:
            return Said(outcome=Outcome.of(problem))
        return Said(outcome=replace(DONE, remark=remark), installed=standing)

    def _broken_off(self, name: str, host: Events) -> Outcome:
        if host.trouble:
            unreachable, why = host.trouble[-1]
            kind = RemoteUnavailable if unreachable else SluicegateError
            hint = "look at the network and at Ansible's way there" if unreachable else "its words are the playbook's"
            return Outcome.of(kind(f"the host '{name}': {why}", hint=hint))
        if self.failure is not None:
            return Outcome.of(self.failure)
        if not host.touched:
            return NOT_STARTED
        text = f"the host '{name}' was cut off after the task '{host.last_task}', as others failed"
        return Outcome.of(SluicegateError(text, hint="mend these, then run the same again"))

    def _refuse_untouched(self, name: str, host: Events) -> None:
        for number, playbook in enumerate(self.playbooks):
            if number not in host.touched:
                message = f"{playbook} has no task for the host '{name}'"
                raise SluicegateError(message, hint="look at its 'hosts:'; the inventory has our groups")

    def _standing(self, name: str, host: Events) -> dict[str, Installed]:
        if not host.answers:
            text = f"{self.survey} set no fact 'sluicegate_installed' on the host '{name}'"
            raise Malformed(text, hint="docs/how-to/deployers.md has an example")
        try:
            return versions_in(host.answers[-1], self.components)
        except ValueError as problem:
            raise Malformed(f"the fact 'sluicegate_installed' of the host '{name}': {problem}") from problem


def _rows(lines: bytes) -> Iterator[dict[str, Json]]:
    for line in lines.split(b"\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row
