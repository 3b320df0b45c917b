"""Tools that a wrapper puts on PATH: Go, Node.js."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.runner.build import Build
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields


class ToolWrapper:
    """An installation of a tool by its name; where none is configured, what PATH has is used and that is said."""

    before_scm = False

    def __init__(self, fields: Fields, *, kind: str, name: str, home: str) -> None:
        self.kind, self.name, self.home = kind, fields.text(name).strip(), home
        fields.harmless("cacheLocationStrategy", "configId")

    def plan(self) -> str:
        return f"use {self.kind} {self.name}".rstrip()

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        folder = build.services.tool(self.kind, build.expand(self.name))
        if folder is None:
            build.say(f"No {self.kind} is installed as '{self.name}'; that of PATH is used")
            yield
            return
        path = f"{folder / 'bin'}{os.pathsep}{build.variables.get('PATH', '')}"
        with build.variables_set({"PATH": path, self.home: str(folder)}):
            yield


def _go(fields: Fields) -> ToolWrapper:
    return ToolWrapper(fields, kind="go", name="goVersion", home="GOROOT")


def _node(fields: Fields) -> ToolWrapper:
    return ToolWrapper(fields, kind="nodejs", name="nodeJSInstallationName", home="NODEJS_HOME")


ELEMENTS = (
    Entry(tag="org.jenkinsci.plugins.golang.GolangBuildWrapper", plugin="golang", kind="wrapper", make=_go),
    Entry(tag="jenkins.plugins.nodejs.NodeJSBuildWrapper", plugin="nodejs", kind="wrapper", make=_node),
)
