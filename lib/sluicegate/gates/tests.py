"""The gate `tests`: a suite ran on this version, enough of it, and nothing failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sluicegate.model.config import Config
from sluicegate.model.evidence import Tests
from sluicegate.model.printable import counted
from sluicegate.model.settings import Settings
from sluicegate.model.story import Candidate
from sluicegate.model.values import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsGate:
    """The newest run of `suite` in the environment before counts; with `together` only one on the same set."""

    suite: str
    minimum: int = 1
    together: bool = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> TestsGate:
        settings.only("suite", "minimum", "together")
        return cls(
            suite=settings.text("suite"), minimum=settings.number("minimum", 1), together=settings.flag("together")
        )

    def __call__(self, candidate: Candidate, now: datetime) -> Verdict:
        name = f"tests {self.suite}"
        run = candidate.story.latest(Tests, suite=self.suite, env=candidate.origin)
        # Only a run on these very files, and where asked for on this very set, says anything.
        if run is None:
            return self._waiting(name, f"no run of the suite in {candidate.origin} is recorded", candidate)
        if run.manifest != candidate.manifest:
            return self._waiting(name, "the recorded run was on other files (manifest differs)", candidate)
        if self.together and run.set != candidate.set_name:
            reason = f"the recorded run was on the set {run.set[:12]}, not {candidate.set_name[:12]}"
            return self._waiting(name, reason, candidate)
        passed, failed, skipped = run.passed, run.failed, run.skipped
        if passed is None or failed is None or skipped is None:
            return Verdict(gate=name, state="error", reason="the recorded run has counts that are none", since=run.at)
        # Judge what it counted: nothing passed is no success.
        left_out = f", {skipped} did not run" if skipped else ""
        if failed:
            reason = f"{failed} of {counted(passed + failed, 'test', 'tests')} failed{left_out}"
            return Verdict(gate=name, state="refused", reason=reason, who_can_help="a new version", since=run.at)
        if passed < max(self.minimum, 1):
            reason = f"{counted(passed, 'test', 'tests')} passed{left_out}, at least {max(self.minimum, 1)} wanted"
            return Verdict(gate=name, state="refused", reason=reason, who_can_help="a fuller run", since=run.at)
        return Verdict(gate=name, state="passed", reason=f"{passed} passed{left_out}", since=run.at)

    def _waiting(self, name: str, reason: str, candidate: Candidate) -> Verdict:
        command = (
            f"sluicegate record tests {candidate.component}={candidate.version} --in {candidate.origin}"
            f" --suite {self.suite} --junit FILE"
        )
        return Verdict(
            gate=name, state="waiting", reason=reason, who_can_help=f"the job that runs {self.suite}", command=command
        )
