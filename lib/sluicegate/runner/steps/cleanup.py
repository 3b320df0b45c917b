"""ws-cleanup: files of the workspace removed before the build (PreBuildCleanup) or after it (WsCleanup)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner import antglob
from sluicegate.runner.build import Build, Interrupted, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import beneath

NAMES = {
    Result.SUCCESS: "cleanWhenSuccess",
    Result.UNSTABLE: "cleanWhenUnstable",
    Result.FAILURE: "cleanWhenFailure",
    Result.NOT_BUILT: "cleanWhenNotBuilt",
    Result.ABORTED: "cleanWhenAborted",
}
COMMAND_WORD = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What to remove (hudson.plugins.ws_cleanup.Cleanup): all, or what the patterns say, perhaps by a command."""

    includes: str
    excludes: str
    folders: bool
    command: str

    def carry_out(self, build: Build) -> None:
        """Raises StepFailed for what stays: whoever asks for an empty workspace must not build what was left in it."""
        build.say("[WS-CLEANUP] Deleting project workspace...")
        try:
            if not (self.includes or self.excludes or self.command):
                beneath.empty(build.workspace)
            else:
                self._delete_matching(build)
        except Interrupted:
            raise
        except (SluicegateError, OSError) as problem:
            raise StepFailed(f"Cannot delete workspace: {problem}") from problem
        build.say("[WS-CLEANUP] done")

    def _delete_matching(self, build: Build) -> None:
        includes, excludes = build.expand(self.includes) or "**/*", build.expand(self.excludes)
        for path in antglob.matching(build.workspace, includes, excludes, folders=self.folders):
            self._delete(build, path)

    def _delete(self, build: Build, path: Path) -> None:
        if not self.command:
            build.ground.remove(path)
            return
        quoted = self.command.replace("%s", f'"{path}"') if "%s" in self.command else f"{self.command} {path}"
        argv = [word[1] or word[2] for word in COMMAND_WORD.finditer(quoted)]
        with suppress(StepFailed):  # Only said in the log, as the plugin does.
            if build.launch(argv) != 0:
                build.say(f"ERROR: Cleanup command '{shlex.join(argv)}' failed")


def _sweep(fields: Fields) -> Sweep:
    patterns = [(p.text("type", "INCLUDE").strip(), p.text("pattern").strip()) for p in fields.children("patterns/*")]
    fields.harmless("disableDeferredWipeout")  # Nothing is deferred here.
    return Sweep(
        includes=",".join(pattern for kind, pattern in patterns if kind == "INCLUDE"),
        excludes=",".join(pattern for kind, pattern in patterns if kind == "EXCLUDE"),
        folders=fields.flag("deleteDirs"),
        command=fields.text("externalDelete").strip(),
    )


class PreBuildCleanup:
    """Sweeps the workspace before the checkout, unless a parameter says no."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.sweep = _sweep(fields)
        self.parameter = fields.text("cleanupParameter").strip()

    def plan(self) -> str:
        return "sweep the workspace first"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        # The plugin asks for the value "true" of a parameter that exists, and cleans where there is none.
        if self.parameter and build.variables.get(self.parameter, "true").lower() != "true":
            build.say("[WS-CLEANUP] Skipping workspace deletion because of a parameter")
        else:
            self.sweep.carry_out(build)
        yield


class WsCleanup:
    """Sweeps the workspace afterwards, by result."""

    label = "Delete workspace when build is done"

    def __init__(self, fields: Fields) -> None:
        self.sweep = _sweep(fields)
        self.when = {result for result, name in NAMES.items() if fields.flag(name, True)}
        if fields.flag("skipWhenFailed"):  # The plugin's form before its version 0.14.
            self.when.discard(Result.FAILURE)
        self.may_fail = fields.flag("notFailBuild")
        fields.harmless("cleanupMatrixParent")  # No matrix has a workspace of its own here.

    def plan(self) -> str:
        return "sweep the workspace"

    def perform(self, build: Build) -> None:
        if build.result in self.when:
            build.after.append(lambda: self._sweep(build))

    def _sweep(self, build: Build) -> None:
        try:
            self.sweep.carry_out(build)
        except StepFailed as problem:
            build.say(problem.message if self.may_fail else f"ERROR: {problem.message}")
            if not self.may_fail:
                build.worsen(Result.FAILURE)


ELEMENTS = (
    Entry(tag="hudson.plugins.ws__cleanup.PreBuildCleanup", plugin="ws-cleanup", kind="wrapper", make=PreBuildCleanup),
    Entry(tag="hudson.plugins.ws__cleanup.WsCleanup", plugin="ws-cleanup", kind="publisher", make=WsCleanup),
)
