"""Parameters of plugins: labels, nodes, validated strings, credentials, hidden ones, extended choices."""

from __future__ import annotations

from sluicegate.errors import UsageError
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import Definition
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


NODES = "org.jvnet.jenkins.plugins.nodelabelparameter."
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
    *(
        Entry(tag=f"{DYNAMIC}{name}", plugin="dynamicparameter", kind="parameter", refuses=lambda _: GROOVY)
        for name in ("ChoiceParameterDefinition", "StringParameterDefinition")
    ),
    *(
        Entry(tag=f"org.biouno.unochoice.{name}", plugin="uno-choice", kind="parameter", refuses=lambda _: GROOVY)
        for name in ("ChoiceParameter", "CascadeChoiceParameter", "DynamicReferenceParameter")
    ),
)
