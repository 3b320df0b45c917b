"""hudson.maven.MavenModuleSet: a job that is one call of Maven, with steps before and after it."""

from __future__ import annotations

from typing import cast

from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.acting import Plan, Step, Wrapper
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.elements.projects import HARMLESS, READ_BY_JOBXML
from sluicegate.runner.results import Result
from sluicegate.runner.scm.reading import joined
from sluicegate.runner.steps.buildtools import Settings, one_line, program, words_of

OF_MODULES = (
    "rootModule",
    "aggregatorStyleBuild",
    "incrementalBuild",
    "ignoreUpstremChanges",
    "ignoreUnsuccessfulUpstreams",
    "archivingDisabled",
    "siteArchivingDisabled",
    "fingerprintingDisabled",
    "resolveDependencies",
    "processPlugins",
    "mavenValidationLevel",
    "runHeadless",
    "disableTriggerDownstreamProjects",
    "blockTriggerWhenBuilding",
    "perModuleEmail",
    "perModuleBuild",
    "reporters",
    "modules",
)
"""What concerns the modules one by one, their reports and mails: here they are built in one call."""
RESULT_FIELDS = ("ordinal", "color", "completeBuild")


class Goals:
    """The call of Maven; JUnit's reports of Surefire and Failsafe are read by publishers only."""

    label = "Invoke Maven"

    def __init__(self, fields: Fields) -> None:
        self.goals = fields.text("goals").strip() or "install"
        self.name, self.pom = fields.text("mavenName").strip(), fields.text("rootPOM").strip()
        self.options = fields.text("mavenOpts")
        self.settings, self.global_settings = (
            Settings(fields.child("settings")),
            Settings(fields.child("globalSettings")),
        )
        repository = fields.child("localRepository")
        self.private = repository is not None and not repository.tag.endswith("DefaultLocalRepositoryLocator")
        self.private = self.private or fields.flag("usePrivateRepository")

    def plan(self) -> str:
        return f"mvn {one_line(self.goals)}"

    def perform(self, build: Build) -> None:
        command, env = program(build, "maven", self.name, "mvn")
        if self.options:
            env["MAVEN_OPTS"] = one_line(build.expand(self.options))
        with self.settings.file(build) as settings, self.global_settings.file(build) as global_settings:
            argv = [command, "-B", *(["-f", build.expand(self.pom)] if self.pom else [])]
            argv += ["-s", settings] if settings else []
            argv += ["-gs", global_settings] if global_settings else []
            argv += [f"-D{name}={value}" for name, value in build.parameter_values.items()]
            argv += [f"-Dmaven.repo.local={build.workspace / '.repository'}"] if self.private else []
            if build.launch([*argv, *words_of(one_line(build.expand(self.goals)))], env=env) != 0:
                raise StepFailed("")


class PostSteps:
    """The steps after Maven, as far as its result allows them (runPostStepsIfResult)."""

    label = "Post steps"

    def __init__(self, goals: Goals, steps: tuple[Step, ...], worst: Result) -> None:
        self.goals, self.steps, self.worst = goals, steps, worst

    def plan(self) -> str:
        return "; ".join([self.goals.plan(), *(f"then {step.plan()}" for step in self.steps)])

    def perform(self, build: Build) -> None:
        failed = False
        try:
            self.goals.perform(build)
        except StepFailed:
            failed = True
        if max(build.result, Result.FAILURE if failed else Result.SUCCESS) <= self.worst:
            for step in self.steps:
                step.perform(build)
        if failed:
            raise StepFailed("")


def maven(fields: Fields) -> Plan:
    """The wrappers around the steps before Maven, Maven itself, and the steps after it; then publishers."""
    fields.harmless(*READ_BY_JOBXML, *HARMLESS, *OF_MODULES)
    fields.harmless(*(f"runPostStepsIfResult/{name}" for name in RESULT_FIELDS))
    declared = tuple(part for part in fields.parts("property", "properties/*") if isinstance(part, Wrapper))
    fields.parts("trigger", "triggers/*")
    worst = Result.named(fields.text("runPostStepsIfResult/name", "FAILURE"), Result.FAILURE)
    last = PostSteps(Goals(fields), (*fields.steps("postbuilders/*"),), worst)
    return Plan(
        source=joined(fields.parts("scm", "scm")),
        wrappers=declared + cast("tuple[Wrapper, ...]", fields.parts("wrapper", "buildWrappers/*")),
        builders=(*fields.steps("prebuilders/*"), *fields.steps("builders/*"), last),
        publishers=cast("tuple[Step, ...]", fields.parts("publisher", "publishers/*")),
    )


ELEMENTS = (Entry(tag="maven2-moduleset", plugin="maven-plugin", kind="project", make=maven),)
