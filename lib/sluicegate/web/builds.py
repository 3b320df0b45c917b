"""Builds in the remote API, with their actions, artifacts, changes and tests."""

from __future__ import annotations

import re
from collections.abc import Callable

from sluicegate.runner import fingerprints, scm
from sluicegate.runner.items import Item
from sluicegate.runner.records import Record
from sluicegate.runner.service import Runner, average_seconds
from sluicegate.runner.steps import junit
from sluicegate.web.things import case, cause_action, constant, parameter, plain
from sluicegate.web.tree import Thing


class Builds:
    """Makes things of builds; `base` is the client's spelling of the root URL."""

    def __init__(self, runner: Runner, base: str) -> None:
        self.runner = runner
        self.base = base

    def full_display_name(self, item: Item) -> str:
        parts = item.full_name.split("/")
        chain = [self.runner.items.get("/".join(parts[: n + 1])) for n in range(len(parts))]
        return " » ".join(one.display_name for one in chain if one is not None)

    def build(self, item: Item, record: Record) -> Thing:
        name = record.display_name or f"#{record.number}"
        estimated = self._estimate(item)
        fields: dict[str, Callable[[], object]] = {
            "actions": lambda: self._actions(record),
            "artifacts": lambda: self._artifacts(record),
            "building": lambda: record.building,
            "description": lambda: record.description,
            "displayName": constant(name),
            "duration": lambda: 0 if record.building else record.duration,
            "estimatedDuration": estimated,
            "executor": lambda: plain("hudson.model.Executor") if record.building else None,
            "fingerprint": lambda: self._fingerprints(record),
            "fullDisplayName": lambda: f"{self.full_display_name(item)} {name}",
            "id": constant(str(record.number)),
            "inProgress": lambda: record.building,
            "keepLog": lambda: record.keep,
            "number": constant(record.number),
            "queueId": constant(record.queue_id),
            "result": lambda: None if record.result is None else record.result.name,
            "timestamp": constant(record.timestamp),
            "url": constant(f"{self.base}{item.path}{record.number}/"),
            "builtOn": constant(""),
            "changeSet": lambda: self._changes(record),
            "culprits": constant([]),
            "nextBuild": lambda: self._neighbour(item, record, 1),
            "previousBuild": lambda: self._neighbour(item, record, -1),
        }
        cls = item.config.build_class
        hidden = ("fingerprint", "nextBuild", "previousBuild")
        return Thing(cls=cls, fields=fields, brief=("number", "url"), hidden=hidden)

    def _estimate(self, item: Item) -> Callable[[], object]:
        def compute() -> object:
            seconds = average_seconds(item)
            return -1 if seconds is None else int(seconds * 1000)

        return compute

    def _neighbour(self, item: Item, record: Record, step: int) -> object:
        numbers = item.history.numbers()
        index = numbers.index(record.number) + step if record.number in numbers else -1
        other = item.history.get(numbers[index]) if 0 <= index < len(numbers) else None
        return None if other is None else self.build(item, other)

    def _actions(self, record: Record) -> list[object]:
        found: list[object] = []
        if record.parameters:
            values = [parameter(one) for one in record.parameters]
            fields = {"parameters": constant(values)}
            found.append(Thing(cls="hudson.model.ParametersAction", fields=fields, inline=True))
        found.append(cause_action(record.causes))
        found += [self._extra(record, text) for text in record.extra]
        return [*found, {}]

    def _extra(self, record: Record, text: str) -> object:
        name = re.match(r"<([\w.$-]+)", text)
        cls = name[1].replace("_-", "$") if name else ""
        if cls == "hudson.tasks.junit.TestResultAction":
            numbers = {key: int(n) for key, n in re.findall(r"<(\w+Count)>(\d+)</", text)}
            return plain(cls, urlName="testReport", **numbers)
        if cls == "hudson.plugins.git.util.BuildData":
            revision = {
                "SHA1": _inside(text, "sha1"),
                "branch": [{"SHA1": _inside(text, "sha1"), "name": _inside(text, "branch")}],
            }
            return plain(cls, lastBuiltRevision=revision, remoteUrls=[_inside(text, "string")], scmName="")
        return plain(cls) if cls else {}

    def _artifacts(self, record: Record) -> list[Thing]:
        found = []
        for path in sorted(record.archive.rglob("*")) if record.archive.is_dir() else []:
            if path.is_file() and not path.is_symlink():
                relative = path.relative_to(record.archive).as_posix()
                found.append(
                    plain("hudson.model.Run$Artifact", displayPath=path.name, fileName=path.name, relativePath=relative)
                )
        return found

    def _fingerprints(self, record: Record) -> list[Thing]:
        texts = [one for one in record.extra if "FingerprintAction" in one]
        marks = [mark for one in texts for mark in re.findall(r"<string>([0-9a-f]{32})</string>", one)]
        found = [fingerprints.read(self.runner.home.path, mark) for mark in marks]
        return [self.fingerprint(one) for one in found if one is not None]

    def fingerprint(self, one: fingerprints.Fingerprint) -> Thing:
        usage = []
        for job, ranges in one.usages:
            numbers = [int(text) for text in ranges.split(",") if text.isdigit()]
            spans = [{"end": number + 1, "start": number} for number in numbers]
            usage.append({"name": job, "ranges": {"ranges": spans}})
        original = {"name": one.job, "number": one.number}
        return plain("hudson.model.Fingerprint", fileName=one.file_name, hash=one.md5, original=original, usage=usage)

    def _changes(self, record: Record) -> Thing:
        items = [
            plain(
                "hudson.plugins.git.GitChangeSet",
                commitId=one.get("commit", ""),
                id=one.get("commit", ""),
                msg=one.get("message", ""),
                comment=one.get("message", "") + "\n",
                authorEmail=one.get("email", ""),
                timestamp=int(one.get("time", "0") or 0) * 1000,
                author={"fullName": one.get("author", ""), "absoluteUrl": ""},
            )
            for one in scm.changes(record)
        ]
        cls = "hudson.plugins.git.GitChangeSetList" if items else "hudson.scm.EmptyChangeLogSet"
        return plain(cls, items=items, kind="git" if items else None)

    def test_report(self, record: Record) -> Thing | None:
        suites = junit.read(record.folder)
        if suites is None:
            return None
        tests = junit.counts(suites)
        return plain(
            "hudson.tasks.junit.TestResult",
            duration=sum(suite.duration for suite in suites),
            empty=not sum(tests.values()),
            failCount=tests["failed"],
            passCount=tests["passed"],
            skipCount=tests["skipped"],
            suites=[self._suite(suite) for suite in suites],
        )

    def _suite(self, suite: junit.Suite) -> Thing:
        cases = [case(one) for one in suite.cases]
        cls, stamp = "hudson.tasks.junit.SuiteResult", suite.timestamp or None
        return plain(cls, cases=cases, duration=suite.duration, name=suite.name, timestamp=stamp)


def _inside(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", text)
    return found[1] if found else ""
