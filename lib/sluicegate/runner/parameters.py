"""Build parameters: what a job declares, and the values that a build was started with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.tools import patterns
from sluicegate.tools.xml import tag, text

Kind = Literal["String", "Boolean", "Choice", "Text", "Password", "File", "Run"]
Origin = Literal["job", "last build", "last good build", "chance", "run"]
"""Where a default comes from; `default` itself where that has none yet."""
RUN = "hudson.model.RunParameterValue"
Value = str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file as the value of a parameter: what its owner calls it, and where `uploads` keeps it."""

    file_name: str
    sha256: str


Given = Value | Upload
LONGEST = 128 * 1024 - 256
"""Linux takes no environment string beyond 128 KiB (MAX_ARG_STRLEN); the name and `=` count too."""
DANGEROUS = re.compile(
    r"LD_.*|DYLD_.*|PATH|IFS|PS4|BASH_ENV|SHELLOPTS|BASHOPTS|BASH_FUNC.*|PYTHONPATH|PYTHONSTARTUP|PERL5OPT|RUBYOPT"
    r"|NODE_OPTIONS|JAVA_TOOL_OPTIONS|GIT_SSH.*|GIT_CONFIG.*|JENKINS_HOME|HUDSON_HOME|JENKINS_SERVER_COOKIE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One parameter that a job declares. Its value must match `pattern` as a whole, else `complaint` is told.

    A Run's value is `JOB#NUMBER`; it is offered from the builds of `run_of` that `run_filter` lets through.
    """

    name: str
    kind: Kind
    description: str = ""
    default: Value = ""
    choices: tuple[str, ...] = ()
    trim: bool = False
    pattern: str = ""
    complaint: str = ""
    default_from: Origin = "job"
    run_of: str = ""
    run_filter: str = ""

    @property
    def value_class(self) -> str:
        """The class of its values: a choice's value is a plain string."""
        return f"hudson.model.{'String' if self.kind == 'Choice' else self.kind}ParameterValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value of a build. A File's value is the uploaded file's name, a Password's is sealed by the vault.

    `sha256` is a File's content in `uploads`; builds that are read again do not know it.
    """

    name: str
    value: Value
    value_class: str = "hudson.model.StringParameterValue"
    description: str = ""
    sha256: str = ""

    @property
    def secret(self) -> bool:
        return self.value_class == "hudson.model.PasswordParameterValue"

    @property
    def text(self) -> str:
        """The value as the environment shows it."""
        return str(self.value).lower() if isinstance(self.value, bool) else self.value


def chosen(declared: tuple[Definition, ...], given: Mapping[str, Given]) -> tuple[Parameter, ...]:
    """The values of a build: what was given, else the defaults; undeclared names are dropped.

    Raises UsageError for values that no environment can carry, for choices that do not exist, for dangerous names and
    for files whose place is not in the workspace.
    """
    return tuple(_choose(one, given) for one in declared if one.kind != "File" or one.name in given)


def _choose(one: Definition, given: Mapping[str, Given]) -> Parameter:
    value = given.get(one.name, one.default)
    sha256 = ""
    if isinstance(value, Upload):
        sha256, value = value.sha256 if one.kind == "File" else "", value.file_name
    if sha256 and (one.name.startswith("/") or {"", ".", ".."} & set(one.name.split("/"))):
        raise UsageError(f"the file parameter '{one.name}' would lie outside the workspace")
    if DANGEROUS.fullmatch(one.name) or not re.fullmatch(r"[^=\x00]+", one.name):
        raise UsageError(f"the parameter '{one.name}' may not be set: programs of the build would obey it")
    if one.kind == "Boolean":
        value = value if isinstance(value, bool) else value.strip().lower() == "true"
    elif isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, str):
        value = value.strip() if one.trim else value
        _must_fit(one, value)
    return Parameter(
        name=one.name, value=value, value_class=one.value_class, description=one.description, sha256=sha256
    )


def _must_fit(one: Definition, value: str) -> None:
    if one.kind == "Choice" and value not in one.choices:
        listed = ", ".join(one.choices)
        raise UsageError(f"Illegal choice for parameter {one.name}: {value} (expected one of: {listed})")
    if one.pattern and not patterns.matches(one.pattern, value):
        told = f": {one.complaint}" if one.complaint else ""
        raise UsageError(f"Invalid value for parameter [{one.name}]{told}: '{value}' does not match {one.pattern}")
    if "\0" in value:
        raise UsageError(f"the value of the parameter '{one.name}' contains a NUL character")
    size = len(value.encode("utf-8", "surrogateescape"))
    if size + len(one.name) > LONGEST:
        raise UsageError(f"the value of the parameter '{one.name}' has {size} bytes; the environment takes {LONGEST}")


def write(values: tuple[Parameter, ...], declared: tuple[str, ...] = ()) -> str:
    """The hudson.model.ParametersAction element of build.xml, with all names that the job declared.

    Secret values come in already sealed.
    """
    if not values:
        return ""
    body = "".join(_value(one) for one in values)
    names = "".join(tag("string", name, "        ") for name in declared or [one.name for one in values])
    return (
        '    <hudson.model.ParametersAction>\n      <safeParameters class="sorted-set"/>\n'
        f"      <parameters>\n{body}      </parameters>\n"
        f"      <parameterDefinitionNames>\n{names}      </parameterDefinitionNames>\n"
        "    </hudson.model.ParametersAction>\n"
    )


def declared_in(action: Element) -> tuple[str, ...]:
    """The names that the job declared when a build was started, those without a value too."""
    return tuple(one.text or "" for one in action.iterfind("parameterDefinitionNames/string"))


def _value(one: Parameter) -> str:
    indent = "          "
    body = tag("name", one.name, indent) + tag("description", one.description, indent)
    if one.value_class == RUN:
        body += tag("runId", one.text, indent)
    elif one.value_class.endswith("FileParameterValue"):
        body += tag("originalFileName", one.text, indent) + tag("location", one.name, indent)
    else:
        body += tag("value", one.text, indent)
    return f"        <{one.value_class}>\n{body}        </{one.value_class}>\n"


def read(action: Element) -> tuple[Parameter, ...]:
    """The values of a ParametersAction element; a secret's value stays sealed."""
    found = []
    for element in action.iterfind("parameters/*"):
        value: Value = text(element, "runId" if element.tag == RUN else "value")
        if element.tag.endswith("BooleanParameterValue"):
            value = value == "true"
        elif element.tag.endswith("FileParameterValue"):
            value = text(element, "originalFileName")
        found.append(
            Parameter(
                name=text(element, "name"),
                value=value,
                value_class=element.tag,
                description=text(element, "description"),
            )
        )
    return tuple(found)
