"""Files that a build keeps besides its artifacts: HTML reports and fingerprints."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.runner import fingerprints, reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.tools import beneath, files


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A folder of pages: of this build, or of the job as a whole (then the newest one only)."""

    name: str
    folder: str
    includes: str
    every_build: bool
    may_miss: bool


class HtmlPublisher:
    """htmlpublisher.HtmlPublisher: reports into builds/N/htmlreports, or the job's; a missing one is a failure."""

    label = "Publish HTML reports"

    def __init__(self, fields: Fields) -> None:
        self.reports = [_report(target) for target in fields.children("reportTargets/*")]

    def plan(self) -> str:
        return f"keep the pages {', '.join(report.folder for report in self.reports)}"

    def perform(self, build: Build) -> None:
        build.say("[htmlpublisher] Archiving HTML reports...")
        for report in self.reports:
            self._keep(build, report)

    def _keep(self, build: Build, report: Report) -> None:
        folder = build.workspace / build.expand(report.folder)
        if not build.ground.has_folder(folder):
            message = f"Specified HTML directory '{folder}' does not exist."
            if not report.may_miss:
                raise StepFailed(message)
            build.say(f"[htmlpublisher] {message}")
            return
        root = build.record.folder if report.every_build else build.record.folder.parent.parent
        target = root / "htmlreports" / _plain(build.expand(report.name))
        beneath.remove(target)
        build.say(f"[htmlpublisher] Archiving at {'BUILD' if report.every_build else 'PROJECT'} level {folder}")
        for name in reading.taken(build, folder, report.includes or "**/*"):
            place = target / name
            files.make_folders(place.parent)
            build.ground.copy(folder / name, place)


def _plain(name: str) -> str:
    """The folder of a report's name: what is neither letter nor digit as its hexadecimal code."""
    return "".join(letter if letter.isalnum() else f"_{ord(letter):02x}" for letter in name) or "report"


def _report(fields: Fields) -> Report:
    # What a page shows and how, which no page here does.
    fields.harmless("reportFiles", "reportTitles", "alwaysLinkToLastBuild", "wrapperName", "escapeUnderscores")
    fields.harmless("useWrapperFileDirectly", "numberOfWorkers", "useWrapperFileDirectly")
    return Report(
        name=fields.text("reportName"),
        folder=fields.text("reportDir").strip(),
        includes=fields.text("includes").strip(),
        every_build=fields.flag("keepAll"),
        may_miss=fields.flag("allowMissing"),
    )


class Fingerprinter:
    """hudson.tasks.Fingerprinter and CreateFingerprint: MD5 sums of files, by which builds find each other."""

    label = "Record fingerprints of files to track usage"

    def __init__(self, fields: Fields) -> None:
        self.targets, self.excludes = fields.text("targets"), fields.text("excludes")
        self.artifacts = fields.flag("recordBuildArtifacts")
        fields.harmless("keepDependencies", "defaultExcludes", "caseSensitive")

    def plan(self) -> str:
        return f"record fingerprints of {self.targets or 'the artifacts'}"

    def perform(self, build: Build) -> None:
        build.say("Recording fingerprints")
        names = reading.taken(build, build.workspace, build.expand(self.targets), build.expand(self.excludes))
        marks = {name: _mark(build, name) for name in names}
        if self.artifacts:
            kept = reading.taken(build, build.record.archive, "**")
            marks |= {name: _kept_mark(build, name) for name in kept}
        fingerprints.record(build.record, marks, build.record.start_time / 1000)


def _mark(build: Build, name: str) -> str:
    with build.ground.open(name) as stream:
        return fingerprints.of_blocks(build.ground.blocks(stream))


def _kept_mark(build: Build, name: str) -> str:
    with (build.record.archive / name).open("rb") as stream:
        return fingerprints.of_blocks(build.ground.blocks(stream))


ELEMENTS = (
    Entry(tag="htmlpublisher.HtmlPublisher", plugin="htmlpublisher", kind="publisher", make=HtmlPublisher),
    Entry(tag="hudson.tasks.Fingerprinter", plugin="core", kind="publisher", make=Fingerprinter),
    Entry(
        tag="hudson.plugins.createfingerprint.CreateFingerprint",
        plugin="create-fingerprint",
        kind="builder",
        make=Fingerprinter,
    ),
)
