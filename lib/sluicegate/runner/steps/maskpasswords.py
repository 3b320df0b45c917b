"""mask-passwords: variables of the job's own that are hidden in its log. Password parameters are hidden in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.runner.build import Build
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields


class MaskPasswords:
    """com.michelin.cio.hudson.plugins.maskpasswords.MaskPasswordsBuildWrapper."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        pairs = fields.children("varPasswordPairs/*")
        self.sealed = {pair.text("var") or pair.attribute("var"): _password(pair) for pair in pairs}
        fields.refuse("varMaskRegexes/*", "secrets are hidden by their value here, not by a pattern")
        fields.harmless("varMaskRegexes")

    def plan(self) -> str:
        return f"hide {', '.join(self.sealed) or 'password parameters'}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        values = {name: build.services.unseal(sealed) for name, sealed in self.sealed.items()}
        build.mask([*values.values(), *build.services.passwords().values()])
        with build.variables_set(values):
            yield


def _password(pair: Fields) -> str:
    return pair.text("password") or pair.attribute("password")


ELEMENTS = (
    Entry(
        tag="com.michelin.cio.hudson.plugins.maskpasswords.MaskPasswordsBuildWrapper",
        plugin="mask-passwords",
        kind="wrapper",
        make=MaskPasswords,
    ),
)
