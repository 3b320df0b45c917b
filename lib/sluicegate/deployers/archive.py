"""Deployer driver `archive`: one archive with a Procfile, unpacked beside its predecessors and started."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from sluicegate.deployers.keepers import Keeper, keeper
from sluicegate.errors import IntegrityError, Malformed, SluicegateError
from sluicegate.model.config import Component, Config
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome
from sluicegate.model.settings import Settings
from sluicegate.model.values import Installed, Service
from sluicegate.ports import Host, Wanted
from sluicegate.tools import archives
from sluicegate.tools.members import refuse
from sluicegate.tools.probe import spoken_version, wait_for_version
from sluicegate.tools.scratch import scratch

MARK = ".sluicegate.json"
LINKS = ("chosen", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """What stands in a release's MARK: what it is, and the folders of its predecessors, newest first."""

    installed: Installed
    folder: str
    previous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDeployer:
    """Releases stand in `apps/COMPONENT/releases/VERSION-MANIFEST`, with two links beside them.

    `chosen` points to what shall run and moves before the restart; `current` points to what has answered and moves
    after the probe. Where they differ an installation was broken off or failed, and nothing counts as installed.
    """

    config: Config
    keep: int = 3
    timeout: timedelta = timedelta(seconds=30)
    user_units: bool = False
    carries: ClassVar[bool] = True

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> ArchiveDeployer:
        """Read `keep` (old releases that stay for a way back), `timeout` (for the first right answer) and `units`."""
        settings.only("keep", "timeout", "units")
        user_units = settings.choice("units", ("system", "user"), "system") == "user"
        keep = settings.number("keep", 3)
        if keep < 1:
            raise settings.fail("'keep' is 0, expected at least 1: a rollback needs the release before", "keep")
        return cls(config=config, keep=keep, timeout=settings.span("timeout", "30 s"), user_units=user_units)

    def survey(self, host: Host) -> Mapping[str, Installed]:
        marks = _marks(host, self.config.components)
        installed = {}
        for component in self.config.components:
            chosen, current = (_mark(marks[component, link], host, component, link) for link in LINKS)
            if current and chosen and current.folder == chosen.folder:
                installed[component] = current.installed
        return installed

    def inspect(self, release: Release) -> tuple[str, ...]:
        try:
            archive = _archive(release)
            if not archives.recognised(archive):
                return (f"{archive.name} is no archive, whatever its name says",)
            with scratch() as temporary:
                archives.unpack(archive, temporary / "release")
                _command(temporary / "release", release)
        except Malformed as problem:
            return (problem.message,)
        return ()

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        return ()

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        """One component after the other, as each is stopped while it is changed."""
        outcomes = dict.fromkeys(wanted, NOT_STARTED)
        for name, release in wanted.items():
            try:
                if release is None:
                    self._remove(host, self.config.component(name))
                else:
                    self._install(host, self.config.component(name), release)
            except SluicegateError as problem:
                outcomes[name] = Outcome.of(problem)
                break
            outcomes[name] = DONE
        return outcomes

    def _install(self, host: Host, component: Component, release: Release) -> None:
        """Put the release on the host, start it, and probe until it answers with its version.

        Raises Malformed for a release that is not one archive with a Procfile, IntegrityError for a dangerous
        archive, RemoteUnavailable for a host that is down, SluicegateError when the version does not answer.
        """
        wanted = Installed(version=release.version, manifest=release.manifest)
        before, current = self._before(host, component)
        standing = current is not None and current == before and current.installed == wanted
        if standing and spoken_version(_probe_url(host, component)) == release.version:
            return
        # A folder of its own for each content; the old ones stay, for the way back.
        folder = f"apps/{component.name}/releases/{release.version}-{release.manifest[:8]}"
        past = tuple(f for f in ((before.folder, *before.previous) if before else ()) if f != folder)
        mark = _Mark(installed=wanted, folder=folder, previous=past[: self.keep])
        with scratch() as temporary:
            unpacked = temporary / "release"
            archives.unpack(_archive(release), unpacked)
            command = _command(unpacked, release)
            _write(mark, component, unpacked)
            host.send(unpacked, folder)
        host.link(f"apps/{component.name}/chosen", folder)
        # `chosen` before the start, `current` after the answer: between them the host counts as half done.
        services = keeper(host, self.config, user_units=self.user_units)
        services.restart(Service(name=component.name, command=command, folder=folder))
        self._await(host, component, release, services)
        host.link(f"apps/{component.name}/current", folder)
        for old in past[self.keep :]:
            host.remove(old)

    def _before(self, host: Host, component: Component) -> tuple[_Mark | None, _Mark | None]:
        """What is chosen and what is current. A mark that cannot be read is written anew by what comes now."""
        marks = _marks(host, [component.name])
        try:
            chosen, current = (_mark(marks[component.name, link], host, component.name, link) for link in LINKS)
        except IntegrityError:
            return None, None
        return chosen, current

    def _await(self, host: Host, component: Component, release: Release, services: Keeper) -> None:
        """Probe until it answers with its version; else tell what it printed, while that is there."""
        hint = "the release before is still there"
        try:
            url = _probe_url(host, component)
            wait_for_version(url, release.version, seconds=self.timeout.total_seconds(), hint=hint)
        except SluicegateError as problem:
            log = services.log(component.name)
            raise problem.saying(f"{problem.message}. Its last lines:\n{log}" if log else problem.message) from problem

    def _remove(self, host: Host, component: Component) -> None:
        """Stop the component and take its folder off the host."""
        keeper(host, self.config, user_units=self.user_units).stop(component.name)
        host.remove(f"apps/{component.name}")


def _probe_url(host: Host, component: Component) -> str:
    return host.address(component.name) + component.probe


def _archive(release: Release) -> Path:
    packed = [name for name in release.files if archives.is_archive(name)]
    others = [name for name in release.files if archives.is_of_another_form(name)]
    if others and not packed:
        raise refuse(Path(others[0]), f"expected {', '.join(archives.ENDINGS)}")
    if len(packed) != 1:
        listed = ", ".join(packed or release.files) or "no file at all"
        raise Malformed(
            f"{release.component} {release.version} has {len(packed)} archives ({listed}), expected exactly one",
            hint=f"publish one file that ends in {', '.join(archives.ENDINGS)}",
        )
    return release.folder / packed[0]


def _command(unpacked: Path, release: Release) -> str:
    """The command of the Procfile's line `web:`."""
    try:
        text = (unpacked / "Procfile").read_text()
    except (OSError, UnicodeDecodeError):
        text = ""
    web_line = re.search(r"^web:[ \t]*(\S.*)$", text, re.MULTILINE)
    if not web_line:
        raise Malformed(
            f"the archive of {release.component} {release.version} has no Procfile with a line 'web: COMMAND'",
            hint="add one at the archive's top, for example: web: ./serve --port $PORT",
        )
    return web_line[1].strip()


def _write(mark: _Mark, component: Component, unpacked: Path) -> None:
    place = unpacked / MARK
    if place.is_symlink() or place.exists():
        raise IntegrityError(f"the archive holds {MARK}, which only we may write", hint="leave that file out of it")
    content = {
        "component": component.name,
        "version": mark.installed.version,
        "manifest": mark.installed.manifest,
        "folder": mark.folder,
        "previous": list(mark.previous),
    }
    place.write_text(json.dumps(content, indent=1) + "\n")


READ_MARKS = f"""\
for component; do
    for link in {" ".join(LINKS)}; do
        mark="apps/$component/$link/{MARK}"
        if [ -e "$mark" ]; then printf . && cat -- "$mark" || exit 1; fi
        printf '\\0'
    done
done
"""


def _marks(host: Host, components: Iterable[str]) -> dict[tuple[str, str], bytes]:
    """What stands in the marks of the releases that each component's links point to, after a dot; b"" for none."""
    names = [(component, link) for component in components for link in LINKS]
    done = host.run(["sh", "-c", READ_MARKS, "survey", *dict.fromkeys(component for component, _ in names)])
    if done.status != 0:
        raise SluicegateError(f"the host '{host.name}' does not let us read what it has: {done.error_text}")
    return dict(zip(names, done.stdout.split(b"\0")[:-1], strict=True))


def _mark(content: bytes, host: Host, component: str, link: str) -> _Mark | None:
    """A mark; None where there is none. Raises IntegrityError for one that cannot be read, as a power cut leaves it."""
    if not content:
        return None
    try:
        value = json.loads(content[1:])
        return _Mark(
            installed=Installed(version=str(value["version"]), manifest=str(value["manifest"])),
            folder=str(value["folder"]),
            previous=tuple(str(folder) for folder in value["previous"]),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise IntegrityError(
            f"{host.name}: apps/{component}/{link}/{MARK} cannot be read, so nobody knows which version stands there",
            hint="deploy again: it installs the component anew",
        ) from problem
