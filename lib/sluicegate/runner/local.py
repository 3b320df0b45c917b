"""Runs jobs here and now, in a temporary home, with their output on the way."""

from __future__ import annotations

import getpass
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.errors import UsageError
from sluicegate.runner import jobxml
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements import projects
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.item import Item
from sluicegate.runner.parameters import Given, Value, chosen
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from sluicegate.runner.settings import NO_SETTINGS, Settings
from sluicegate.runner.vault import Credential
from sluicegate.tools import files
from sluicegate.tools.scratch import scratch

FOLDER = b"<com.cloudbees.hudson.plugins.folder.Folder/>"
ERRORS_TOLD = 5
MARK = ".sluicegate-workspace"
"""Stands in a workspace that `run` was given: the next run may empty it, as jobs do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a run is given beside its job: settings, credentials, a folder to work in, the jobs that it may start."""

    settings: Settings = NO_SETTINGS
    credentials: Sequence[Credential] = ()
    workspace: Path | None = None
    others: Mapping[str, bytes] = field(default_factory=dict)


def plan(content: bytes, values_by_name: Mapping[str, Value]) -> list[str]:
    """What a run would do, one line a step. Raises ConfigError for what is not understood."""
    config = jobxml.parse(content)
    steps = projects.plan(config)
    values = [
        f"with:   {parameter.name}={'****' if parameter.secret else parameter.text}"
        for parameter in chosen(definitions(config), values_by_name)
    ]
    return [*values, *steps.lines()]


def must_declare(content: bytes, values: Mapping[str, Value]) -> None:
    """Raise UsageError for a parameter that the job does not have: on the command line it is a slip."""
    declared = {definition.name for definition in definitions(jobxml.parse(content))}
    if unknown := sorted(set(values) - declared):
        known = ", ".join(sorted(declared)) or "none"
        raise UsageError(f"the job has no parameter {', '.join(unknown)} (it has: {known})")


def claim(folder: Path) -> Path:
    """Take a folder as a workspace. Raises UsageError for one with files that no run has put there."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise UsageError(
            f"{folder} is not empty, and a job may remove everything in its workspace",
            hint=f"name an empty folder, or allow it: touch {folder / MARK}",
        )
    files.ensure_folder(folder)
    (folder / MARK).touch()
    return folder.resolve()


def run(
    name: str,
    content: bytes,
    values: Mapping[str, Value],
    write: Callable[[bytes], None],
    around: Circumstances,
) -> Result:
    """Run a job to its end, and the jobs that it starts. A KeyboardInterrupt aborts them, processes and all."""
    with scratch() as folder:
        runner = Runner(folder / "home", own_secrets=True, settings=around.settings)
        try:
            for credential in around.credentials:
                runner.vault.store(credential)
            for other_name, other_content in around.others.items():
                create(runner, other_name, other_content)
            item = create(runner, name, content)
            if around.workspace is not None:
                runner.workspaces.places[name] = around.workspace
            return _built(runner, item, values, write)
        finally:
            runner.stop()
            if around.workspace is not None:
                (around.workspace / MARK).touch()  # The job may have removed it.


def create(runner: Runner, name: str, content: bytes) -> Item:
    """Make a job with the folders above it; a disabled one is built all the same."""
    *folders, last = name.split("/")
    for index, part in enumerate(folders):
        inside = "/".join(folders[:index])
        if runner.items.get(f"{inside}/{part}" if inside else part) is None:
            runner.items.create(inside, part, FOLDER)
    item = runner.items.create("/".join(folders), last, content)
    if item.config.disabled:
        runner.items.update(item, jobxml.with_disabled(content, False))
    return item


def _errors(record: Record) -> list[str]:
    """The last lines of a log in which a build of a job that is not shown says what went wrong."""
    with record.log.open(encoding="utf-8", errors="replace") as stream:
        return list(deque((line.rstrip("\n") for line in stream if line.startswith("ERROR: ")), maxlen=ERRORS_TOLD))


def _file_of(runner: Runner, item: Item, name: str, value: Value) -> Given:
    """The value; of a file parameter, the file that it names. Raises UsageError where there is none."""
    if not isinstance(value, str) or not any(
        definition.name == name and definition.kind == "File" for definition in runner.offered(item)
    ):
        return value
    try:
        with open(value, "rb") as stream:
            return runner.keep(stream, value)
    except OSError as problem:
        raise UsageError(f"the file parameter {name} names '{value}', which cannot be read: {problem}") from problem


def _built(runner: Runner, item: Item, values_by_name: Mapping[str, Value], write: Callable[[bytes], None]) -> Result:
    """Build the job, and the jobs that it starts; its own result. Of the others the last line is told, and errors."""
    ended = threading.Event()

    def tell(record: Record) -> None:
        if record.job == item.full_name:
            ended.set()
        elif record.result is not None:
            errors = _errors(record) if record.result > Result.UNSTABLE else []
            lines = [f"{record.job} #{record.number} completed. Result was {record.result.name}", *errors]
            write("\n  ".join(lines).encode() + b"\n")  # at once: other threads tell of other builds meanwhile

    values = {name: _file_of(runner, item, name, value) for name, value in values_by_name.items()}
    runner.echo = lambda record: write if record.job == item.full_name else None
    runner.on_end = tell
    runner.start()
    try:
        runner.trigger(item, (Cause(kind="user", user=getpass.getuser()),), values, 0)
        while not ended.wait(0.2) or runner.busy:
            pass
    except KeyboardInterrupt:
        for job in runner.items.jobs():
            for record in list(job.history.running.values()):
                runner.abort(record, "Aborted from the keyboard")
        ended.wait(30)
    # The home is new, so the job's own build is its first.
    first = item.history.get(1)
    return Result.ABORTED if first is None or first.result is None else first.result
