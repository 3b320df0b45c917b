"""Texts with macros of the token-macro plugin, as run conditions, names and descriptions of builds take them.

`${ENV,var="X"}`, `${FILE,path="X"}` and the like; a macro that is not known here stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice

from sluicegate.model.numbers import INT, whole
from sluicegate.runner import properties
from sluicegate.runner.build import Build
from sluicegate.runner.reading import text_of
from sluicegate.runner.scm import history

VALUE = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^,}"'\s]+)"""
MACRO = re.compile(rf"\$\{{([A-Za-z_]\w*)((?:,\s*\w+\s*=\s*{VALUE}\s*)*)\}}", re.DOTALL)
ARGUMENT = re.compile(rf",\s*(\w+)\s*=\s*({VALUE})", re.DOTALL)
LINES = 250
Given = Mapping[str, str]


def expand(build: Build, text: str) -> str:
    """The text with the build's variables, then its macros (TokenMacro.expandAll)."""
    return MACRO.sub(lambda match: _evaluated(build, match), build.expand(text))


def _evaluated(build: Build, match: re.Match[str]) -> str:
    macro = MACROS.get(match[1])
    if macro is None:
        return match[0]
    arguments = {name: _unquoted(value) for name, value in ARGUMENT.findall(match[2])}
    return macro(build, arguments)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "\"'" else value


def _file(build: Build, arguments: Given) -> str:
    path = arguments.get("path", "")
    try:
        return text_of(build, path)
    except OSError:
        return f"ERROR: File '{path}' does not exist"


def _property(build: Build, arguments: Given) -> str:
    path = arguments.get("file", "")
    try:
        return properties.load(text_of(build, path)).get(arguments.get("property", ""), "")
    except OSError:
        return f"ERROR: File '{path}' does not exist"


def _log(build: Build, arguments: Given) -> str:
    most, lines = whole(arguments.get("maxLines", ""), most=INT), list(build.lines())
    return "\n".join(islice(lines, max(0, len(lines) - (LINES if most is None else most)), None))


def _commit(build: Build, arguments: Given) -> str:
    commit = history.commit_of(build.record)
    return commit[: whole(arguments.get("length", ""), most=len(commit))]


MACROS: dict[str, Callable[[Build, Given], str]] = {
    "ENV": lambda build, arguments: build.variables.get(arguments.get("var", ""), ""),
    "FILE": _file,
    "PROPFILE": _property,
    "BUILD_LOG": _log,
    "BUILD_STATUS": lambda build, arguments: build.result.name.title(),
    "PROJECT_NAME": lambda build, arguments: build.record.job.replace("/", " » "),
    "JOB_DESCRIPTION": lambda build, arguments: build.config.root.findtext("description") or "",
    "GIT_REVISION": _commit,
}
