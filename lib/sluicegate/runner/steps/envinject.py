"""EnvInject: variables from a text or a properties file, as a step or around all steps. No scripts, no Groovy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.runner import environment
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import DANGEROUS
from sluicegate.tools import files

REFUSED = ("scriptFilePath", "scriptContent", "groovyScriptContent", "secureGroovyScript/script")


class EnvInject:
    """EnvInjectBuilder and EnvInjectBuildWrapper."""

    label = "Inject environment variables"
    before_scm = False

    def __init__(self, fields: Fields) -> None:
        for name in REFUSED:
            fields.refuse(f"info/{name}", "use properties")
        fields.harmless("info/loadFilesFromMaster", "info/secureGroovyScript")
        self.content = fields.text("info/propertiesContent")
        self.path = fields.text("info/propertiesFilePath").strip()

    def plan(self) -> str:
        return f"set {', '.join(environment.properties(self.content)) or 'variables'}" + (
            f" and those of {self.path}" if self.path else ""
        )

    def perform(self, build: Build) -> None:
        found = environment.properties(self._file(build)) if self.path else {}
        found |= environment.properties(self.content)
        for name, value in found.items():
            if not DANGEROUS.fullmatch(name) or name == "PATH":
                build.env[name] = build.expand(value)

    def _file(self, build: Build) -> str:
        name = os.path.normpath(build.expand(self.path).removeprefix(f"{build.workspace}/"))
        try:
            with os.fdopen(files.open_beneath(build.workspace, name), "rb") as stream:
                return stream.read(1 << 20).decode("utf-8", "replace")
        except OSError as problem:
            raise StepFailed(f"the properties file '{name}' is not in the workspace") from problem

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        self.perform(build)
        yield


ELEMENTS = (
    Entry(tag="EnvInjectBuilder", plugin="envinject", kind="builder", make=EnvInject),
    Entry(tag="EnvInjectBuildWrapper", plugin="envinject", kind="wrapper", make=EnvInject),
)
