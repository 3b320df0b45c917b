"""Runs one job here and now, in a temporary home, with its output on the way."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable, Mapping

from sluicegate.errors import UsageError
from sluicegate.runner import jobxml
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements import projects
from sluicegate.runner.parameters import Value, chosen
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from sluicegate.tools.scratch import scratch


def plan(content: bytes, given: Mapping[str, Value]) -> list[str]:
    """What a run would do, one line a step. Raises ConfigError for what is not understood."""
    config = jobxml.parse(content)
    steps = projects.plan(config)
    values = [f"with:   {one.name}={'****' if one.secret else one.text}" for one in chosen(config.parameters, given)]
    return [*values, *steps.lines()]


def must_declare(content: bytes, given: Mapping[str, Value]) -> None:
    """Raise UsageError for a parameter that the job does not have: on the command line it is a slip."""
    declared = {one.name for one in jobxml.parse(content).parameters}
    if unknown := sorted(set(given) - declared):
        known = ", ".join(sorted(declared)) or "none"
        raise UsageError(f"the job has no parameter {', '.join(unknown)} (it has: {known})")


def run(name: str, content: bytes, given: Mapping[str, Value], write: Callable[[bytes], None]) -> Result:
    """Run a job to its end. A KeyboardInterrupt aborts it, processes and all."""
    with scratch() as folder:
        runner = Runner(folder / "home", executors=1, own_secrets=True)
        runner.echo = write
        item = None
        for index, part in enumerate(parts := name.split("/")):
            inside = "/".join(parts[:index])
            last = index == len(parts) - 1
            item = runner.items.create(inside, part, content if last else _FOLDER)
        assert item is not None
        if item.config.disabled:
            item.store(jobxml.with_disabled(content, False))
        ended = threading.Event()
        runner.on_end = lambda record: ended.set()
        runner.start()
        try:
            runner.trigger(item, (Cause(kind="user", user=getpass.getuser()),), given, 0)
            while not ended.wait(0.2):
                pass
        except KeyboardInterrupt:
            for record in list(item.history.running.values()):
                runner.abort(record, "Aborted from the keyboard")
            ended.wait(30)
        finally:
            runner.stop()
        last_build = item.history.last()
        return Result.ABORTED if last_build is None or last_build.result is None else last_build.result


_FOLDER = b"<com.cloudbees.hudson.plugins.folder.Folder/>"
