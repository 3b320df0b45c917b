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
OBEYED = re.compile(
    DANGEROUS.pattern
    + r"|GIT_(EXEC_PATH|TEMPLATE_DIR|EXTERNAL_DIFF|PROXY_COMMAND|ASKPASS|PAGER|EDITOR|SEQUENCE_EDITOR)"
    r"|GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|ALLOW_PROTOCOL|TRACE.*)"
    r"|SSH_ASKPASS|PROMPT_COMMAND|PERL5LIB|PERL5DB|PERLLIB|PYTHON(HOME|USERBASE|INSPECT|BREAKPOINT|WARNINGS)|RUBYLIB"
    r"|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|GCONV_PATH|LOCPATH|LESSOPEN|LESSCLOSE|NODE_PATH"
)
"""What whoever starts a job may not set either, though the job may: programs run what its value names."""


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


def chosen(declared: tuple[Definition, ...], values: Mapping[str, Given]) -> tuple[Parameter, ...]:
    """The values of a build: what was given, else the defaults; undeclared names are dropped.

    Raises UsageError for values that no environment can carry, for choices that do not exist, for dangerous names and
    for files whose place is not in the workspace.
    """
    return tuple(
        _choose(definition, values) for definition in declared if definition.kind != "File" or definition.name in values
    )


def _choose(definition: Definition, values: Mapping[str, Given]) -> Parameter:
    value = values.get(definition.name, definition.default)
    sha256 = ""
    if isinstance(value, Upload):
        sha256, value = value.sha256 if definition.kind == "File" else "", value.file_name
    # Refuse names that would do harm wherever they come from.
    if sha256 and (definition.name.startswith("/") or {"", ".", ".."} & set(definition.name.split("/"))):
        raise UsageError(f"the file parameter '{definition.name}' would lie outside the workspace")
    if OBEYED.fullmatch(definition.name) or not re.fullmatch(r"[^=\x00]+", definition.name):
        raise UsageError(f"the parameter '{definition.name}' may not be set: programs of the build would obey it")
    # The value in the form of its kind.
    if definition.kind == "Boolean":
        value = value if isinstance(value, bool) else value.strip().lower() == "true"
    elif isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, str):
        value = value.strip() if definition.trim else value
        _must_fit(definition, value)
    return Parameter(
        name=definition.name,
        value=value,
        value_class=definition.value_class,
        description=definition.description,
        sha256=sha256,
    )


def _must_fit(definition: Definition, value: str) -> None:
    if definition.kind == "Choice" and value not in definition.choices:
        listed = ", ".join(definition.choices)
        raise UsageError(f"Illegal choice for parameter {definition.name}: {value} (expected one of: {listed})")
    if definition.pattern and not patterns.matches(definition.pattern, value):
        complaint = f": {definition.complaint}" if definition.complaint else ""
        raise UsageError(
            f"Invalid value for parameter [{definition.name}]{complaint}: '{value}' does not match {definition.pattern}"
        )
    if "\0" in value:
        raise UsageError(f"the value of the parameter '{definition.name}' contains a NUL character")
    size = len(value.encode("utf-8", "surrogateescape"))
    if size + len(definition.name) > LONGEST:
        raise UsageError(
            f"the value of the parameter '{definition.name}' has {size} bytes; the environment takes {LONGEST}"
        )


def write(values: tuple[Parameter, ...], declared: tuple[str, ...] = ()) -> str:
    """The hudson.model.ParametersAction element of build.xml, with all names that the job declared.

    Secret values come in already sealed.
    """
    if not values:
        return ""
    body = "".join(_value(parameter) for parameter in values)
    names = "".join(tag("string", name, "        ") for name in declared or [parameter.name for parameter in values])
    return (
        '    <hudson.model.ParametersAction>\n      <safeParameters class="sorted-set"/>\n'
        f"      <parameters>\n{body}      </parameters>\n"
        f"      <parameterDefinitionNames>\n{names}      </parameterDefinitionNames>\n"
        "    </hudson.model.ParametersAction>\n"
    )


def declared_in(action: Element) -> tuple[str, ...]:
    """The names that the job declared when a build was started, those without a value too."""
    return tuple(name_element.text or "" for name_element in action.iterfind("parameterDefinitionNames/string"))


def _value(parameter: Parameter) -> str:
    indent = "          "
    body = tag("name", parameter.name, indent) + tag("description", parameter.description, indent)
    if parameter.value_class == RUN:
        body += tag("runId", parameter.text, indent)
    elif parameter.value_class.endswith("FileParameterValue"):
        body += tag("originalFileName", parameter.text, indent) + tag("location", parameter.name, indent)
    else:
        body += tag("value", parameter.text, indent)
    return f"        <{parameter.value_class}>\n{body}        </{parameter.value_class}>\n"


def read(action: Element) -> tuple[Parameter, ...]:
    """The values of a ParametersAction element; a secret's value stays sealed."""
    parameters = []
    for element in action.iterfind("parameters/*"):
        value: Value = text(element, "runId" if element.tag == RUN else "value")
        if element.tag.endswith("BooleanParameterValue"):
            value = value == "true"
        elif element.tag.endswith("FileParameterValue"):
            value = text(element, "originalFileName")
        parameters.append(
            Parameter(
                name=text(element, "name"),
                value=value,
                value_class=element.tag,
                description=text(element, "description"),
            )
        )
    return tuple(parameters)
