"""org.jenkinsci.plugins.postbuildscript.PostBuildScript: steps and script files after the build, by its result."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.acting import Step
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps.shell import interpreter

MINUTE = 60.0
MODEL = "org.jenkinsci.plugins.postbuildscript."
GROOVY = "Groovy is not run here; use build steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Steps that run after these results; none named: after any."""

    results: frozenset[str]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFile:
    """A script of the workspace (or of the machine), with the words after its name as arguments."""

    path: str
    label: str = "Execute scripts"

    def plan(self) -> str:
        return f"run {self.path}"

    def perform(self, build: Build) -> None:
        name, *words = build.expand(self.path).split() or [""]
        file = build.workspace / name
        argv = ["head", "-n", "1", "--", str(file)]  # anywhere on the machine, if only the build may read it
        answer = build.ask(argv, cwd=build.workspace, env=build.variables, timeout=MINUTE)
        if answer.status:
            raise StepFailed(f"The script file '{name}' does not exist")
        first = answer.text.rstrip("\n")
        if build.launch([*interpreter(first), str(file), *words]) != 0:
            raise StepFailed("")


class PostBuildScript:
    """Runs its steps where the result is among theirs; a failing one makes the build red, or yellow if so set."""

    label = "Execute scripts"

    def __init__(self, fields: Fields) -> None:
        for path in ("config/groovyScripts/*", "groovyScriptContentList/*", "groovyScriptFileList/*"):
            fields.refuse(path, GROOVY)
        fields.harmless("config/groovyScripts", "groovyScriptContentList", "groovyScriptFileList", "executeOn")
        self.unstable = fields.flag("config/markBuildUnstable") or fields.flag("markBuildUnstable")
        files = [_file(file) for file in fields.children(f"config/scriptFiles/{MODEL}model.ScriptFile")]
        groups = [_group(group) for group in fields.children(f"config/buildSteps/{MODEL}model.PostBuildStep")]
        self.groups = [*_old(fields), *files, *groups]

    def plan(self) -> str:
        return "; ".join(
            f"on {', '.join(sorted(group.results)) or 'any'}: {step.plan()}"
            for group in self.groups
            for step in group.steps
        )

    def perform(self, build: Build) -> None:
        for group in self.groups:
            if group.results and build.result.name not in group.results:
                continue
            for step in group.steps:
                try:
                    step.perform(build)
                except StepFailed as problem:
                    build.say(problem.message or f"Build step '{step.label}' failed")
                    build.worsen(Result.UNSTABLE if self.unstable else Result.FAILURE)
                    break


def _results(fields: Fields) -> frozenset[str]:
    fields.only("role", "BOTH", "MASTER", "SLAVE")  # One machine plays both.
    fields.only("executeOn", "BOTH", "MATRIX", "AXES")
    return frozenset(fields.texts("results/string"))


def _group(fields: Fields) -> Group:
    # Named here only to be stopped at the first that fails, which the old form did as well.
    fields.harmless("stopOnFailure")
    return Group(results=_results(fields), steps=fields.steps("buildSteps/*"))


def _file(fields: Fields) -> Group:
    if fields.text("scriptType", "GENERIC").strip() == "GROOVY":
        raise UsageError(f"<{fields.tag}>: {GROOVY}")
    fields.harmless("sandboxed")
    return Group(results=_results(fields), steps=(ScriptFile(path=fields.text("filePath").strip()),))


def _old(fields: Fields) -> list[Group]:
    """The plugin's form before its version 2: one choice of results for everything."""
    good, bad = fields.flag("scriptOnlyIfSuccess"), fields.flag("scriptOnlyIfFailure")
    results = frozenset({"SUCCESS"} if good else set()) | frozenset({"FAILURE"} if bad else set())
    scripts = fields.children(f"genericScriptFileList/{MODEL}GenericScript")
    files = tuple(ScriptFile(path=script.text("filePath").strip()) for script in scripts)
    steps = fields.steps("buildSteps/*")
    return [Group(results=results, steps=(*files, *steps))] if files or steps else []


ELEMENTS = (
    Entry(
        tag="org.jenkinsci.plugins.postbuildscript.PostBuildScript",
        plugin="postbuildscript",
        kind="publisher",
        make=PostBuildScript,
    ),
)
