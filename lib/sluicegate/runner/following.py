"""Starts a job on any Jenkins and follows it: queue, console, result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError, UnknownName, UsageError
from sluicegate.model.jobs import path_of
from sluicegate.model.numbers import INT, whole
from sluicegate.runner.progressive import Console
from sluicegate.runner.remote import Remote, may_pass
from sluicegate.runner.results import Result
from sluicegate.tools import patience, restarts

FACTS = "tree=_class,buildable,disabled,property[parameterDefinitions[name,type,choices]]"
LISTED = "jobs[fullName,jobs[fullName,jobs[fullName,jobs[fullName]]]]"
Say = Callable[[str], None]


def follow(remote: Remote, name: str, values: Mapping[str, str], say: Say, write: Callable[[bytes], None]) -> Result:
    """Start a job, print its way through the queue and its console, and return its result."""
    path = path_of(name)
    facts = _facts(remote, name)
    declared = _parameters(name, facts, values)
    action = "buildWithParameters" if declared else "build"
    answer = remote.post(path + action, dict(values), look=f"{path}api/json?tree=_class")
    places = [
        response.headers.get("Location", "") for response in (*reversed(answer.history), answer)
    ]  # 303 where it was merged
    item = next((place[1] for location in places if (place := re.search(r"queue/item/(\d+)", location))), None)
    if item is None:
        raise RemoteUnavailable(f"{remote.url} accepted {name} but named no queue item")
    number = _queue(remote, path, item, say)
    say(f"{remote.url}{path}{number}/")
    return _console(remote, f"{path}{number}/", write)


def _facts(remote: Remote, name: str) -> Mapping[str, Any]:
    """What is known of a job. Raises UsageError for what cannot be built, with what to do about it."""
    path = path_of(name)
    try:
        facts = remote.json(f"{path}api/json?{FACTS}")
    except UnknownName as problem:
        raise problem.__class__(problem.message, hint=_instead(remote, name)) from problem
    if not isinstance(facts, dict):
        raise RemoteUnavailable(f"{remote.url}{path} answered with JSON that is no job's")
    if "Folder" in str(facts.get("_class")).rpartition(".")[2]:
        raise UsageError(f"{name} is a folder", hint=f"name a job in it: {name}/JOB")
    if facts.get("buildable") is False:
        copied = "" if facts.get("disabled") else "; a copy can be built once its configuration was saved"
        raise SluicegateError(f"{remote.url}{path} is disabled{copied}")
    return facts


def _instead(remote: Remote, name: str) -> str:
    """What is there in place of a job that is not: another path, a folder, or no Jenkins at all."""
    try:
        jobs = remote.json(f"api/json?tree={LISTED}").get("jobs") or []
    except UnknownName:
        return f"is {remote.url} the root of a Jenkins? It may live below a path, such as {remote.url}jenkins/"
    except (SluicegateError, AttributeError):
        return ""
    last = name.rpartition("/")[2]
    near = sorted(full for full in _names(jobs) if full.rpartition("/")[2] == last)
    return f"there is {', '.join(near[:5])}" if near else f"may the user '{remote.user}' read that job?"


def _names(jobs: Any) -> list[str]:
    names = []
    for job in jobs if isinstance(jobs, list) else []:
        names += [str(job.get("fullName")), *_names(job.get("jobs"))]
    return names


def _parameters(name: str, facts: Mapping[str, Any], values: Mapping[str, str]) -> Mapping[str, Any]:
    """The declared parameters. Raises UsageError for a name or a choice that Jenkins would answer with status 500."""
    groups = [group.get("parameterDefinitions") or [] for group in facts.get("property") or []]
    declared = {str(parameter["name"]): parameter for group in groups for parameter in group}
    if unknown := set(values) - set(declared):
        known = ", ".join(sorted(declared)) or "none"
        raise UsageError(f"{name} has no parameter {', '.join(sorted(unknown))} (it has: {known})")
    for key, value in values.items():
        choices = declared[key].get("choices")
        if isinstance(choices, list) and value not in choices:
            known = ", ".join(map(str, choices))
            raise UsageError(f"Illegal choice for parameter {key}: {value} (expected one of: {known})")
    return declared


def _queue(remote: Remote, path: str, item: str, say: Say) -> int:
    """Wait until the item is a build; its number."""
    reason_said = ""
    pause = 0.05
    while True:
        state = restarts.again(lambda: _item(remote, path, item), lambda problem: isinstance(problem, Denied))
        if state.get("cancelled"):
            raise SluicegateError("the build was cancelled while it waited in the queue")
        if executable := state.get("executable"):
            if (number := whole(executable.get("number"), least=1, most=INT)) is None:
                raise SluicegateError(f"the server names no build: {str(executable)[:100]}")
            return number
        why = re.sub(r"[\d.]+ (m?sec|ms|s)\b.*", "a moment", state.get("why") or "")
        if why and why != reason_said:
            say(f"waiting: {why}")
            reason_said = why
        patience.pause(pause)
        pause = min(1.0, pause * 1.5)


def _item(remote: Remote, path: str, item: str) -> Mapping[str, Any]:
    """The queue item; a restart forgets those that have become builds, so the builds are asked for it then."""
    try:
        state: Mapping[str, Any] = remote.json(f"queue/item/{item}/api/json")
        return state
    except UnknownName as problem:
        builds = remote.json(f"{path}api/json?tree=builds[number,queueId]").get("builds") or []
        for build in builds:
            if str(build.get("queueId")) == item:
                return {"executable": build}
        # It may be told a moment later, as the restart ends.
        raise RemoteUnavailable(
            f"{problem.message}, and no build of {remote.url}{path} came of it",
            hint="Jenkins lost it in a restart: start it again",
        ) from problem


def _console(remote: Remote, path: str, write: Callable[[bytes], None]) -> Result:
    console = Console()
    pause = 0.1
    while True:
        at = f"{path}logText/progressiveText?start={console.start}"
        answer = restarts.again(lambda at=at: remote.ask(at), may_pass)  # type: ignore[misc]
        size = whole(answer.headers.get("X-Text-Size", ""))
        new = console.take(answer.content)
        if new is None:
            continue
        if new:
            write(console.clean(new))
            pause = 0.1
        if answer.headers.get("X-More-Data") != "true" and (not new or console.all_read(size)):
            break
        patience.pause(pause)
        pause = min(1.0, pause * 1.3)
    # The console ends a moment before the result is there.
    write(console.clean(b"", last=True))
    while True:
        state = remote.patiently(f"{path}api/json?tree=result,building,inProgress")
        if state.get("result") and not state.get("building") and not state.get("inProgress"):
            return Result.named(state["result"], Result.FAILURE)
        patience.pause(0.1)
