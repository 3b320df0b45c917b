"""What the deployer `packages` says to dnf (4) and rpm, and what their answers mean."""

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
LOCK_HELD = 200
LOCKED = re.compile(r"already locked by (\d+)(?:\s+The application with PID \d+ is: (\S+))?")
RPM_LOCKED = re.compile(r"can't create transaction lock on (\S+)")
SHOWN = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}\\t%{RELEASE}\\n"
OFFERED = "%{name}\\t%{epoch}:%{version}\\t%{release}\\n"
NOISE = re.compile(r"Ignoring repositories|Failed to download metadata for repo|Errors during downloading metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnf:
    """The package manager of Red Hat's family. `source` is the id of our own repository; nothing else is refreshed.

    rpm tells a version from its release; a published version is the first alone unless `release` says both.
    """

    source: str
    lock_wait: timedelta
    release: bool

    @classmethod
    def configure(cls, settings: Settings) -> Dnf:
        source = settings.text("list")
        # The name of a file without its folder is a slip, and no id.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", source) or source.endswith((".list", ".sources", ".repo")):
            raise settings.fail(
                f"'list' is '{source}', expected a file such as /etc/apt/sources.list.d/ours.list, or the id of a"
                " repository of dnf",
                "list",
            )
        return cls(source=source, lock_wait=settings.span("lock-wait", "5 min"), release=settings.flag("release"))

    def installed(self, host: Host, packages: Collection[str]) -> dict[str, str]:
        return installed(host, packages, release=self.release)

    def broken(self, host: Host) -> str:
        """Without its plugin nothing would hold what we install; what rpm left half-way it mends by itself."""
        done = self._dnf(host, ["versionlock", "list"])
        if done.status == 0:
            return ""
        if "No such command" in done.error_text:
            return "dnf lacks its plugin versionlock; there, as root: dnf install python3-dnf-plugin-versionlock"
        return _said(done)

    def offered(self, host: Host, packages: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Read as root, as every user has a cache of his own, and the one of root is what a change will use."""
        refreshed = self._dnf(host, ["makecache", "--refresh"])
        if refreshed.status != 0:
            raise _refused(host, "dnf makecache", refreshed)
        versions_of: dict[str, list[str]] = {}
        if packages:
            words = ["repoquery", "--showduplicates", "--queryformat", OFFERED.removesuffix("\\n"), "--", *packages]
            done = self._dnf(host, words)
            if done.status != 0:
                raise _refused(host, "dnf repoquery", done)
            for line in done.lines:
                if line.count("\t") == 2:
                    name, version, release = line.split("\t")
                    versions_of.setdefault(name, []).append(self._published(version.removeprefix("0:"), release))
        return {name: tuple(dict.fromkeys(reversed(versions))) for name, versions in versions_of.items()}

    def trial(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> str:
        for words in self._changes(install, remove):
            done = self._waiting(host, ["--setopt=tsflags=test", *words])
            if done.status != 0:
                return _said(done)
        return ""

    def change(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> None:
        """What comes and changes in one transaction; then what goes, which dnf cannot put into the same one safely."""
        for words in self._changes(install, remove):
            done = self._waiting(host, words)
            if done.status != 0:
                raise _refused(host, "dnf install" if "install" in words else "dnf remove", done)
        self._lock(host, install, remove)

    def asking(self, packages: Sequence[str]) -> str:
        return f"rpm -q {' '.join(packages)}; dnf repoquery --showduplicates --repo={self.source} {' '.join(packages)}"

    def _lock(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> None:
        """Lock exactly what is there now."""
        self._dnf(host, ["versionlock", "delete", *install, *remove])  # it fails where nothing was locked
        held = [f"{name}-{version if ':' in version else f'0:{version}'}-{release}.*"
                for name, version, release in _installed(host, install)]  # fmt: skip
        if held:
            done = self._dnf(host, ["versionlock", "add", "--raw", *held])
            if done.status != 0:
                raise _refused(host, "dnf versionlock", done)

    def _changes(self, install: Mapping[str, str], remove: Sequence[str]) -> list[list[str]]:
        """The transactions; no other repository is read anew for them, and one that is broken is passed over."""
        ours = ["-y", "--disableplugin=versionlock", "--setopt=best=1", "--setopt=clean_requirements_on_remove=0",
                "--setopt=*.metadata_expire=-1", "--setopt=*.skip_if_unavailable=1",
                f"--setopt={self.source}.skip_if_unavailable=0"]  # fmt: skip
        specs = [self._spec(package, version) for package, version in install.items()]
        transactions = [[*ours, "install", "--", *specs]] if specs else []
        return [*transactions, [*ours, "remove", "--", *remove]] if remove else transactions

    def _spec(self, package: str, version: str) -> str:
        """`install` takes a lower version too, where it is named."""
        return f"{package}-{version}" if self.release or ":" not in version else f"{package}-{version}-*"

    def _published(self, version: str, release: str) -> str:
        return f"{version}-{release}" if self.release else version

    def _dnf(self, host: Host, words: Sequence[str]) -> Completed:
        """About our own repository alone."""
        return self._waiting(host, ["-q", "-y", f"--repo={self.source}", *words])

    def _waiting(self, host: Host, words: Sequence[str]) -> Completed:
        """Run dnf as root once nobody else does. Raises RemoteUnavailable that names who held the lock to the end."""
        deadline = time.monotonic() + self.lock_wait.total_seconds()
        while True:
            done = host.run(["dnf", "--setopt=exit_on_lock=1", *words], root=True, timeout=CHANGING)
            locked = done.status == LOCK_HELD or RPM_LOCKED.search(done.error_text)
            if not locked:
                return done
            if time.monotonic() >= deadline:
                raise _locked(host, done)
            time.sleep(1.0)


def installed(host: Host, packages: Collection[str], *, release: bool) -> dict[str, str]:
    """Package -> version of what is installed, with rpm's release where that belongs to it."""
    rows = _installed(host, packages)
    return {name: f"{version}-{of_rpm}" if release else version for name, version, of_rpm in rows}


def _installed(host: Host, packages: Collection[str]) -> list[tuple[str, str, str]]:
    """Package, version with its epoch where it has one, and release. What is not installed rpm counts in its status."""
    if not packages:
        return []
    done = host.run(["rpm", "-q", "--queryformat", SHOWN, "--", *packages])
    rows = [line.split("\t") for line in done.lines if line.count("\t") == 2]
    if done.status != 0 and not rows and "is not installed" not in done.text + done.error_text:
        raise _refused(host, "rpm -q", done)
    return [(name, version, release) for name, version, release in rows]


def _locked(host: Host, done: Completed) -> RemoteUnavailable:
    holder = LOCKED.search(done.error_text)
    who = "another program"
    if holder:
        who = f"process {holder[1]}" + (f" ({holder[2]})" if holder[2] else "")
    return RemoteUnavailable(
        f"the host '{host.name}': the package manager is in use by {who}",
        hint="wait for it, or look what it does; then try again",
    )


def _refused(host: Host, what: str, done: Completed) -> SluicegateError:
    return SluicegateError(f"the host '{host.name}': {what} failed: {_said(done)}", hint="see /var/log/dnf.log there")


def _said(done: Completed) -> str:
    """The lines with what is wrong, and what belongs to them; not that a repository of others is broken."""
    complaints = [line.strip() for line in done.error_text.splitlines() if line.strip()]
    lines = [line for line in complaints if not NOISE.search(line)] or complaints
    start = next((number for number, line in enumerate(lines) if line.startswith("Error:")), 0)
    return "; ".join(lines[start : start + 6]) or f"status {done.status}"
