"""hudson.tasks.ArtifactArchiver: files of the workspace into builds/N/archive, with fingerprints."""

from __future__ import annotations

import hashlib
import time

from sluicegate.runner import antglob, fingerprints, reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import files


class Archive:
    """Copies what matches; nothing matching fails the build unless that is allowed, and so does what cannot be read.

    What a link leads out of the workspace to is left out and said.
    """

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
            build.workspace,
            includes,
            build.expand(self.excludes),
            defaults=self.defaults,
            case=self.case,
            check=build.check,
        )
        reading.tell(build, matches)
        unread = dict(matches.unread)
        if not matches.files and not unread:
            self._none(build, includes)
            return
        marks = {}
        for name in matches.files:
            try:
                marks[name] = self._copy(build, name)
            except FileNotFoundError:
                build.say(f"WARNING: '{name}' is gone and is not archived")
            except OSError as problem:
                unread[name] = f"not to be archived ({problem.strerror or problem})"
        if self.fingerprint:
            build.say("Recording fingerprints")
            fingerprints.record(build.record, marks, time.time())
        reading.refuse_unread(unread)

    def _none(self, build: Build, includes: str) -> None:
        if self.allow_empty:
            build.say(f'No artifacts found that match the file pattern "{includes}". Allowed by configuration.')
            return
        raise StepFailed(f'No artifacts found that match the file pattern "{includes}". Configuration error?')

    def _copy(self, build: Build, name: str) -> str:
        """Copy one file and return its MD5 (Jenkins' fingerprint). Raises OSError for one that cannot be read."""
        build.check()
        digest = hashlib.md5(usedforsecurity=False)
        target = build.record.archive / name
        files.make_folders(target.parent)
        status = build.ground.copy(name, target, digest.update)
        target.chmod(status.st_mode & 0o755)
        return digest.hexdigest()


ELEMENTS = (Entry(tag="hudson.tasks.ArtifactArchiver", plugin="core", kind="publisher", make=Archive),)
