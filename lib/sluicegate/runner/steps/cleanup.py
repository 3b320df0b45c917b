"""ws-cleanup: an empty workspace before the build (PreBuildCleanup) or after it (WsCleanup)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.runner.build import Build
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result

NAMES = {
    Result.SUCCESS: "cleanWhenSuccess",
    Result.UNSTABLE: "cleanWhenUnstable",
    Result.FAILURE: "cleanWhenFailure",
    Result.NOT_BUILT: "cleanWhenNotBuilt",
    Result.ABORTED: "cleanWhenAborted",
}


def empty(folder: Path) -> None:
    """Remove all below a folder, links themselves and not what they point to."""
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class PreBuildCleanup:
    """Empties the workspace before the checkout."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        fields.refuse("patterns", "the whole workspace is cleaned")
        fields.harmless("deleteDirs", "cleanupParameter", "externalDelete", "disableDeferredWipeout")

    def plan(self) -> str:
        return "empty the workspace first"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        build.say("[WS-CLEANUP] Deleting project workspace...")
        empty(build.workspace)
        yield


class WsCleanup:
    """Empties the workspace afterwards, by result."""

    label = "Delete workspace when build is done"

    def __init__(self, fields: Fields) -> None:
        fields.refuse("patterns", "the whole workspace is cleaned")
        fields.harmless("deleteDirs", "skipWhenFailed", "notFailBuild", "cleanupMatrixParent", "externalDelete")
        fields.harmless("disableDeferredWipeout")
        self.when = {result for result, name in NAMES.items() if fields.flag(name, True)}

    def plan(self) -> str:
        return "empty the workspace"

    def perform(self, build: Build) -> None:
        if build.result in self.when:
            build.say("[WS-CLEANUP] Deleting project workspace...")
            build.after.append(lambda: empty(build.workspace))


ELEMENTS = (
    Entry(tag="hudson.plugins.ws__cleanup.PreBuildCleanup", plugin="ws-cleanup", kind="wrapper", make=PreBuildCleanup),
    Entry(tag="hudson.plugins.ws__cleanup.WsCleanup", plugin="ws-cleanup", kind="publisher", make=WsCleanup),
)
