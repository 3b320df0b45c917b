"""credentials-binding: secrets from the vault as variables of the build, masked in its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.masking import refuse_short
from sluicegate.runner.vault import Credential

PREFIX = "org.jenkinsci.plugins.credentialsbinding.impl."
BINDINGS = {"StringBinding": "string", "UsernamePasswordMultiBinding": "user", "UsernamePasswordBinding": "user"}


class SecretBuildWrapper:
    """StringBinding, UsernamePasswordBinding (user:password) and UsernamePasswordMultiBinding."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.bindings = fields.children("bindings/*")
        for binding in self.bindings:
            for name in ("credentialsId", "variable", "usernameVariable", "passwordVariable"):
                binding.text(name)
            if binding.tag.removeprefix(PREFIX) not in BINDINGS:
                fields.reasons.append(f"this runner does not know the credentials binding <{binding.tag}>")

    def plan(self) -> str:
        return f"bind the credentials {', '.join(one.text('credentialsId') for one in self.bindings)}"

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

    def _bind(self, build: Build, binding: Fields) -> dict[str, str]:
        kind = binding.tag.removeprefix(PREFIX)
        name = binding.text("credentialsId").strip()
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


def _values(kind: str, binding: Fields, found: Credential) -> dict[str, str]:
    if kind == "StringBinding":
        return {binding.text("variable"): found.secret}
    if kind == "UsernamePasswordBinding":
        return {binding.text("variable"): f"{found.user}:{found.secret}"}
    return {
        binding.text("usernameVariable"): found.user,
        binding.text("passwordVariable"): found.secret,
    }


ELEMENTS = (
    Entry(
        tag="org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper",
        plugin="credentials-binding",
        kind="wrapper",
        make=SecretBuildWrapper,
    ),
)
