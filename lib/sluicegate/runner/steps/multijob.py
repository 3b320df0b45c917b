"""com.tikal.jenkins.plugins.multijob: phases of jobs that are called side by side, or one after the other.

What a phase does was read in the plugin's source (MultiJobBuilder, MultiJobBuild); a job of a phase that does not exist
is dropped there without a word, and fails the phase here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sluicegate.errors import Malformed, SluicegateError
from sluicegate.runner import reading, tokens
from sluicegate.runner.build import Build, Interrupted, Started, StepFailed
from sluicegate.runner.combinations import Filter
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.elements.projects import freestyle
from sluicegate.runner.parameters import Given
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.steps.sources import NotTriggered, Source, actions_for, current
from sluicegate.tools import patterns

PREFIX = "com.tikal.jenkins.plugins.multijob."
GOES_ON: dict[str, Callable[[Result], bool]] = {
    "ALWAYS": lambda result: True,
    "SUCCESSFUL": lambda result: result is Result.SUCCESS,
    "UNSTABLE": lambda result: result <= Result.UNSTABLE,
    "COMPLETED": lambda result: result <= Result.FAILURE,
    "FAILURE": lambda result: result >= Result.FAILURE,
}
"""What every job of a phase must have come to, for the next step to begin."""
ENDS_PHASE: dict[str, Result | None] = {"NEVER": None, "FAILURE": Result.FAILURE, "UNSTABLE": Result.UNSTABLE}
VARIABLE = re.compile(r"\$(?:\{\w+\}|\w+)")
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseJob:
    """A job of a phase: its parameters, whether it runs at all, when it is tried again, and what ends the phase."""

    name: str
    alias: str
    current: bool
    sources: tuple[Source, ...]
    disabled: bool
    condition: str
    ends_phase: Result | None
    ends_others: bool
    retries: int
    rules: str

    @property
    def title(self) -> str:
        return f"{self.name} ({self.alias})" if self.alias else self.name

    def values(self, build: Build) -> Mapping[str, Given]:
        values: dict[str, Given] = {}
        if self.current:
            values |= current(build)
        for source in self.sources:
            values |= source.values(build)
        return values

    def kills(self, result: Result) -> bool:
        """Whether this result ends the other jobs of the phase (MultiJobBuilder.checkPhaseTermination)."""
        meets = self.ends_phase is not None and result >= self.ends_phase
        return self.ends_others and meets and result is not Result.ABORTED


@dataclass(slots=True, kw_only=True)
class Call:
    """A job of the phase that was started, and how often it was tried again."""

    job: PhaseJob
    started: Started
    tries: int = 0
    ended_by_us: bool = False


class Phase:
    """MultiJobBuilder."""

    label = "MultiJob Phase"

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text("phaseName")
        condition = fields.text("continuationCondition", "SUCCESSFUL").strip()
        if condition not in GOES_ON:
            fields.reasons.append(f"<{fields.tag}>: this runner does not know the continuation condition {condition}")
        self.goes_on = GOES_ON.get(condition, GOES_ON["SUCCESSFUL"])
        self.sequential = fields.text("executionType", "PARALLEL").strip() == "SEQUENTIALLY"
        fields.only("enableGroovyScript", "false")
        fields.refuse("quietPeriodGroovy", "it is Groovy, which is not run here; set the quiet period of the jobs")
        fields.harmless(
            "scriptText", "scriptPath", "isUseScriptFile", "isScriptOnSlave", "scriptBindings", "resumeEnvVars"
        )
        fields.harmless("isRunOnSlave", "isAlwaysRunPhase", "isEnabledGroovyScript")
        fields.only("ignorePhaseResult", "NEVER", "false")
        self.jobs = [_job(job) for job in fields.children("phaseJobs/*")]

    def plan(self) -> str:
        return f"phase {self.name}: call {', '.join(job.title for job in self.jobs)}"

    def perform(self, build: Build) -> None:
        build.say(f"Starting phase {self.name}")
        chosen = [job for job in self.jobs if self._wanted(build, job)]
        results: list[Result] = []
        for group in [[job] for job in chosen] if self.sequential else [chosen]:
            calls = [call for job in group if (call := self._start(build, job)) is not None]
            results += self._follow(build, calls)
            if self.sequential and calls and results and calls[0].job.kills(results[-1]):
                break
        _count(build, self.name, results, len(self.jobs) - len(results))
        worst = max(results, default=Result.SUCCESS)
        build.worsen(worst)
        if not all(self.goes_on(result) for result in results):
            build.say(f"The phase {self.name} ended with {worst.name}: the steps after it are left out")
            # MultiJobBuild: the build is as bad as the worst of its jobs, which need not be red.
            raise StepFailed("", result=worst)

    def _wanted(self, build: Build, job: PhaseJob) -> bool:
        """Whether a job of the phase runs at all."""
        if job.disabled:
            build.say(f"Skipping {job.title}: it is disabled in the phase")
            return False
        if not job.condition:
            return True
        status = {"JOB_STATUS": "BUILD_ONLY_IF_SCM_CHANGES_DISABLED", "JOB_IS_BUILDABLE": "true"}
        with build.variables_set(status):
            try:
                holds = Filter(tokens.expand(build, job.condition).strip()).keeps({}, 0)
            except Malformed as problem:
                build.say(f"Can't evaluate expression, false is assumed: {problem.message}")
                holds = False
        verb = "Triggering" if holds else "Skipping"
        build.say(f"{verb} {job.title}. Condition was evaluated to {str(holds).lower()}.")
        return holds

    def _start(self, build: Build, job: PhaseJob) -> Call | None:
        try:
            started = build.services.start_downstream(
                build, build.expand(job.name), job.values(build), actions_for(build, job.sources)
            )
        except NotTriggered:
            return None
        except SluicegateError as problem:
            raise StepFailed(f"phase {self.name}: {problem.message}") from problem
        build.say(f"Starting build job {started.job}{f' ({job.alias})' if job.alias else ''}.")
        return Call(job=job, started=started)

    def _follow(self, build: Build, calls: Sequence[Call]) -> list[Result]:
        """Wait for all of them, as they end; their results, but of those that the phase has ended itself."""
        running, results = list(calls), list[Result]()
        try:
            while running:
                started, record = build.services.wait_any(build, [call.started for call in running])
                call = next(call for call in running if call.started == started)
                # The phase itself took it out of the queue, or ended its build.
                if record is None and call.ended_by_us:
                    running.remove(call)
                    continue
                if record is None or record.result is None:
                    raise StepFailed(f"{started.job} was taken out of the queue, or deleted")
                _tell(build, call.job, record)
                if self._tries_again(build, call, record):
                    continue
                running.remove(call)
                if call.ended_by_us:
                    continue
                results.append(record.result)
                if call.job.kills(record.result):
                    self._stop(build, running)
        except (Interrupted, StepFailed):
            build.say("Aborting all subjobs.")
            self._stop(build, running)
            raise
        return results

    def _stop(self, build: Build, calls: Sequence[Call]) -> None:
        for call in calls:
            call.ended_by_us = True
            build.services.stop(call.started, f"Aborted by the phase {self.name} of {build.record.job}")

    def _tries_again(self, build: Build, call: Call, record: Record) -> bool:
        """Start a job once more whose log has one of the known faults (PhaseJobsConfig's retry strategy)."""
        job = call.job
        if not job.rules or record.result not in (Result.UNSTABLE, Result.FAILURE):
            return False
        if not _known_fault(build, job.rules, record):
            build.say("Failed the build, the failure doesn't match the rules.")
            return False
        if call.tries >= job.retries:
            build.say(f"Known failure detected, max retries ({job.retries}) exceeded.")
            return False
        call.tries += 1
        build.say(f"Known failure detected, retrying this build. Try {call.tries} of {job.retries}.")
        again = self._start(build, job)
        if again is None:
            return False
        call.started = again.started
        return True


def _known_fault(build: Build, rules: str, record: Record) -> bool:
    """Whether a line of the log matches a line of the rules; they lie on the server, or in the workspace."""
    name = build.expand(rules)
    try:
        wanted = [line for line in reading.text_of(build, name).splitlines() if line.strip()]
    except OSError:
        build.say(f"Parser rules file not found: {build.workspace / name}")
        return False
    try:
        return any(patterns.search(rule, line) for line in record.lines() for rule in wanted)
    except SluicegateError as problem:
        build.say(f"Failed to look for known failures: {problem.message}")
        return False


def _tell(build: Build, job: PhaseJob, record: Record) -> None:
    """Say how a job ended, and set the variables by which later steps ask (addBuildEnvironmentVariables)."""
    assert record.result is not None
    name = f"{record.job}{f' ({job.alias})' if job.alias else ''}"
    build.say(f"Finished Build : #{record.number} of Job : {name} with status : {record.result.name}")
    last = record.job.rpartition("/")[2]
    word = NOT_IN_A_NAME.sub("_", last).upper()
    count = f"TRIGGERED_BUILD_RUN_COUNT_{word}"
    runs = int(build.env.get(count, "0")) + 1
    ended = {"BUILD_NUMBER": str(record.number), "BUILD_RESULT": record.result.name}
    if runs == 2:
        build.env |= {f"{word}_1_{key}": build.env.get(f"{word}_{key}", "") for key in ended}
    if runs > 1:
        build.env |= {f"{word}_{runs}_{key}": value for key, value in ended.items()}
    build.env |= {f"{word}_{key}": value for key, value in ended.items()}
    build.env |= {
        f"{word}_BUILD_NAME": record.display_name or f"#{record.number}",
        count: str(runs),
        "LAST_TRIGGERED_JOB_NAME": last,
        "TRIGGERED_JOB_NAMES": ",".join(filter(None, [build.env.get("TRIGGERED_JOB_NAMES", ""), last])),
        # What copyartifact's MultiJobBuildSelector is asked by.
        f"TRIGGERED_BUILD_NUMBER_{re.sub('[^a-zA-Z0-9]+', '_', record.job)}": str(record.number),
    }


def _count(build: Build, phase: str, results: Sequence[Result], skipped: int) -> None:
    """PHASE_FAILED and the like for conditions: of the last phase, of the phase by its name, and of all so far."""
    counts = {
        "SUCCESSFUL": sum(result <= Result.UNSTABLE for result in results),
        "STABLE": sum(result is Result.SUCCESS for result in results),
        "UNSTABLE": sum(result is Result.UNSTABLE for result in results),
        "FAILED": sum(result is Result.FAILURE for result in results),
        "ABORTED": sum(result is Result.ABORTED for result in results),
        "SKIPPED": skipped,
    }
    name = NOT_IN_A_NAME.sub("_", phase).upper()
    for key, count in counts.items():
        build.env[f"PHASE_{key}"] = build.env[f"{name}_{key}"] = str(count)
        build.env[f"MULTIJOB_{key}"] = str(int(build.env.get(f"MULTIJOB_{key}", "0")) + count)


def _job(fields: Fields) -> PhaseJob:
    condition = fields.text("condition").strip() if fields.flag("enableCondition") else ""
    if condition:
        Filter(VARIABLE.sub("0", condition))  # What could never be judged is a reason before anything runs.
    fields.only("buildOnlyIfSCMChanges", "false")
    # Both ask for changes of the called job, which are not asked for here.
    fields.harmless("applyConditionOnlyIfNoSCMChanges", "condition", "aggregatedTestResults", "exposedSCM")
    fields.harmless("jobProperties", "resumeCondition", "resumeExpression", "killPhaseCondition")
    retries, rules = fields.number("maxRetries", 0), fields.text("parsingRulesPath").strip()
    word = fields.text("killPhaseOnJobResultCondition", "FAILURE").strip()
    return PhaseJob(
        name=fields.text("jobName").strip(),
        alias=fields.text("jobAlias").strip(),
        current=fields.flag("currParams"),
        sources=cast("tuple[Source, ...]", fields.parts("parameter source", "configs/*")),
        disabled=fields.flag("disableJob"),
        condition=condition,
        ends_phase=ENDS_PHASE.get(word, Result.FAILURE),
        ends_others=fields.flag("abortAllJob"),
        retries=retries,
        rules=rules if fields.flag("enableRetryStrategy") else "",
    )


ELEMENTS = (
    Entry(tag=f"{PREFIX}MultiJobProject", plugin="jenkins-multijob-plugin", kind="project", make=freestyle),
    Entry(tag=f"{PREFIX}MultiJobBuilder", plugin="jenkins-multijob-plugin", kind="builder", make=Phase),
)
