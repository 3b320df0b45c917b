"""What a build is called and described as: description-setter and build-name-setter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.errors import SluicegateError
from sluicegate.runner import tokens
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import patterns

SETTER = "hudson.plugins.descriptionsetter.DescriptionSetter"


def describe(build: Build, regexp: str, description: str) -> None:
    """Set the description: the text, or what the first line of the log that matches makes of it (`\\1` is a group)."""
    result = tokens.expand(build, description) if not regexp and description else None
    if regexp:
        result = _from_log(build, regexp, description)
    if result is None:
        build.say("[description-setter] Could not determine description.")
        return
    earlier = build.record.description
    build.entitle(description=f"{earlier}<br />{result}" if earlier else result)
    build.env["DESCRIPTION_SETTER_DESCRIPTION"] = result
    build.say(f"[description-setter] Description set: {result}")


def _from_log(build: Build, regexp: str, description: str) -> str | None:
    try:
        first_match = next((match for line in build.lines() if (match := patterns.search(regexp, line))), None)
    except SluicegateError as problem:
        raise StepFailed(f"[description-setter] {problem.message}") from problem
    if first_match is None:
        return None
    groups = first_match.groups()
    text = description or ("\\1" if groups else "\\0")
    for number in range(len(groups), -1, -1):
        text = text.replace(f"\\{number}", first_match[number] or "")
    return build.expand(text)


class DescriptionStep:
    """DescriptionSetterBuilder."""

    label = "Set build description"

    def __init__(self, fields: Fields) -> None:
        self.regexp, self.description = fields.text("regexp"), fields.text("description")

    def plan(self) -> str:
        return f"describe the build: {self.description or self.regexp}"

    def perform(self, build: Build) -> None:
        describe(build, self.regexp, self.description)


class DescriptionPublisher(DescriptionStep):
    """DescriptionSetterPublisher: another pattern and text when the build is red."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.red_regexp, self.red_description = fields.text("regexpForFailed"), fields.text("descriptionForFailed")
        fields.harmless("setForMatrix", "explicitNotRegexp")

    def perform(self, build: Build) -> None:
        red = build.result > Result.UNSTABLE
        if red and (self.red_regexp or self.red_description):
            describe(build, self.red_regexp, self.red_description)
        else:
            describe(build, self.regexp, self.description)


class BuildName:
    """org.jenkinsci.plugins.buildnamesetter.BuildNameSetter: at the start and, with all variables, at the end."""

    before_scm = False

    def __init__(self, fields: Fields) -> None:
        self.template = fields.text("template")
        self.description = fields.text("descriptionTemplate")
        self.at_start, self.at_end = fields.flag("runAtStart", True), fields.flag("runAtEnd", True)

    def plan(self) -> str:
        return f"name the build {self.template}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        if self.at_start:
            self._set(build)
        try:
            yield
        finally:
            if self.at_end:
                self._set(build)

    def _set(self, build: Build) -> None:
        if name := tokens.expand(build, self.template).strip():
            build.entitle(name=name)
            build.env["BUILD_DISPLAY_NAME"] = name
            build.say(f"New build name is '{name}'")
        if self.description:
            build.entitle(description=tokens.expand(build, self.description))


class UpdateName:
    """org.jenkinsci.plugins.buildnameupdater.BuildNameUpdater: a name from a file, from a template, or from both."""

    label = "Update build name"

    def __init__(self, fields: Fields) -> None:
        self.file = fields.text("buildName").strip()
        self.template = fields.text("macroTemplate")
        self.from_file, self.by_template = fields.flag("fromFile"), fields.flag("fromMacro")
        self.template_first = fields.flag("macroFirst")

    def plan(self) -> str:
        return f"name the build by {self.file if self.from_file else self.template}"

    def perform(self, build: Build) -> None:
        parts = []
        if self.from_file:
            try:
                parts.append(build.ground.text(build.expand(self.file)).strip().splitlines()[0])
            except (OSError, IndexError) as problem:
                raise StepFailed(f"the build's name cannot be read from {self.file}: {problem}") from problem
        if self.by_template:
            parts.insert(0 if self.template_first else len(parts), tokens.expand(build, self.template))
        build.entitle(name="-".join(parts) or None)


ELEMENTS = (
    Entry(tag=f"{SETTER}Builder", plugin="description-setter", kind="builder", make=DescriptionStep),
    Entry(tag=f"{SETTER}Publisher", plugin="description-setter", kind="publisher", make=DescriptionPublisher),
    Entry(
        tag="org.jenkinsci.plugins.buildnamesetter.BuildNameSetter",
        plugin="build-name-setter",
        kind="wrapper",
        make=BuildName,
    ),
    Entry(
        tag="org.jenkinsci.plugins.buildnameupdater.BuildNameUpdater",
        plugin="build-name-setter",
        kind="builder",
        make=UpdateName,
    ),
)
