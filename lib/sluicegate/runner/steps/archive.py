"""hudson.tasks.ArtifactArchiver: files of the workspace into builds/N/archive, with fingerprints."""

from __future__ import annotations

import hashlib
import os
import time
from itertools import islice
from pathlib import Path

from sluicegate.runner import antglob, fingerprints
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import files

MOST_TOLD = 100
"""A link to the whole system refuses a hundred thousand names."""


class Archive:
    """Copies what matches; nothing matching fails the build unless that is allowed."""

    label = "Archive the artifacts"

    def __init__(self, fields: Fields) -> None:
        self.includes = fields.text("artifacts")
        self.excludes = fields.text("excludes")
        self.allow_empty = fields.flag("allowEmptyArchive")
        self.only_if_good = fields.flag("onlyIfSuccessful")
        self.fingerprint = fields.flag("fingerprint")
        self.defaults = fields.flag("defaultExcludes", True)
        # Nothing that a link leads to is archived, however the job is set.
        fields.harmless("followSymlinks", "latestOnly")
        self.case = fields.flag("caseSensitive", True)

    def plan(self) -> str:
        return f"archive {self.includes}"

    def perform(self, build: Build) -> None:
        if self.only_if_good and build.result > Result.UNSTABLE:
            build.say("Skipping archiving because build is not successful")
            return
        build.say("Archiving artifacts")
        includes = build.expand(self.includes)
        matches = antglob.find(
            build.workspace, includes, build.expand(self.excludes), defaults=self.defaults, case=self.case
        )
        for name, reason in islice(matches.refused.items(), MOST_TOLD):
            build.say(f"WARNING: '{name}' is {reason} and is not archived")
        if (more := len(matches.refused) - MOST_TOLD) > 0:
            build.say(f"WARNING: {more} more are not archived for such reasons")
        if not matches.files:
            self._none(build, includes)
            return
        marks = {name: self._copy(build, name) for name in matches.files}
        if self.fingerprint:
            build.say("Recording fingerprints")
            fingerprints.record(build.record, {k: v for k, v in marks.items() if v}, time.time())

    def _none(self, build: Build, includes: str) -> None:
        if self.allow_empty:
            build.say(f'No artifacts found that match the file pattern "{includes}". Allowed by configuration.')
            return
        raise StepFailed(f'No artifacts found that match the file pattern "{includes}". Configuration error?')

    def _copy(self, build: Build, name: str) -> str:
        """Copy one file and return its MD5 (Jenkins' fingerprint); empty when it vanished or leads elsewhere now."""
        build.check()
        target = build.record.archive / name
        files.make_folders(target.parent)
        digest = hashlib.md5(usedforsecurity=False)
        try:
            source = build.ground.open(name)
        except OSError:
            build.say(f"WARNING: '{name}' is gone or leads out of the workspace and is not archived")
            return ""
        with source as reading, Path(target).open("wb") as writing:
            while block := reading.read(files.BLOCK):
                digest.update(block)
                writing.write(block)
            os.fchmod(writing.fileno(), os.fstat(reading.fileno()).st_mode & 0o755)
        return digest.hexdigest()


ELEMENTS = (Entry(tag="hudson.tasks.ArtifactArchiver", plugin="core", kind="publisher", make=Archive),)
