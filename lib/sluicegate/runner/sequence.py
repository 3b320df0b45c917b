"""What happens in a build, in order: plan, wrappers, checkout, steps, publishers, leftovers, the last line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from sluicegate.errors import SluicegateError
from sluicegate.runner import uploads
from sluicegate.runner.build import Build, Interrupted, StepFailed
from sluicegate.runner.elements import projects
from sluicegate.runner.elements.acting import Plan, Step
from sluicegate.runner.results import Result
from sluicegate.runner.scm.checkout import checkout


def perform(build: Build) -> None:
    """Carry the build out; its result is in `build.result` afterwards. Raises nothing of the build's own."""
    for cause in build.record.causes:
        for line in cause.lines():
            build.say(line)
    # What a reader of the log has to know first.
    if label := build.config.label:
        build.say(f"The job asks for a node with the label '{label}': here is one node, which takes every job")
    build.say(f"Building in workspace {build.workspace}")
    # A job that is not understood does nothing at all, not even its checkout.
    try:
        plan = projects.plan(build.config)
    except SluicegateError as problem:
        for line in problem.message.splitlines():
            build.say(f"ERROR: {line}")
        build.worsen(Result.FAILURE)
        return
    if build.refusal:
        build.say(f"ERROR: {build.refusal}")
        build.worsen(Result.FAILURE)
        return
    # Publishers run after whatever came of the steps.
    _guarded(build, lambda: _main(build, plan))
    for step in plan.publishers:
        _guarded(build, partial(_publish, build, step))
    build.kill_leftovers()


def _guarded(build: Build, work: Callable[[], None]) -> None:
    """Run a part; what goes wrong in it ends the part and lowers the result."""
    try:
        work()
    except Interrupted:
        _interrupted(build)
    except SluicegateError as problem:
        if problem.message:
            build.say(f"ERROR: {problem.message}")
        build.worsen(Result.FAILURE)
    except Exception as problem:
        # A bug in a step, ours or a third party's, ends this build and not the executor.
        build.say(f"ERROR: {type(problem).__name__}: {problem}")
        build.worsen(Result.FAILURE)


def _interrupted(build: Build) -> None:
    if build.interrupted_by:
        build.say("Build was aborted")
        build.say(build.interrupted_by)
        build.interrupted_by = ""
        build.result = Result.ABORTED
    elif build.result < Result.FAILURE:
        build.worsen(Result.ABORTED)


def _main(build: Build, plan: Plan) -> None:
    build.check()
    with ExitStack() as stack:
        for wrapper in plan.wrappers:
            if wrapper.before_scm:
                stack.enter_context(wrapper.around(build))
        checkout(build, plan.source)
        for wrapper in plan.wrappers:
            if not wrapper.before_scm:
                stack.enter_context(wrapper.around(build))
        _bring_files(build)
        for step in plan.builders:
            if not _builds(build, step):
                return


def _bring_files(build: Build) -> None:
    """Put the files among the parameters into the workspace (FileParameterValue.createBuildWrapper)."""
    for parameter in build.record.parameters:
        if parameter.sha256:
            build.say(f"Copying file to {parameter.name}")
            with (
                uploads.place_in(build.record.folder, parameter).open("rb") as upload,
                build.ground.create(parameter.name) as placed,
            ):
                shutil.copyfileobj(upload, placed)


def _builds(build: Build, step: Step) -> bool:
    """Perform a builder; False when the next ones must not run."""
    build.check()
    try:
        step.perform(build)
    except StepFailed as problem:
        if problem.message:
            build.say(f"ERROR: {problem.message}")
        if problem.result is Result.FAILURE:
            build.say(f"Build step '{step.label}' marked build as failure")
        build.worsen(problem.result)
        return False
    return True


def _publish(build: Build, step: Step) -> None:
    before = build.result
    try:
        step.perform(build)
    except StepFailed as problem:
        build.say(f"ERROR: {problem.message}")
        build.say(f"Build step '{step.label}' changed build result to FAILURE")
        build.worsen(Result.FAILURE)
    else:
        if build.result is not before:
            build.say(f"Build step '{step.label}' changed build result to {build.result.name}")
