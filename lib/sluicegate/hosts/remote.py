"""A host that is reached by shell lines: what ssh's driver and a test's `sh -c` have in common."""

from __future__ import annotations

import os
import shlex
import tarfile
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sluicegate.errors import NotFound, SluicegateError
from sluicegate.hosts import places
from sluicegate.tools import door
from sluicegate.tools.process import Completed

WHOLE = ".sluicegate-whole"
"""The last member of what is sent: a stream that broke off between two files has none."""

SEND = """\
set -e; new={beside}/.{name}.new; old={beside}/.{name}.old; to={beside}/{name}
mkdir -p -- {beside}; rm -rf -- "$new" "$old"; trap 'rm -rf -- "$new"' EXIT
mkdir -- "$new"; tar -xof - -C "$new"
rm -- "$new"/{whole} 2>&- || {{ echo "the transfer broke off" >&2; exit 1; }}
if [ -e "$to" ] || [ -L "$to" ]; then mv -T -- "$to" "$old"; fi
mv -T -- "$new" "$to"; rm -rf -- "$old"
"""

LINK = """\
set -e; mkdir -p -- {beside}; rm -rf -- {beside}/.{name}.new
ln -s -- {target} {beside}/.{name}.new; mv -T -- {beside}/.{name}.new {beside}/{name}
"""

SENDING = 1800.0
"""Seconds that a large folder over a slow line may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteHost:
    """Components below `folder`, which is made where it is missing; relative to where the login begins."""

    name: str
    folder: str
    reached_at: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    where: str = ""

    @abstractmethod
    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        """Have the host's shell run a line. Raises RemoteUnavailable or TimedOut when it could not."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0, root: bool = False
    ) -> Completed:
        words = places.as_root(argv) if root else argv
        done = self._call(f"{self._entering} && exec {shlex.join(words)}", stdin, timeout, argv[0])
        if root:
            places.refuse_denied(self.name, argv, done)
        return done

    def read(self, path: str) -> bytes | None:
        line = f"{self._entering} && LC_ALL=C exec cat -- {shlex.quote(str(places.below(path)))}"
        done = self._call(line, None, 60.0, f"read {path}")
        if done.status == 0:
            return done.stdout
        if done.error_text.endswith(("No such file or directory", "Not a directory")):
            return None
        raise self._refused(f"read {path}", done)

    def send(self, folder: Path, to: str) -> None:
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder} to send")
        line = self._filled(SEND, to, whole=WHOLE)
        with tempfile.TemporaryFile(prefix="sluicegate-") as stream:
            _pack(folder, stream)
            stream.seek(0)
            self._must(line, stream, SENDING, f"send {to}")

    def link(self, path: str, target: str) -> None:
        """Make a relative link, so that people can move the host's folder."""
        goal = os.path.relpath(places.below(target), places.below(path).parent)
        self._must(self._filled(LINK, path, target=shlex.quote(goal)), None, 60.0, f"link {path}")

    def remove(self, path: str) -> None:
        self._must(f"rm -rf -- {shlex.quote(str(places.below(path)))}", None, 300.0, f"remove {path}")

    def address(self, component: str) -> str:
        return places.base_url(self.name, self.reached_at, self.ports, component, self.where)

    @property
    def _entering(self) -> str:
        folder = shlex.quote(self.folder)
        return f"mkdir -p -- {folder} && cd -- {folder}"

    def _filled(self, script: str, path: str, **words: str) -> str:
        place = places.below(path)
        return script.format(beside=shlex.quote(str(place.parent)), name=shlex.quote(place.name), **words)

    def _must(self, line: str, stdin: IO[bytes] | None, timeout: float, what: str) -> None:
        done = self._call(f"{self._entering} || exit 1; {line}", stdin, timeout, what)
        if done.status != 0:
            raise self._refused(what, done)

    def _call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float, what: str) -> Completed:
        door.passing(f"{what} on {self.name}")
        return self.call(line, stdin, timeout)

    def _refused(self, what: str, done: Completed) -> SluicegateError:
        complaint = done.error_text or f"status {done.status}"
        return SluicegateError(
            f"the host '{self.name}' cannot {what}: {complaint}", hint="check rights and free space there"
        )


def _pack(folder: Path, stream: IO[bytes]) -> None:
    """The folder as a tar archive without owners, WHOLE last."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, arcname=".", filter=plain)
        archive.addfile(tarfile.TarInfo(WHOLE))
