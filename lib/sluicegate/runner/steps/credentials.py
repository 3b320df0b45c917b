"""credentials-binding: secrets from the vault as variables of the build, masked in its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.masking import refuse_short
from sluicegate.runner.vault import Credential
from sluicegate.tools import xml

PREFIX = "org.jenkinsci.plugins.credentialsbinding.impl."
BINDINGS = {"StringBinding": "string", "UsernamePasswordMultiBinding": "user", "UsernamePasswordBinding": "user"}


class SecretBuildWrapper:
    """StringBinding, UsernamePasswordBinding (user:password) and UsernamePasswordMultiBinding."""

    before_scm = True

    def __init__(self, element: Element) -> None:
        self.bindings = tuple(element.iterfind("bindings/*"))
        for binding in self.bindings:
            if binding.tag.removeprefix(PREFIX) not in BINDINGS:
                raise UsageError(f"this runner does not know the credentials binding <{binding.tag}>")

    def plan(self) -> str:
        return f"bind the credentials {', '.join(xml.text(one, 'credentialsId') for one in self.bindings)}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        bound: dict[str, str] = {}
        for binding in self.bindings:
            bound |= self._bind(build, binding)
        before = {name: build.env.get(name) for name in bound}
        build.env.update(bound)
        try:
            yield
        finally:
            for name, value in before.items():
                build.env.pop(name, None)
                if value is not None:
                    build.env[name] = value

    def _bind(self, build: Build, binding: Element) -> dict[str, str]:
        kind = binding.tag.removeprefix(PREFIX)
        name = xml.text(binding, "credentialsId").strip()
        try:
            found = build.services.credential(name)
            refuse_short(found.secret, name)
        except UsageError as problem:
            raise StepFailed(problem.message) from problem
        if found.kind != BINDINGS[kind]:
            raise StepFailed(f"the credential '{name}' is of another kind than {kind} needs")
        values = _values(kind, binding, found)
        build.mask([found.secret, *(value for value in values.values() if ":" in value)])
        return values


def _values(kind: str, binding: Element, found: Credential) -> dict[str, str]:
    if kind == "StringBinding":
        return {xml.text(binding, "variable"): found.secret}
    if kind == "UsernamePasswordBinding":
        return {xml.text(binding, "variable"): f"{found.user}:{found.secret}"}
    return {
        xml.text(binding, "usernameVariable"): found.user,
        xml.text(binding, "passwordVariable"): found.secret,
    }
