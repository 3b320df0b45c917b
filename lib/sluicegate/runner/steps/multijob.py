"""com.tikal.jenkins.plugins.multijob: phases of jobs that are called side by side, or one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sluicegate.errors import SluicegateError
from sluicegate.runner.build import Build, Started, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.elements.projects import freestyle
from sluicegate.runner.parameters import Value
from sluicegate.runner.results import Result
from sluicegate.runner.steps.sources import NotTriggered, Source, revision_for

PREFIX = "com.tikal.jenkins.plugins.multijob."
GOES_ON: dict[str, Result] = {
    "ALWAYS": Result.ABORTED,
    "SUCCESSFUL": Result.SUCCESS,
    "UNSTABLE": Result.UNSTABLE,
    "COMPLETED": Result.FAILURE,
    "FAILURE": Result.FAILURE,
}
"""The worst result of a phase after which the next one begins."""
ENDS_PHASE: dict[str, Result | None] = {"NEVER": None, "FAILURE": Result.FAILURE, "UNSTABLE": Result.UNSTABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseJob:
    """A job of a phase: its parameters, whether it runs at all, and what ends the phase."""

    name: str
    current: bool
    sources: tuple[Source, ...]
    disabled: bool
    ends_phase: Result | None

    def values(self, build: Build) -> Mapping[str, Value]:
        values: dict[str, Value] = {}
        if self.current:
            values |= {one.name: one.value for one in build.record.parameters if not one.secret}
        for source in self.sources:
            values |= source.values(build)
        return values


class Phase:
    """MultiJobBuilder."""

    label = "MultiJob Phase"

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text("phaseName")
        condition = fields.text("continuationCondition", "SUCCESSFUL").strip()
        if condition not in GOES_ON:
            fields.reasons.append(f"<{fields.tag}>: this runner does not know the continuation condition {condition}")
        self.goes_on = GOES_ON.get(condition, Result.SUCCESS)
        self.sequential = fields.text("executionType", "PARALLEL").strip() == "SEQUENTIALLY"
        fields.only("enableGroovyScript", "false")
        fields.harmless(
            "scriptText", "scriptPath", "isUseScriptFile", "isScriptOnSlave", "scriptBindings", "resumeEnvVars"
        )
        fields.harmless(
            "isRunOnSlave", "ignorePhaseResult", "isAlwaysRunPhase", "isEnabledGroovyScript", "quietPeriodGroovy"
        )
        self.jobs = [_job(job) for job in fields.children("phaseJobs/*")]

    def plan(self) -> str:
        return f"phase {self.name}: call {', '.join(job.name for job in self.jobs)}"

    def perform(self, build: Build) -> None:
        build.say(f"Starting phase {self.name}")
        worst = self._one_by_one(build) if self.sequential else self._side_by_side(build)
        build.worsen(worst)
        if worst > self.goes_on:
            raise StepFailed(f"the phase {self.name} ended with {worst.name}")

    def _one_by_one(self, build: Build) -> Result:
        worst = Result.SUCCESS
        for job in self.jobs:
            result = self._wait(build, self._start(build, job))
            worst = max(worst, result)
            if job.ends_phase is not None and result >= job.ends_phase:
                break
        return worst

    def _side_by_side(self, build: Build) -> Result:
        started = [self._start(build, job) for job in self.jobs]
        return max((self._wait(build, one) for one in started), default=Result.SUCCESS)

    def _start(self, build: Build, job: PhaseJob) -> Started | None:
        if job.disabled:
            build.say(f"Skipping {job.name}: it is disabled in the phase")
            return None
        try:
            started = build.services.start_downstream(
                build, build.expand(job.name), job.values(build), revision_for(build, job.sources)
            )
        except NotTriggered:
            return None
        except SluicegateError as problem:
            raise StepFailed(f"phase {self.name}: {problem.message}") from problem
        build.say(f"Starting build job {started.job}.")
        return started

    def _wait(self, build: Build, started: Started | None) -> Result:
        if started is None:
            return Result.SUCCESS
        record = build.services.wait(build, started)
        if record is None or record.result is None:
            raise StepFailed(f"{started.job} was taken out of the queue, or deleted")
        build.say(f"Finished Build : #{record.number} of Job : {started.job} with status : {record.result.name}")
        word = "".join(letter if letter.isalnum() else "_" for letter in started.job)
        build.env |= {
            f"{word}_BUILD_NUMBER": str(record.number),
            f"{word}_BUILD_RESULT": record.result.name,
            f"TRIGGERED_BUILD_NUMBER_{word}": str(record.number),
            f"TRIGGERED_BUILD_RESULT_{word}": record.result.name,
            "LAST_TRIGGERED_JOB_NAME": word,
        }
        return record.result


def _job(fields: Fields) -> PhaseJob:
    fields.only("enableRetryStrategy", "false")
    fields.only("enableCondition", "false")
    fields.harmless("condition", "applyConditionOnlyIfNoSCMChanges", "buildOnlyIfSCMChanges", "aggregatedTestResults")
    fields.harmless("parsingRulesPath", "maxRetries", "exposedSCM", "jobAlias", "abortAllJob", "jobProperties")
    fields.harmless("resumeCondition", "resumeExpression", "killPhaseCondition")
    word = fields.text("killPhaseOnJobResultCondition", "FAILURE").strip()
    return PhaseJob(
        name=fields.text("jobName").strip(),
        current=fields.flag("currParams"),
        sources=cast("tuple[Source, ...]", fields.made("parameter source", "configs/*")),
        disabled=fields.flag("disableJob"),
        ends_phase=ENDS_PHASE.get(word, Result.FAILURE),
    )


ELEMENTS = (
    Entry(tag=f"{PREFIX}MultiJobProject", plugin="jenkins-multijob-plugin", kind="project", make=freestyle),
    Entry(tag=f"{PREFIX}MultiJobBuilder", plugin="jenkins-multijob-plugin", kind="builder", make=Phase),
)
