"""changelog.xml of a build: the commits that it was the first to have, in the text that Jenkins' git plugin keeps."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from sluicegate.errors import IntegrityError, Malformed
from sluicegate.runner.records import Record
from sluicegate.runner.scm import urls
from sluicegate.runner.scm.history import Built
from sluicegate.runner.scm.model import Git
from sluicegate.runner.scm.work import WorkTree
from sluicegate.tools import beneath, xml
from sluicegate.tools.process import lines_of

MOST = 1024
"""Commits in one change log, as in the plugin."""
FORMAT = "commit %H%ntree %T%nparent %P%nauthor %an <%ae> %ai%ncommitter %cn <%ce> %ci%n%n%w(0,4,4)%B"
MANY = "multiscm"
PERSON = re.compile(r"(.*) <(.*)> (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})")
EDITS = {"A": "add", "D": "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit. `date` is git's own text; `paths` holds pairs of edit (add, edit, delete) and file."""

    commit: str
    author: str
    email: str
    date: str
    message: str
    paths: tuple[tuple[str, str], ...]

    @property
    def at(self) -> int:
        """Milliseconds since 1970."""
        return int(datetime.strptime(self.date, "%Y-%m-%d %H:%M:%S %z").timestamp() * 1000) if self.date else 0


def text(tree: WorkTree, git: Git, commit: str, before: Built | None) -> str:
    """The commits since the branch's last build, or since the branch that ChangelogToBranch names."""
    since = before.commit if before is not None else ""
    if git.compare_with:
        since = tree.commit(f"refs/remotes/{tree.build.expand(git.compare_with)}")
    if not since:
        tree.build.say("First time build. Skipping changelog.")
        return ""
    words = ["log", "--no-merges", "--raw", "--no-abbrev", "-M", f"--max-count={MOST}", f"--format={FORMAT}"]
    return tree.answer("-c", "core.quotePath=false", *words, f"{since}..{commit}", "--")


def write(record: Record, logs: Sequence[str], gits: Sequence[Git]) -> None:
    """Keep the change log, and in build.xml which of Jenkins' parsers reads it."""
    content = logs[0] or "<log/>"
    author = str(gits[0].author_in_changelog).lower()
    parser = (
        f'<scm class="hudson.plugins.git.GitChangeLogParser" plugin="git"><authorOrCommitter>{author}'
        "</authorOrCommitter><showEntireCommitSummaryInChanges>true</showEntireCommitSummaryInChanges></scm>"
    )
    if len(logs) > 1:
        parts = (
            f'<sub-log scm="git {urls.shown(git.remotes[0].url)}">{escape(log)}</sub-log>'
            for git, log in zip(gits, logs, strict=True)
        )
        content = xml.clean(f"<{MANY}>{''.join(parts)}</{MANY}>")
        parser = '<scm class="org.jenkinsci.plugins.multiplescms.MultiSCMChangeLogParser" plugin="multiple-scms"/>'
    record.changelog_parser = parser
    (record.folder / "changelog.xml").write_text(content, encoding="utf-8", errors="replace")


def read(record: Record) -> list[Change]:
    """The commits that a build was the first to have: of each repository the oldest first, as Jenkins tells them."""
    place = record.folder / "changelog.xml"
    try:
        with beneath.reading(place):
            content = place.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except IntegrityError as problem:
        logging.getLogger(__name__).error("%s", problem)
        return []
    author = "<authorOrCommitter>true" in record.changelog_parser
    if content.startswith("<"):
        try:
            logs = [
                sub_log.text or "" for sub_log in xml.parse(content.encode(), source="changelog.xml").iter("sub-log")
            ]
        except Malformed:
            return []
    else:
        logs = [content]
    return [change for log in logs for change in reversed(list(_changes(log, author)))]


def _changes(log: str, author: bool) -> Iterator[Change]:
    for block in re.split(r"^commit (?=[0-9a-f]{40})", log, flags=re.MULTILINE)[1:]:
        commit, _, rest = block.partition("\n")
        head, _, body = rest.partition("\n\n")
        people = dict(line.partition(" ")[::2] for line in head.split("\n"))
        person = PERSON.fullmatch(people.get("author" if author else "committer", ""))
        lines = lines_of(body)
        message = "".join(f"{line[4:]}\n" for line in lines if not line.startswith(":")).strip("\n") + "\n"
        yield Change(
            commit=commit.split()[0],
            author=person[1] if person else "",
            email=person[2] if person else "",
            date=person[3] if person else "",
            message=message,
            paths=tuple(_paths(line for line in lines if line.startswith(":"))),
        )


def _paths(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """A rename is a file gone and another one come, as the plugin tells it."""
    for line in lines:
        how, *files = line.split("\t")
        letter = how.split()[-1][:1]
        if letter == "R" and len(files) == 2:
            yield from (("delete", files[0]), ("add", files[1]))
        elif files:
            yield EDITS.get(letter, "add" if letter == "C" else "edit"), files[-1]
