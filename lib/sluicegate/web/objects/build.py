"""Builds: their result, changes and artifacts, the console, and what is done to them: stop, keep, describe, delete."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace

from starlette.responses import Response

from sluicegate.errors import Conflict, IntegrityError, UsageError
from sluicegate.model.numbers import INT, whole
from sluicegate.runner import fingerprints
from sluicegate.runner.item import Item
from sluicegate.runner.records import Record
from sluicegate.runner.rights import Right
from sluicegate.runner.scm import changelog, history
from sluicegate.runner.scm.history import Built
from sluicegate.web import call as calls
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path, always, plain
from sluicegate.web.objects import artifact, cause, console, tests
from sluicegate.web.objects import item as items
from sluicegate.web.site import Site

MOST_CHANGES = 100
"""Commits that a build's page shows, the newest first."""


def _item(site: Site, record: Record) -> Item:
    """The job of a build; it may be deleted between one look and the next."""
    item = site.runner.items.job(record.job)
    if item is None:
        raise not_found(f"there is no job {record.job} any more")
    return item


def path(site: Site, record: Record) -> str:
    return f"{_item(site, record).path}{record.number}/"


# -- fields --
def _name(site: Site, record: Record) -> str:
    return record.display_name or f"#{record.number}"


def _estimate(site: Site, record: Record) -> int:
    seconds = _item(site, record).history.average_seconds()
    return -1 if seconds is None else int(seconds * 1000)


def _neighbour(step: int) -> Callable[[Site, Record], Record | None]:
    def find(site: Site, record: Record) -> Record | None:
        history = _item(site, record).history
        numbers = history.numbers()
        index = numbers.index(record.number) + step if record.number in numbers else -1
        return history.get(numbers[index]) if 0 <= index < len(numbers) else None

    return find


def _actions(site: Site, record: Record) -> list[object]:
    return [*cause.actions(record.parameters, record.causes), *(_extra(text) for text in record.extra), {}]


def _extra(text: str) -> object:
    name = re.match(r"<([\w.$-]+)", text)
    cls = name[1].replace("_-", "$") if name else ""
    if cls == "hudson.tasks.junit.TestResultAction":
        numbers = {key: whole(n, most=INT) or 0 for key, n in re.findall(r"<(\w+Count)>([0-9]+)</", text)}
        return plain(cls, urlName="testReport", **numbers)
    if cls == history.TAG and (data := history.read(text)) is not None:
        last = _revision(data.last.commit, data.last.branches) if data.last is not None else None
        branches = {name: _built(build) for name, build in data.by_branch.items()}
        remotes = list(data.remotes)
        return plain(cls, buildsByBranchName=branches, lastBuiltRevision=last, remoteUrls=remotes, scmName=data.name)
    return plain(cls)


def _revision(commit: str, branches: tuple[str, ...]) -> dict[str, object]:
    return {"SHA1": commit, "branch": [{"SHA1": commit, "name": name} for name in branches]}


def _built(build: Built) -> dict[str, object]:
    marked, revision = _revision(build.marked, build.branches), _revision(build.commit, build.branches)
    number = {"buildNumber": build.number, "buildResult": None}
    return {"_class": history.BUILD, **number, "marked": marked, "revision": revision}


def _artifacts(site: Site, record: Record) -> list[object]:
    cls = "hudson.model.Run$Artifact"
    return [
        plain(cls, displayPath=name.rpartition("/")[2], fileName=name.rpartition("/")[2], relativePath=name)
        for name in artifact.names(record)
    ]


def _fingerprints(site: Site, record: Record) -> list[object]:
    texts = [action for action in record.extra if "FingerprintAction" in action]
    marks = [mark for action in texts for mark in re.findall(r"<string>([0-9a-f]{32})</string>", action)]
    return [fingerprint for mark in marks if (fingerprint := _fingerprint(site, mark)) is not None]


def _fingerprint(site: Site, mark: str) -> object | None:
    """A build is shown without one that cannot be read, as by hudson.tasks.Fingerprinter; the log names it."""
    try:
        return fingerprints.read(site.runner.home.path, mark)
    except IntegrityError as problem:
        logging.getLogger(__name__).error("%s", problem)
        return None


def _changes(site: Site, record: Record) -> object:
    rows = [
        plain(
            "hudson.plugins.git.GitChangeSet",
            affectedPaths=[path for _, path in change.paths],
            commitId=change.commit,
            id=change.commit,
            msg=change.message.partition("\n")[0],
            comment=change.message,
            date=change.date,
            authorEmail=change.email,
            timestamp=change.at,
            author={"fullName": change.author, "absoluteUrl": ""},
            paths=[{"editType": edit, "file": path} for edit, path in change.paths],
        )
        for change in changelog.read(record)
    ]
    cls = "hudson.plugins.git.GitChangeSetList" if rows else "hudson.scm.EmptyChangeLogSet"
    return plain(cls, items=rows, kind="git" if rows else None)


# -- pages --
def _page(site: Site, record: Record) -> Response:
    def page() -> str:
        changes = changelog.read(record)[::-1]
        return site.show(
            "build.html",
            changes=changes[:MOST_CHANGES],
            more_changes=max(0, len(changes) - MOST_CHANGES),
            item=_item(site, record),
            record=replace(record),  # As it is now: a page of a build that ends meanwhile must not say both.
            artifacts=artifact.names(record),
            upstream=[cause for cause in record.causes if cause.kind == "upstream"],
            values=[
                (parameter.name, "****" if parameter.secret else parameter.text) for parameter in record.parameters
            ],
            has_tests=tests.exist(record),
        )

    return site.target(page)


def _below(site: Site, record: Record, rest: Path) -> tuple[object, Path] | None:
    if rest[0] == "artifact" and len(rest) > 1:
        return artifact.Artifact(record=record, path=rest[1:]), ()
    if rest[0] == "testReport":
        return tests.of(record), rest[1:]
    return None


# -- actions --
def _stop(site: Site, record: Record) -> Response:
    site.runner.abort(record, f"Aborted by {site.call.user}")
    return calls.redirect(path(site, record))


def _delete(site: Site, record: Record) -> Response:
    item = _item(site, record)
    if record.building:
        raise Conflict(f"{item.full_name} #{record.number} is running; stop it first")
    if record.keep:
        raise UsageError(f"{item.full_name} #{record.number} is marked to be kept")
    item.history.delete(record.number)
    return calls.redirect(item.path)


def _describe(site: Site, record: Record) -> Response:
    _item(site, record).history.describe(record, site.call.value("description") or None)
    return calls.redirect(path(site, record))


def _keep(site: Site, record: Record) -> Response:
    _item(site, record).history.keep(record, not record.keep)
    return calls.redirect(path(site, record))


KIND: Kind[Record] = Kind(
    cls=lambda site, record: _item(site, record).config.build_class,
    fields={
        "actions": _actions,
        "artifacts": _artifacts,
        "building": lambda site, record: record.building,
        "description": lambda site, record: record.description,
        "displayName": _name,
        "duration": lambda site, record: 0 if record.building else record.duration,
        "estimatedDuration": _estimate,
        "executor": lambda site, record: plain("hudson.model.Executor") if record.building else None,
        "fingerprint": _fingerprints,
        "fullDisplayName": lambda site, record: (
            f"{items.full_display_name(site, _item(site, record))} {_name(site, record)}"
        ),
        "id": lambda site, record: str(record.number),
        "inProgress": lambda site, record: record.building,
        "keepLog": lambda site, record: record.keep,
        "number": lambda site, record: record.number,
        "queueId": lambda site, record: record.queue_id,
        "result": lambda site, record: None if record.result is None else record.result.name,
        "timestamp": lambda site, record: record.timestamp,
        "url": lambda site, record: site.base + path(site, record),
        "builtOn": always(""),
        "changeSet": _changes,
        "culprits": always([]),
        "nextBuild": _neighbour(1),
        "previousBuild": _neighbour(-1),
    },
    brief=("number", "url"),
    hidden=("fingerprint", "nextBuild", "previousBuild"),
    reads={
        "": _page,
        "console": _page,
        "consoleFull": _page,
        "artifact": _page,
        "changes": _page,
        "buildNumber": lambda site, record: calls.text(str(record.number)),
        **console.READS,
    },
    posts={
        "stop": _stop,
        "term": _stop,
        "kill": _stop,
        "doDelete": _delete,
        "submitDescription": _describe,
        "toggleLogKeep": _keep,
    },
    rights={
        "stop": Right.BUILD,
        "term": Right.BUILD,
        "kill": Right.BUILD,
        "doDelete": Right.CONFIGURE,
        "submitDescription": Right.BUILD,
        "toggleLogKeep": Right.BUILD,
    },
    below=_below,
)
