"""What the deployer `packages` says to apt and dpkg, and what their answers mean."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sluicegate.errors import RemoteUnavailable, SluicegateError
from sluicegate.model.settings import Settings
from sluicegate.ports import Host
from sluicegate.tools.process import Completed

CHANGING = 1800.0
"""Seconds that a transaction may take, beside what it waits for the lock."""
LOCKED = re.compile(r"Could not get lock (\S+?)\. It is held by process (\d+)( \([^)]*\))?")
CHANGED_WHILE_READ = re.compile(r"Hash Sum mismatch|File has unexpected size|404 +Not Found|was not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """Debian's package manager. `source` is our own list; nothing else is refreshed."""

    source: str
    lock_wait: timedelta

    @classmethod
    def configure(cls, settings: Settings) -> Apt:
        source = settings.text("list")
        if not re.fullmatch(r"/[A-Za-z0-9._/-]+\.(list|sources)", source):
            raise settings.fail(
                f"'list' is '{source}', expected a file such as /etc/apt/sources.list.d/ours.list", "list"
            )
        return cls(source=source, lock_wait=settings.span("lock-wait", "5 min"))

    def installed(self, host: Host, packages: Collection[str]) -> dict[str, str]:
        return installed(host, packages)

    def broken(self, host: Host) -> str:
        """What somebody left half-way, for which no force of ours is right; '' when all is well."""
        done = host.run(["dpkg", "--audit"])
        if not done.text.strip() and done.status == 0:
            return ""
        names = re.findall(r"^ (\S+) ", done.text, re.MULTILINE)
        trouble = ", ".join(names) or done.error_text or done.text.strip()
        return f"dpkg was left half-way by somebody: {trouble}; look at it, then there: dpkg --configure -a"

    def refresh(self, host: Host) -> None:
        """Read our own list anew. Of a repository that it did not reach apt-get says well, unless it is told not to."""
        words = ["apt-get", "update", "-q", *self._ours, "-oAPT::Get::List-Cleanup=0", "-oAPT::Update::Error-Mode=any"]
        deadline = time.monotonic() + self.lock_wait.total_seconds()
        again = True
        while True:
            done = host.run(words, root=True, timeout=600.0)
            if done.status == 0:
                return
            if LOCKED.search(done.error_text) and time.monotonic() < deadline:
                time.sleep(1.0)  # of this lock apt itself waits for no one
            elif CHANGED_WHILE_READ.search(done.error_text) and again:
                again = False
            else:
                raise _refused(host, "apt-get update", done)

    def offered(self, host: Host, packages: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Package -> its versions in our list, newest first, once that was read anew."""
        self.refresh(host)
        versions_of: dict[str, list[str]] = {}
        if packages:
            done = host.run(["apt-cache", "madison", *self._ours, *packages])
            for line in done.lines:
                package, version, _ = (part.strip() for part in line.split("|", 2))
                versions_of.setdefault(package, []).append(version)
        return {package: tuple(dict.fromkeys(versions)) for package, versions in versions_of.items()}

    def trial(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> str:
        """Why apt could not make the change, in its own words; '' when it could."""
        done = host.run(["apt-get", "--simulate", *self._change(install, remove)], timeout=120.0)
        return "" if done.status == 0 else _said(done)

    def change(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> None:
        """One transaction; afterwards nothing but us moves what was installed. Raises in apt's words."""
        words = ["apt-get", *self._change(install, remove)]
        limit = CHANGING + self.lock_wait.total_seconds()
        done = host.run(words, root=True, timeout=limit)
        if done.status != 0 and CHANGED_WHILE_READ.search(done.error_text):
            self.refresh(host)
            done = host.run(words, root=True, timeout=limit)
        if done.status != 0:
            raise _refused(host, "apt-get install", done)
        if install:
            held = host.run(["apt-mark", "hold", *install], root=True)
            if held.status != 0:
                raise _refused(host, "apt-mark hold", held)

    def asking(self, packages: Sequence[str]) -> str:
        return f"apt-cache policy {' '.join(packages)}"

    @property
    def _ours(self) -> tuple[str, ...]:
        return (f"-oDir::Etc::sourcelist={self.source}", "-oDir::Etc::sourceparts=-")

    def _change(self, install: Mapping[str, str], remove: Sequence[str]) -> list[str]:
        """The words of one transaction. It asks nothing, keeps edited files, takes away only what was named."""
        return [
            "install", "-q", "-y", "--allow-downgrades", "--allow-change-held-packages",
            *(() if remove else ("--no-remove",)),
            "-oDpkg::Options::=--force-confdef", "-oDpkg::Options::=--force-confold", "-oDpkg::Use-Pty=0",
            f"-oDPkg::Lock::Timeout={self.lock_wait.total_seconds():.0f}",
            *(f"{package}={version}" for package, version in install.items()),
            *(f"{package}-" for package in remove),
        ]  # fmt: skip


def installed(host: Host, packages: Collection[str]) -> dict[str, str]:
    """Package -> version of what is wholly installed."""
    words = ("dpkg-query", "--show", "--showformat", "${Package}\\t${Version}\\t${db:Status-Status}\\n", "--")
    done = host.run([*words, *packages])
    if done.status not in (0, 1):  # 1: it knows some of them not
        raise _refused(host, "dpkg-query", done)
    rows = (line.split("\t") for line in done.lines)
    return {package: version for package, version, status in rows if status == "installed"}


def _refused(host: Host, what: str, done: Completed) -> SluicegateError:
    """apt's words, and whose lock it is where it is a lock."""
    # Who holds it stands in what apt prints while it waits, not in its error.
    lock = LOCKED.search(f"{done.error_text}\n{done.text}") if " lock" in done.error_text else None
    if lock:
        return RemoteUnavailable(
            f"the host '{host.name}': the package manager is in use by process {lock[2]}{lock[3] or ''}",
            hint="wait for it, or look what it does; then try again",
        )
    return SluicegateError(
        f"the host '{host.name}': {what} failed: {_said(done)}", hint="see /var/log/apt/term.log there"
    )


def _said(done: Completed) -> str:
    """The lines with what is wrong: apt's errors, and what it could not put together."""
    lines = [line.strip() for line in done.error_text.splitlines() if line.startswith("E:")]
    unmet = re.findall(r"^ \S+ : .*$|^ +(?:Depends|Conflicts|Breaks): .*$", done.text, re.MULTILINE)
    complaints = [line.strip() for line in unmet[:5]] + lines[:5]
    return "; ".join(complaints) or done.error_text[-500:] or f"status {done.status}"
