"""Build tools called by name: Maven, Ant, Gradle, Python; Windows' batch files are refused."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import NotFound
from sluicegate.runner import properties, reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.steps.shell import run_script

MINUTE = 60.0
SETTINGS_GIVEN = re.compile(r"(^| )-s ")
GLOBAL_SETTINGS_GIVEN = re.compile(r"(^| )-gs ")
MANAGED = re.compile(r"org\.jenkinsci\.plugins\.configfiles\.maven\.job\.Mvn(Global)?SettingsProvider")


def words_of(text: str) -> list[str]:
    """The words of a command line as Jenkins' QuotedStringTokenizer takes them."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def one_line(text: str) -> str:
    return re.sub(r"[\t\r\n]+", " ", text)


def program(build: Build, kind: str, name: str, command: str) -> tuple[str, dict[str, str]]:
    """A tool's program and variables: of the installation of this name, else what PATH has."""
    home = build.services.tool(kind, build.expand(name)) if name else None
    if home is None:
        if name and name not in ("(Default)", "default"):
            build.say(f"No {kind} is installed as '{name}'; '{command}' of PATH is used")
        return command, {}
    file = home / "bin" / command
    return str(file), {"PATH": f"{home / 'bin'}{os.pathsep}{build.variables.get('PATH', '')}"}


class Settings:
    """Where Maven's settings come from: nowhere, a file, or a managed file."""

    def __init__(self, fields: Fields | None) -> None:
        self.path = self.id = ""
        if fields is None:
            return
        if MANAGED.fullmatch(fields.tag):
            self.id = fields.text("settingsConfigId").strip()
        elif fields.tag.rpartition(".")[2].startswith("FilePath"):
            self.path = fields.text("path").strip()
        elif not fields.tag.rpartition(".")[2].startswith("Default"):
            fields.reasons.append(f"this runner does not know the Maven settings <{fields.tag}>")

    @contextmanager
    def file(self, build: Build) -> Iterator[str]:
        """The path of the settings while Maven runs; empty when there are none."""
        if not self.id:
            yield build.expand(self.path)
            return
        try:
            managed = build.services.config_file(build.expand(self.id))
        except NotFound as problem:
            raise StepFailed(f"Maven's settings '{self.id}' cannot be provided: {problem.message}") from problem
        with build.scratch() as folder:
            path = folder / "settings.xml"
            path.write_text(managed.content)
            build.show(folder)
            yield str(path)


class Maven:
    """hudson.tasks.Maven: parameters and properties as -D, `|` between two calls."""

    label = "Invoke top-level Maven targets"

    def __init__(self, fields: Fields) -> None:
        self.targets = fields.text("targets")
        self.name = fields.text("mavenName").strip()
        self.pom = fields.text("pom").strip()
        self.properties = fields.text("properties")
        self.options = fields.text("jvmOptions")
        self.private = fields.flag("usePrivateRepository")
        self.injects = fields.flag("injectBuildVariables", True)
        self.settings = Settings(fields.child("settings"))
        self.global_settings = Settings(fields.child("globalSettings"))

    def plan(self) -> str:
        return f"mvn {one_line(self.targets)}"

    def perform(self, build: Build) -> None:
        command, env = program(build, "maven", self.name, "mvn")
        env["MAVEN_TERMINATE_CMD"] = "on"
        if self.options:
            env["MAVEN_OPTS"] = one_line(build.expand(self.options))
        targets = build.expand(self.targets)
        with self.settings.file(build) as settings, self.global_settings.file(build) as global_settings:
            for part in targets.split("|"):
                argv = [command, *(["-f", build.expand(self.pom)] if self.pom else [])]
                if settings and not SETTINGS_GIVEN.search(targets):
                    argv += ["-s", settings]
                if global_settings and not GLOBAL_SETTINGS_GIVEN.search(targets):
                    argv += ["-gs", global_settings]
                if build.launch([*argv, *self._definitions(build), *words_of(one_line(part))], env=env) != 0:
                    raise StepFailed("")

    def _definitions(self, build: Build) -> list[str]:
        values = dict(build.parameter_values) if self.injects else {}
        values |= {name: build.expand(value) for name, value in properties.load(self.properties).items()}
        if self.private:
            values["maven.repo.local"] = str(build.workspace / ".repository")
        return [f"-D{name}={value}" for name, value in values.items()]


class Ant:
    """hudson.tasks.Ant: in the folder of its build file."""

    label = "Invoke Ant"

    def __init__(self, fields: Fields) -> None:
        self.targets = fields.text("targets")
        self.name = fields.text("antName").strip()
        self.options = fields.text("antOpts")
        self.file = fields.text("buildFile").strip()
        self.properties = fields.text("properties")

    def plan(self) -> str:
        return f"ant {one_line(self.targets)}".rstrip()

    def perform(self, build: Build) -> None:
        command, env = program(build, "ant", self.name, "ant")
        if self.options:
            env["ANT_OPTS"] = one_line(build.expand(self.options))
        file = build.workspace / (build.expand(self.file) or "build.xml")
        if not reading.is_there(build, file):
            raise StepFailed(f"Unable to find build script at {file}")
        values = {**build.parameter_values, **properties.load(self.properties)}
        definitions = [f"-D{name}={build.expand(value)}" for name, value in values.items()]
        argv = [command, *(["-file", file.name] if self.file else []), *definitions]
        targets = words_of(one_line(build.expand(self.targets)))
        if build.launch([*argv, *targets], cwd=file.parent, env=env) != 0:
            raise StepFailed("")


class Gradle:
    """hudson.plugins.gradle.Gradle: by the wrapper of the project, or by an installation."""

    label = "Invoke Gradle script"

    def __init__(self, fields: Fields) -> None:
        fields.harmless("description")
        self.switches, self.tasks = fields.text("switches"), fields.text("tasks")
        self.folder = fields.text("rootBuildScriptDir").strip()
        self.file = fields.text("buildFile").strip()
        self.name = fields.text("gradleName").strip()
        self.wrapper = fields.flag("useWrapper")
        self.wrapper_place = fields.text("wrapperLocation").strip()
        self.from_folder = fields.flag("fromRootBuildScriptDir")
        self.executable = fields.flag("makeExecutable")
        self.own_home = fields.flag("useWorkspaceAsHome")
        self.all_system = fields.flag("passAllAsSystemProperties")
        self.all_project = fields.flag("passAllAsProjectProperties")
        self.system, self.project = fields.text("systemProperties"), fields.text("projectProperties")

    def plan(self) -> str:
        return f"gradle {one_line(self.tasks)}".rstrip()

    def perform(self, build: Build) -> None:
        folder = build.workspace / build.expand(self.folder)
        command, env = self._program(build, folder)
        if self.own_home:
            env["GRADLE_USER_HOME"] = str(build.workspace)
        argv = [command, *self._definitions(build)]
        argv += words_of(one_line(build.expand(self.switches)))
        argv += words_of(one_line(build.expand(self.tasks)))
        if self.file:
            argv += ["-b", build.expand(self.file)]
        if build.launch(argv, cwd=folder, env=env) != 0:
            raise StepFailed("")

    def _program(self, build: Build, folder: Path) -> tuple[str, dict[str, str]]:
        if not self.wrapper:
            return program(build, "gradle", self.name, "gradle")
        place = build.workspace / build.expand(self.wrapper_place) if self.wrapper_place else build.workspace
        file = (folder if self.from_folder and not self.wrapper_place else place) / "gradlew"
        if not reading.is_there(build, file):
            raise StepFailed(f"The Gradle wrapper has not been found at {file}")
        if self.executable:
            build.ask(["chmod", "u+x", "--", str(file)], cwd=folder, env=build.variables, timeout=MINUTE)
        return str(file), {}

    def _definitions(self, build: Build) -> list[str]:
        system = {**(build.parameter_values if self.all_system else {}), **properties.load(self.system)}
        project = {**(build.parameter_values if self.all_project else {}), **properties.load(self.project)}
        return [f"-D{name}={build.expand(value)}" for name, value in system.items()] + [
            f"-P{name}={build.expand(value)}" for name, value in project.items()
        ]


class Python:
    """hudson.plugins.python.Python: a script for `python`, or for `python3` where that is all there is."""

    label = "Execute Python script"

    def __init__(self, fields: Fields) -> None:
        self.command = fields.text("command")
        fields.harmless("configuredLocalRules")

    def plan(self) -> str:
        head = next((line for line in self.command.splitlines() if line.strip()), "")
        return f"python: {head.strip()}"

    def perform(self, build: Build) -> None:
        name = "python" if shutil.which("python", path=build.variables.get("PATH")) else "python3"
        if run_script(build, self.command, words=(name,), suffix=".py") != 0:
            raise StepFailed("")


WINDOWS = "it runs on Windows only; use a shell step"
ELEMENTS = (
    Entry(tag="hudson.tasks.Maven", plugin="core", kind="builder", make=Maven),
    Entry(tag="hudson.tasks.Ant", plugin="ant", kind="builder", make=Ant),
    Entry(tag="hudson.plugins.gradle.Gradle", plugin="gradle", kind="builder", make=Gradle),
    Entry(tag="hudson.plugins.python.Python", plugin="python", kind="builder", make=Python),
    Entry(tag="hudson.tasks.BatchFile", plugin="core", kind="builder", refuses=lambda _: WINDOWS),
    Entry(tag="hudson.plugins.powershell.PowerShell", plugin="powershell", kind="builder", refuses=lambda _: WINDOWS),
    Entry(
        tag="org.jenkinsci.plugins.managedscripts.WinBatchBuildStep",
        plugin="managed-scripts",
        kind="builder",
        refuses=lambda _: WINDOWS,
    ),
)
