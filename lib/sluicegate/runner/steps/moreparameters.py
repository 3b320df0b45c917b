"""Parameters of plugins, and the core's choice of a build: labels, validated strings, remembered values and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sluicegate.errors import UsageError
from sluicegate.runner.combinations import Filter
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.elements.jobs import definition
from sluicegate.runner.parameters import Definition, Kind
from sluicegate.tools import patterns

GROOVY = "its choices come from Groovy, which is not run here; use a choice or string parameter"


def _text(fields: Fields, default: str, *, pattern: str = "", complaint: str = "") -> Definition:
    return Definition(
        name=fields.text("name"),
        kind="String",
        description=fields.text("description"),
        default=default,
        pattern=pattern,
        complaint=complaint,
    )


def _label(fields: Fields) -> Definition:
    """LabelParameterDefinition: one machine is all there is, it matches every label."""
    fields.harmless("allNodesMatchingLabel", "triggerIfResult", "nodeEligibility", "ignoreOfflineNodes")
    return _text(fields, fields.text("defaultValue"))


def _node(fields: Fields) -> Definition:
    """NodeParameterDefinition: the value is the name of a node."""
    fields.harmless("triggerIfResult", "allowMultiNodeSelection", "triggerConcurrentBuilds", "ignoreOfflineNodes")
    fields.harmless("nodeEligibility", "defaultValue")
    allowed = fields.texts("allowedSlaves/string")
    preferred = fields.texts("defaultSlaves/string") or allowed
    return _text(fields, preferred[0] if preferred else "built-in")


def _validating(fields: Fields) -> Definition:
    """ValidatingStringParameterDefinition: a value must match the expression as a whole."""
    pattern = fields.text("regex")
    patterns.compiled(pattern)
    return _text(fields, fields.text("defaultValue"), pattern=pattern, complaint=fields.text("failedValidationMessage"))


def _credentials(fields: Fields) -> Definition:
    """CredentialsParameterDefinition: the value is a credential's id, which bindings expand."""
    fields.harmless("credentialType", "required")
    return _text(fields, fields.text("defaultValue"))


def _hidden(fields: Fields) -> Definition:
    fields.harmless("trim")
    return _text(fields, fields.text("defaultValue"))


def _password(fields: Fields) -> Definition:
    """mask-passwords' own parameter, which has no default."""
    return Definition(name=fields.text("name"), kind="Password", description=fields.text("description"))


HARMLESS_EXTENDED = (
    "visibleItemCount",
    "multiSelectDelimiter",
    "bindings",
    "javascript",
    "javascriptFile",
    "saveJSONParameterToFile",
    "groovyClasspath",
    "defaultGroovyClasspath",
    "descriptionGroovyClasspath",
    "projectName",
    "value",
    "descriptionPropertyValue",
)
ELSEWHERE_EXTENDED = (
    "propertyFile",
    "propertyKey",
    "defaultPropertyFile",
    "defaultPropertyKey",
    "descriptionPropertyFile",
    "descriptionPropertyKey",
    "groovyScript",
    "groovyScriptFile",
    "defaultGroovyScript",
    "defaultGroovyScriptFile",
    "descriptionGroovyScript",
    "descriptionGroovyScriptFile",
)


def _extended(fields: Fields) -> Definition:
    """ExtendedChoiceParameterDefinition: any of its choices, joined by its delimiter; the default is what it says."""
    for name in ELSEWHERE_EXTENDED:
        fields.refuse(name, "choices from files and Groovy are not read here; use `value`")
    fields.harmless(*HARMLESS_EXTENDED)
    if fields.text("type").strip() == "PT_JSON":
        raise UsageError(f"<{fields.tag}>: JSON forms are not known here")
    default = fields.text("defaultValue")
    return _text(fields, f'"{default}"' if fields.flag("quoteValue") else default)


def _run(fields: Fields) -> Definition:
    """hudson.model.RunParameterDefinition: a build of another job, as `JOB#NUMBER`; the last one that fits."""
    return Definition(
        name=fields.text("name"),
        kind="Run",
        description=fields.text("description"),
        default=fields.text("runId").strip(),
        default_from="run",
        run_of=fields.text("projectName").strip(),
        run_filter=fields.text("filter", "ALL").strip(),
    )


def _remembered(kind: Kind) -> Callable[[Fields], Definition]:
    """persistent-parameter: the default is what the last build, or the last good one, was started with."""

    def read(fields: Fields) -> Definition:
        good = fields.flag("successfulOnly")
        return replace(definition(kind)(fields), default_from="last good build" if good else "last build")

    return read


def _random(fields: Fields) -> Definition:
    """RandomStringParameterDefinition: a value by chance where none is given."""
    fields.harmless("failedValidationMessage")
    return replace(_text(fields, ""), default_from="chance")


def _of_git(fields: Fields) -> Definition:
    """GitParameterDefinition: a branch, tag or revision as text; no list is offered here."""
    fields.harmless("type", "branch", "tagFilter", "branchFilter", "sortMode", "selectedValue", "useRepository")
    fields.harmless("quickFilterEnabled", "listSize", "requiredParameter", "uuid")
    return _text(fields, fields.text("defaultValue"))


def _combinations(fields: Fields) -> Definition:
    """MatrixCombinationsParameterDefinition: here its value is a combination filter, which the matrix keeps to."""
    expression = fields.text("defaultCombinationFilter").strip()
    Filter(expression)
    return _text(fields, expression)


COMBINATIONS = "hudson.plugins.matrix__configuration__parameter.MatrixCombinationsParameterDefinition"
NODES = "org.jvnet.jenkins.plugins.nodelabelparameter."
REMEMBERED: tuple[Kind, ...] = ("Boolean", "Choice", "String", "Text")
DYNAMIC = "com.seitenbau.jenkins.plugins.dynamicparameter."
ELEMENTS = (
    Entry(tag=f"{NODES}LabelParameterDefinition", plugin="nodelabelparameter", kind="parameter", make=_label),
    Entry(tag=f"{NODES}NodeParameterDefinition", plugin="nodelabelparameter", kind="parameter", make=_node),
    Entry(
        tag="hudson.plugins.validating__string__parameter.ValidatingStringParameterDefinition",
        plugin="validating-string-parameter",
        kind="parameter",
        make=_validating,
    ),
    Entry(
        tag="com.cloudbees.plugins.credentials.CredentialsParameterDefinition",
        plugin="credentials",
        kind="parameter",
        make=_credentials,
    ),
    Entry(
        tag="com.wangyin.parameter.WHideParameterDefinition", plugin="hidden-parameter", kind="parameter", make=_hidden
    ),
    Entry(
        tag="com.michelin.cio.hudson.plugins.passwordparam.PasswordParameterDefinition",
        plugin="mask-passwords",
        kind="parameter",
        make=_password,
    ),
    Entry(
        tag="com.cwctravel.hudson.plugins.extended__choice__parameter.ExtendedChoiceParameterDefinition",
        plugin="extended-choice-parameter",
        kind="parameter",
        make=_extended,
    ),
    Entry(tag="hudson.model.RunParameterDefinition", plugin="core", kind="parameter", make=_run),
    *(
        Entry(
            tag=f"com.gem.persistentparameter.Persistent{kind}ParameterDefinition",
            plugin="persistent-parameter",
            kind="parameter",
            make=_remembered(kind),
        )
        for kind in REMEMBERED
    ),
    Entry(
        tag="hudson.plugins.random__string__parameter.RandomStringParameterDefinition",
        plugin="random-string-parameter",
        kind="parameter",
        make=_random,
    ),
    Entry(
        tag="net.uaznia.lukanus.hudson.plugins.gitparameter.GitParameterDefinition",
        plugin="git-parameter",
        kind="parameter",
        make=_of_git,
    ),
    Entry(tag=COMBINATIONS, plugin="matrix-combinations-parameter", kind="parameter", make=_combinations),
    Entry(
        tag="jenkins.plugins.parameter__separator.ParameterSeparatorDefinition",
        plugin="parameter-separator",
        kind="parameter",
        ignores="it is a heading between parameters",
    ),
    *(
        Entry(tag=f"{DYNAMIC}{name}", plugin="dynamicparameter", kind="parameter", refuses=lambda _: GROOVY)
        for name in ("ChoiceParameterDefinition", "StringParameterDefinition")
    ),
    *(
        Entry(tag=f"org.biouno.unochoice.{name}", plugin="uno-choice", kind="parameter", refuses=lambda _: GROOVY)
        for name in ("ChoiceParameter", "CascadeChoiceParameter", "DynamicReferenceParameter")
    ),
)
