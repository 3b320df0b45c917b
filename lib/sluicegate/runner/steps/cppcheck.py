"""org.jenkinsci.plugins.cppcheck.CppcheckPublisher: issues of cppcheck by severity, against its thresholds.

A build is yellow, or red, with more issues than its threshold says, or with so many more than the build before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from sluicegate.errors import Malformed
from sluicegate.runner import reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps.junit import LARGEST
from sluicegate.tools import files, xml

KEPT = "cppcheck.json"
OTHER = "NoCategory"
SEVERITIES = ("Error", "Warning", "Style", "Performance", "Information", "Portability", OTHER)


class Cppcheck:
    """The publisher; nothing is looked at in a build that is red already."""

    label = "Publish Cppcheck results"

    def __init__(self, fields: Fields) -> None:
        config, rules = "cppcheckConfig", "cppcheckConfig/configSeverityEvaluation"
        self.pattern = fields.text(f"{config}/pattern").strip()
        self.without_report = fields.flag(f"{config}/allowNoReport")
        self.blank_is_fine = fields.flag(f"{config}/ignoreBlankFiles")
        self.counted = [severity for severity in SEVERITIES if fields.flag(f"{rules}/severity{severity}", True)]
        self.limits = (
            (Result.FAILURE, fields.number(f"{rules}/failureThreshold", -1), False),
            (Result.FAILURE, fields.number(f"{rules}/newFailureThreshold", -1), True),
            (Result.UNSTABLE, fields.number(f"{rules}/threshold", -1), False),
            (Result.UNSTABLE, fields.number(f"{rules}/newThreshold", -1), True),
        )
        fields.harmless(f"{rules}/healthy", f"{rules}/unHealthy", f"{config}/configGraph")

    def plan(self) -> str:
        return f"count the issues of cppcheck in {self.pattern}"

    def perform(self, build: Build) -> None:
        if build.result > Result.UNSTABLE:
            return
        build.say("[Cppcheck] Starting the cppcheck analysis.")
        names = reading.judged(build, self.pattern)
        if not names:
            message = f"[Cppcheck] No cppcheck test report file(s) were found with the pattern '{self.pattern}'"
            if not self.without_report:
                raise StepFailed(message)
            build.say(message)
            return
        counts = sum((self._count(build, name) for name in names), Counter[str]())
        files.replace(build.record.folder / KEPT, json.dumps(counts).encode())
        # Judge the number, and how many more there are than in the build before.
        now = self._wanted(counts)
        previous = build.services.previous(build)
        before = reading.kept(previous, KEPT) if previous is not None else None
        more = 0 if before is None else now - self._wanted(before)
        build.say(f"[Cppcheck] {now} issues, {more} more than before")
        for result, limit, new in self.limits:
            if (count := more if new else now) > limit >= 0:
                build.say(f"[Cppcheck] {result.name}: {count} {'new ' if new else ''}issues, at most {limit} may be")
                build.worsen(result)
                return

    def _count(self, build: Build, name: str) -> Counter[str]:
        content = build.ground.read(name)
        if not content.strip() and self.blank_is_fine:
            return Counter()
        try:
            root = xml.parse(content, limit=LARGEST, source=name)
        except Malformed as problem:
            raise StepFailed(f"[Cppcheck] {problem.message}") from problem
        severities = [(error.get("severity") or OTHER).title() for error in root.iter("error")]
        return Counter(severity if severity in SEVERITIES else OTHER for severity in severities)

    def _wanted(self, counts: Mapping[str, int]) -> int:
        return sum(counts.get(severity, 0) for severity in self.counted)


ELEMENTS = (
    Entry(tag="org.jenkinsci.plugins.cppcheck.CppcheckPublisher", plugin="cppcheck", kind="publisher", make=Cppcheck),
)
