"""The `<scm>` element of a job -> what it asks of Git. Nothing is dropped: what is not understood is named."""

from __future__ import annotations

from typing import cast
from xml.etree.ElementTree import Element

from sluicegate.runner.elements import catalogue
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.scm import extensions
from sluicegate.runner.scm.extensions import Options
from sluicegate.runner.scm.model import Git, Remote, Source

NONE = "hudson.scm.NullSCM"
GIT = "hudson.plugins.git.GitSCM"
MULTI = "org.jenkinsci.plugins.multiplescms.MultiSCM"
HARMLESS = ("configVersion", "submoduleCfg", "doGenerateSubmoduleConfigurations", "gitTool", "browser", "remotePoll")


def read(element: Element | None) -> Source:
    """The repositories of an `<scm>` element. Raises ConfigError with every reason why they cannot be checked out."""
    return Source() if element is None else cast(Source, catalogue.make("scm", element))


def git(fields: Fields) -> Source:
    """hudson.plugins.git.GitSCM: the remotes, the branches, and what each extension sets."""
    fields.harmless(*HARMLESS)
    branches = tuple(name.strip() or "**" for name in fields.texts("branches/hudson.plugins.git.BranchSpec/name"))
    options = extensions.legacy(fields)
    for extension in fields.children("extensions/*"):
        reader = extensions.KNOWN.get(extension.tag.removeprefix(extensions.PREFIX))
        if reader is None:
            fields.reasons.append(f"this runner does not know the Git extension <{extension.tag}>")
        else:
            options |= reader(extension, options)
    options = cast(Options, {"name": fields.text("scmName").strip()} | options)
    return Source(gits=(Git(remotes=_remotes(fields), branches=branches or ("**",), **options),))  # type: ignore[arg-type]


def _remotes(fields: Fields) -> tuple[Remote, ...]:
    remotes = []
    for number, remote_fields in enumerate(fields.children("userRemoteConfigs/hudson.plugins.git.UserRemoteConfig")):
        remote = Remote(
            # Remotes without a name are origin, origin1, origin2 (GitSCM.createRepositoryConfiguration).
            name=remote_fields.text("name").strip() or f"origin{number or ''}",
            url=remote_fields.text("url").strip(),
            refspec=remote_fields.text("refspec").strip(),
            credentials=remote_fields.text("credentialsId").strip(),
        )
        remotes.append(remote)
    if not remotes:
        fields.reasons.append("<scm>: expected at least one <hudson.plugins.git.UserRemoteConfig>, found none")
    return tuple(remotes)


def several(fields: Fields) -> Source:
    """org.jenkinsci.plugins.multiplescms.MultiSCM: one repository after the other."""
    return joined(fields.parts("scm", "scms/*"))


def joined(sources: tuple[object, ...]) -> Source:
    """All repositories of some `<scm>` elements."""
    return Source(gits=tuple(git for source in cast("tuple[Source, ...]", sources) for git in source.gits))


ELEMENTS = (
    Entry(tag=GIT, plugin="git", kind="scm", make=git),
    Entry(tag=MULTI, plugin="multiple-scms", kind="scm", make=several),
    Entry(tag=NONE, plugin="core", kind="scm", make=lambda _: Source()),
)
