"""A push as a receiving hook sees it: what the branches would say, and what no push may do to the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from sluicegate.delivery.book import current, order, resolving, versions
from sluicegate.delivery.book.annals import Annals
from sluicegate.delivery.book.current import Index
from sluicegate.delivery.book.state import CONFIG_FILE, FORM, LEDGER, MAIN, State
from sluicegate.errors import GateRefused, IntegrityError, Malformed
from sluicegate.model import ledgerfiles

Changed = dict[str, list[str]]  # a folder of the ledger -> the files below it that are others
RECORDS = ("components", "environments", "pruned")
AHEAD = timedelta(days=1)
"""How far the clock of a machine may be ahead."""
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
            branch = LEDGER if self.store.read(commit, CONFIG_FILE) is None else MAIN
            if branch == LEDGER and before.strip("0"):
                changed = self._changed(before, commit)
                self._refuse_rewritten(before, commit, changed)
                self._refuse_hidden(commit, changed)
                self._refuse_misleading(before, commit, changed)
            self.tips = {**self.tips, branch: commit}

    def _refuse_rewritten(self, before: str, commit: str, changed: Changed) -> None:
        """Raise GateRefused for a story that loses a line, or gets one that others could come after only in time.

        Who rejected or vetoed stays on record, and so does what was deployed. Raises IntegrityError for a line that
        nobody could read: every later command would stop at it. One that was there before may be taken away.
        """
        lost = [f"{path}: a table of hosts is written once" for path in changed.get("deploys", ())
                if self.store.read(before, path) is not None]  # fmt: skip
        early: list[str] = []
        stories: dict[str, list[str]] = {}  # what its files say together: an upgrade cuts an environment's
        for folder in RECORDS:
            for path in changed.get(folder, ()):
                name = path.split("/")[1]
                story = f"environments/{name.removesuffix('.jsonl')}" if folder == "environments" else path
                stories.setdefault(story, []).append(path)
        for story, paths in stories.items():
            old, new = self._said(before, paths, torn_too=True), self._said(commit, paths)
            if gone := len(old.keys() - new.keys()):
                lost.append(f"{story}: {gone} of {len(old)} lines would be gone")
            latest = max([self.now, *old.values()]) + AHEAD
            early += [f"{story}: {at:%Y-%m-%d %H:%M} UTC" for line, at in new.items() if at > latest]
        if lost:
            raise GateRefused("records are to be taken away or changed; they are only ever added", reasons=lost)
        if early:
            hint = "set the clock of the machine that wrote them"
            raise GateRefused("records say a time that has not come", reasons=early, hint=hint)

    def _said(self, commit: str, paths: Iterable[str], *, torn_too: bool = False) -> dict[bytes, datetime]:
        """The lines of files at a commit that are records, with their times; some may be torn where that is said."""
        said = {}
        for path in paths:
            for number, line in ledgerfiles.lines(self.store.read(commit, path)):
                try:
                    said[line] = ledgerfiles.record_of(line, f"{path}:{number}").at
                except IntegrityError:
                    if not torn_too:
                        raise
        return said

    def _refuse_hidden(self, commit: str, changed: Changed) -> None:
        """Raise GateRefused for a short list that leaves out a newest version: `latest` would be an older one."""
        for path in changed.get("newest", ()):
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

    def _refuse_misleading(self, before: str, commit: str, changed: Changed) -> None:
        """Raise GateRefused for an index that leads elsewhere than the one before does with the records that come.

        Who follows it compares it with the newest file: what stands in older ones is only here known to be the last.
        One that was not made from these files is followed by nobody.
        """
        earlier, later = self._annals(before), self._annals(commit)
        for path in changed.get("current", ()):
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

    def _changed(self, before: str, commit: str) -> Changed:
        """The files of the ledger's folders that are others."""
        paths = self.store.git("diff", "--name-only", "-z", "--no-renames", before, commit)
        changed: Changed = {}
        for path in paths.text.split("\0"):
            folder, _, name = path.partition("/")
            if name:
                changed.setdefault(folder, []).append(path)
        return changed


def _ways(index: Index) -> tuple[object, ...]:
    """Where an index leads; the versions of its sets are compared with the names of the sets."""
    groups = {name: (group.intent, group.deployed) for name, group in index.groups.items()}
    return {*index.open}, index.swap, dict(index.hosts), groups
