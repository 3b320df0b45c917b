"""What is assigned to a host: the one file that Hiera reads for it, and the places where such files lie.

A pull agent installs whatever its data says, whenever it likes. So pins are never its data: only what an open intent
has assigned to its host is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from sluicegate.errors import IntegrityError, Malformed, SluicegateError
from sluicegate.ports import Host

KEY = "sluicegate::assigned"
ABSENT = "absent"
HEAD = f"""\
# Written by sluicegate under an open intent, and written anew by the next one. Not to be edited: Puppet installs what
# stands here in its next run, whatever the pins and gates say. To move a version: sluicegate promote, sync, deploy.
---
{KEY}:
"""
AT_ONCE = 4
"""Commands on one connection to the server; sshd refuses the eleventh (MaxSessions)."""
SECONDS = 120.0
WRITE = 'set -e; umask 022; cd -- "$1"; cat > ".$2.$$"; mv -T -- ".$2.$$" "$2"'
READ = 'cd -- "$1" || exit 9; [ -e "$2" ] || exit 8; exec cat -- "$2"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a host may have, by which intent: component -> how it is installed, `version` among it."""

    intent: str
    components: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, str]:
        """Component -> version of what shall be there."""
        versions = {name: str(below.get("version", "")) for name, below in self.components.items()}
        return {name: version for name, version in versions.items() if version not in ("", ABSENT)}

    def content(self) -> bytes:
        """The file. Raises Malformed for what Hiera would fill in."""
        lines = json.dumps({"intent": self.intent, "components": self.components}, indent=2, ensure_ascii=False)
        if "%{" in lines:
            raise Malformed("a name or version holds '%{', which Hiera would take for its own", hint="rename it")
        return (HEAD + "".join(f"  {line}\n" for line in lines.splitlines())).encode()

    @classmethod
    def read(cls, content: bytes) -> Assignment:
        """Raises IntegrityError for a file that is not as we write it."""
        try:
            document = yaml.load(content, Loader=yaml.BaseLoader)  # it makes texts only
            assignment = document[KEY]
            components = {str(name): dict(below) for name, below in assignment["components"].items()}
            return cls(intent=str(assignment["intent"]), components=components)
        except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
            raise IntegrityError(
                "it is not as sluicegate writes it; somebody has edited it",
                hint="look who writes there; then take the file away, and deploy again",
            ) from problem


class Place(Protocol):
    """Where the files lie; each is called CERTNAME.yaml."""

    def assigned(self, host: Host, certname: str) -> Assignment | None:
        """What the host may have now; None where nothing was ever assigned to it."""

    def assign(self, host: Host, certname: str, assignment: Assignment) -> None:
        """Let the host have this from now on. Whoever reads meanwhile gets the whole old or the whole new file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder on the puppetserver, or on each host itself where there is none. `server` gives its host."""

    path: str
    server: Callable[[], Host] | None
    turns: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(AT_ONCE), compare=False, repr=False
    )

    def assigned(self, host: Host, certname: str) -> Assignment | None:
        place = self._place(host)
        with self.turns:
            done = place.run(["sh", "-c", READ, "sh", self.path, f"{certname}.yaml"], timeout=SECONDS)
        if done.status == 8:
            return None
        if done.status != 0:
            raise self._refused(place, certname, done.error_text)
        try:
            return Assignment.read(done.stdout)
        except IntegrityError as problem:
            raise problem.saying(f"{self.path}/{certname}.yaml on {place.name}: {problem.message}") from problem

    def assign(self, host: Host, certname: str, assignment: Assignment) -> None:
        place, words = self._place(host), ["sh", "-c", WRITE, "sh", self.path, f"{certname}.yaml"]
        with self.turns:
            done = place.run(words, stdin=assignment.content(), timeout=SECONDS)
        if done.status != 0:
            raise self._refused(place, certname, done.error_text)

    def _place(self, host: Host) -> Host:
        return self.server() if self.server else host

    def _refused(self, place: Host, certname: str, reason: str) -> SluicegateError:
        return SluicegateError(
            f"the host '{place.name}': {self.path}/{certname}.yaml: {reason}",
            hint=f"make the folder there, for the user that we log in as: install -d -o USER {self.path}",
        )
