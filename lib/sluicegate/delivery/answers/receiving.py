"""A push as a receiving hook sees it: what the branches would say, and what no push may do to the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial

from sluicegate.delivery.book import current, order, resolving, versions
from sluicegate.delivery.book.additions import Changed, changed, refuse_rewritten
from sluicegate.delivery.book.annals import Annals
from sluicegate.delivery.book.current import Index
from sluicegate.delivery.book.state import CONFIG_FILE, FORM, LEDGER, MAIN, State
from sluicegate.errors import GateRefused, Malformed
from sluicegate.model import ledgerfiles

RANGE = re.compile(r"[0-9a-f]{40,64}\.\.[0-9a-f]{40,64}")


class Pushed(State):
    """What the delivery repo would say with these commits at the tips of its branches, as a receiving hook asks."""

    def __init__(self, state: State, ranges: Iterable[str]) -> None:
        super().__init__(state.store, state.drivers, state.now)
        for text in ranges:
            if not RANGE.fullmatch(text):
                raise Malformed(f"'{text}' is no range; expected OLD..NEW, two ids of commits")
            before, _, commit = text.partition("..")
            if not commit.strip("0"):
                raise GateRefused("a branch of the delivery repo is to be deleted", hint="nothing needs that")
            branch = self._branch(state.tips, before, commit)
            if before.strip("0"):
                self._refuse_rewound(branch, before, commit)
                self._refuse_misread(before, commit)
            if branch == LEDGER and before.strip("0"):
                changes = changed(self.store, before, commit)
                refuse_rewritten(self.store, before, commit, changes, self.now)
                self._refuse_hidden(commit, changes)
                self._refuse_misleading(before, commit, changes)
            self.tips = {**self.tips, branch: commit}

    def _branch(self, tips: Mapping[str, str], before: str, commit: str) -> str:
        """The branch that is pushed to: the one that is there. What its new files are, whoever pushes chooses."""
        there = [branch for branch in (LEDGER, MAIN) if before == tips[branch]]
        there += [branch for branch in (LEDGER, MAIN) if commit == tips[branch]]  # a check of what was pushed before
        if not there and before.strip("0"):
            there = [branch for branch, tip in tips.items() if tip and self.store.descends(tip, before)]
        elif not there:  # a branch that is begun
            there = [branch for branch in (LEDGER, MAIN) if not tips[branch]]
            if len(there) > 1:
                there = [LEDGER if self.store.read(commit, CONFIG_FILE) is None else MAIN]
        if not there:
            raise GateRefused(f"{before[:12]} is in the history of neither '{MAIN}' nor '{LEDGER}'")
        return there[0]

    def _refuse_rewound(self, branch: str, before: str, commit: str) -> None:
        """Raise GateRefused for a push that takes commits away."""
        if not self.store.descends(commit, before):
            raise GateRefused(f"the history of '{branch}' is to be rewound", hint="git pull --rebase, and push again")

    def _refuse_misread(self, before: str, commit: str) -> None:
        """Raise IntegrityError for a folder that two readers could read differently."""
        without = ("--no-object-names", "--filter=blob:none")
        listed = self.store.git("rev-list", "--objects", *without, commit, f"^{before}")
        self.store.read_folders(listed.text.split())

    def _refuse_hidden(self, commit: str, changes: Changed) -> None:
        """Raise GateRefused for a short list that leaves out a newest version: `latest` would be an older one."""
        for path in changes.get("newest", ()):
            component = path.rpartition("/")[2].removesuffix(".jsonl")
            lines = self.store.read(commit, path) or b""
            schemes = {scheme for scheme, _ in resolving.LINE.findall(lines.decode("utf-8", "replace"))}
            for scheme in schemes & {*order.SCHEMES}:
                names = self.store.names(commit, f"components/{component}")
                known = versions.sort(scheme, map(ledgerfiles.version_of, names))[-resolving.LENGTH :]
                listed = resolving.read(lines, scheme)
                if listed is not None and (hidden := [version for version in known if version not in listed]):
                    what = f"{path} leaves out {component}={hidden[-1]}"
                    raise GateRefused(what, hint="sluicegate check --repair makes it anew")

    def _refuse_misleading(self, before: str, commit: str, changes: Changed) -> None:
        """Raise GateRefused for an index that leads elsewhere than the one before does with the records that come.

        Who follows it compares it with the newest file: what stands in older ones is only here known to be the last.
        One that was not made from these files is followed by nobody.
        """
        earlier, later = self._annals(before), self._annals(commit)
        for path in changes.get("current", ()):
            environment = path.rpartition("/")[2].removesuffix(".json")
            written = current.read(self.store.read(commit, path))
            history, old_files = later.chronicle(environment), earlier.chronicle(environment).files
            if written is None or written.history != history.digest:
                continue
            expected, known = Index(), set[str]()
            if old_files.keys() <= history.files.keys():  # else an upgrade has cut them
                expected = earlier.index(environment)
                known = {record.id for file in old_files for record in earlier.chronicle(environment).records(file)}
            new = [
                (record, file) for file in history.files for record in history.records(file) if record.id not in known
            ]
            for record, file in sorted(new, key=lambda entry: entry[0].at):
                expected = current.advanced(expected, file, (record,), lambda _: {})
            if _ways(written) != _ways(expected):
                raise GateRefused(f"{path} leads elsewhere than the records", hint="sluicegate check --repair")

    def _annals(self, commit: str) -> Annals:
        """What happened in the environments, at a tip of the ledger."""
        return Annals(
            form=FORM,
            read=partial(self.store.read, commit),
            entries=partial(self.store.entries, commit),
            installed=lambda pins: {},
            notice=lambda text: None,
        )


def _ways(index: Index) -> tuple[object, ...]:
    """Where an index leads; the versions of its sets are compared with the names of the sets."""
    groups = {name: (group.intent, group.deployed) for name, group in index.groups.items()}
    return {*index.open}, index.swap, dict(index.hosts), groups
