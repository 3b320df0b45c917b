"""EnvInject: variables from a text or a file, and scripts, as a step, around all steps, or before the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.runner import properties
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import DANGEROUS
from sluicegate.runner.reading import text_of
from sluicegate.runner.steps.shell import run_script


class EnvInject:
    """EnvInjectBuilder and EnvInjectBuildWrapper. A file comes first, the text wins over it, a script comes last."""

    label = "Inject environment variables"
    before_scm = False

    def __init__(self, fields: Fields) -> None:
        for name in ("groovyScriptContent", "secureGroovyScript/script"):
            fields.refuse(f"info/{name}", "it is Groovy, which is not run here; use propertiesContent")
        fields.harmless("info/loadFilesFromMaster", "info/secureGroovyScript")
        self.content = fields.text("info/propertiesContent")
        self.path = fields.text("info/propertiesFilePath").strip()
        self.script = fields.text("info/scriptContent")
        self.script_path = fields.text("info/scriptFilePath").strip()

    def plan(self) -> str:
        return f"set {', '.join(properties.load(self.content)) or 'variables'}" + (
            f" and those of {self.path}" if self.path else ""
        )

    def perform(self, build: Build) -> None:
        build.env |= self._values(build)
        if self.script_path:
            self._run(build, f'. "{build.expand(self.script_path)}"')
        if self.script.strip():
            self._run(build, self.script)

    def _values(self, build: Build) -> dict[str, str]:
        """The new variables, without names that programs of the build would obey."""
        values = properties.injected(self._file(build), build.env) if self.path else {}
        values |= properties.injected(self.content, {**build.env, **values})
        return {name: value for name, value in values.items() if not DANGEROUS.fullmatch(name) or name == "PATH"}

    def _file(self, build: Build) -> str:
        wanted = build.expand(self.path)
        try:
            return text_of(build, wanted)
        except (OSError, ValueError) as problem:
            raise StepFailed(f"[EnvInject] the properties file '{wanted}' is not there") from problem

    def _run(self, build: Build, script: str) -> None:
        if run_script(build, script) != 0:
            raise StepFailed("[EnvInject] the script ended with an error")

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        self.perform(build)
        yield


class JobProperty(EnvInject):
    """EnvInjectJobProperty: before the checkout. Alone with `overrideBuildParameters` it wins over parameters."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.on = fields.flag("on", True)
        self.overrides = fields.flag("overrideBuildParameters")
        self.keep_build = fields.flag("keepBuildVariables", True)
        self.keep_system = fields.flag("keepJenkinsSystemVariables", True)
        fields.refuse("contributors/*", "extensions of EnvInject are not known here")
        fields.harmless("contributors")

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        if self.on:
            self._prepare(build)
        yield

    def _prepare(self, build: Build) -> None:
        build.say("[EnvInject] - Loading node environment variables.")
        if not self.keep_system:
            for name in [name for name in build.env if name.startswith(("JENKINS_", "HUDSON_"))]:
                build.env.pop(name)
        if not self.keep_build:
            build.parameter_values.clear()
        before = dict(build.env)
        self.perform(build)
        if self.overrides:
            changed = {name for name, value in build.env.items() if before.get(name) != value}
            build.parameter_values = {
                name: value for name, value in build.parameter_values.items() if name not in changed
            }


class Passwords:
    """EnvInjectPasswordWrapper: passwords of the job and of the server as variables, masked in the log."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.globally = fields.flag("injectGlobalPasswords")
        fields.harmless("maskPasswordParameters")  # Password parameters are always masked here.
        entries = fields.children("passwordEntries/EnvInjectPasswordEntry")
        self.entries = {entry.text("name").strip(): entry.text("value") for entry in entries}

    def plan(self) -> str:
        return f"set the passwords {', '.join(self.entries) or 'of the server'}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        values = dict(build.services.passwords()) if self.globally else {}
        values |= {name: build.services.unseal(value) for name, value in self.entries.items()}
        build.mask(values.values())
        with build.variables_set(values):
            yield


ELEMENTS = (
    Entry(tag="EnvInjectBuilder", plugin="envinject", kind="builder", make=EnvInject),
    Entry(tag="EnvInjectBuildWrapper", plugin="envinject", kind="wrapper", make=EnvInject),
    Entry(tag="EnvInjectJobProperty", plugin="envinject", kind="property", make=JobProperty),
    Entry(tag="EnvInjectPasswordWrapper", plugin="envinject", kind="wrapper", make=Passwords),
)
