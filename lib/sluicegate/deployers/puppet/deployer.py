"""Exact versions by Puppet or OpenVox: assigned to the host, installed by its agent, believed when they answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from sluicegate.deployers.packages import apt, dnf
from sluicegate.deployers.packages.deployer import Packages, absent, manager_of, packages_of, withdrawn
from sluicegate.deployers.packages.manager import PackageManager
from sluicegate.deployers.proof import Proof, mark, marked
from sluicegate.deployers.puppet.agent import Agent, Stale
from sluicegate.deployers.puppet.assigned import ABSENT, Assignment, Folder, Place
from sluicegate.deployers.puppet.control import ControlBranch
from sluicegate.deployers.puppet.database import Database
from sluicegate.errors import Malformed, SluicegateError
from sluicegate.model.config import Config
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import Outcome
from sluicegate.model.settings import Settings, suggestion
from sluicegate.model.values import Installed
from sluicegate.ports import Host, Wanted
from sluicegate.tools.reports.puppet import PuppetReport

CERTNAME = re.compile(r"[a-z0-9_][a-z0-9._-]*")
"""As Puppet takes them: lower case."""
KICKS = ("agent", "apply", "none")
ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")


@dataclass(frozen=True, slots=True, kw_only=True)
class PuppetDeployer:
    """A host may install what is assigned to it, and nothing is assigned but by `apply`, under an intent.

    What is installed the host's package manager says, or the link of an archive; it counts where it is assigned, too:
    what was brought by hand would be undone by the next run of the agent. `archives`: component -> its folder there.
    """

    config: Config
    place: Place
    agent: Agent
    manager: PackageManager | None
    packages: Packages
    archives: Mapping[str, str]
    services: Mapping[str, str]
    certname: str
    certnames: Mapping[str, str]
    release: bool
    timeout: timedelta
    keep: int
    database: Database | None = None
    carries: ClassVar[bool] = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> PuppetDeployer:
        """Read where the assigned files lie, what the components consist of, and how the agent is kicked."""
        settings.only(
            "assigned", "list", "packages", "archives", "services", "certname", "certnames", "environment", "kick",
            "manifest", "program", "options", "root", "lock-wait", "limit", "spread", "others-may-fail", "release",
            "timeout", "puppetdb", "keep",
        )  # fmt: skip
        archives = _of_components(settings, config, "archives")
        for folder in archives.values():
            if not re.fullmatch(r"/[A-Za-z0-9._/-]+", folder):
                raise settings.fail(f"the folder of an archive is '{folder}', expected a path such as /srv/auth")
        certname = settings.text("certname", "{host}")
        if not re.fullmatch(r"[a-z0-9._-]*\{host\}[a-z0-9._-]*", certname):
            raise settings.fail(
                f"'certname' is '{certname}', expected something like '{{host}}.example.com'", "certname"
            )
        certnames = settings.mapping("certnames")
        for own_name in certnames.values():
            if not CERTNAME.fullmatch(own_name):
                raise settings.fail(f"the certname '{own_name}' is none of Puppet's: lower case, digits, '.', '_', '-'")
        keep = settings.number("keep", 3)
        if keep < 1:
            raise settings.fail("'keep' is 0, expected at least 1: a rollback needs the release before", "keep")
        manager = manager_of(settings) if "list" in settings.values else None
        return cls(
            config=config, manager=manager, place=_place(settings, config, hosts), agent=_agent(settings),
            archives=archives,
            packages={n: several for n, several in packages_of(settings, config).items() if n not in archives},
            services=_of_components(settings, config, "services"), certname=certname, certnames=certnames,
            release=settings.flag("release"), timeout=settings.span("timeout", "30 s"), keep=keep,
            database=Database.configure(settings.below("puppetdb")) if "puppetdb" in settings.values else None,
        )  # fmt: skip

    def survey(self, host: Host) -> Mapping[str, Installed]:
        """What is installed; where something else is assigned, the `manifest` says so, and it is no version at all.

        What is assigned and not installed is no version either: the agent will bring it, so it has to be taken back.
        """
        unproven = marked(host)
        standing = self._installed(host)
        assignment = self.place.assigned(host, self._certname(host.name))
        assigned = assignment.versions if assignment else {}
        installed = {}
        for component in self.config.components:
            there = standing[component].version if component in standing else ""
            shall = assigned.get(component, "")
            if component in unproven or not (there or shall):
                continue
            if assignment is None or there == shall:
                installed[component] = Installed(version=there)
            else:
                installed[component] = Installed(version=there, manifest=f"assigned: {shall or 'nothing'}")
        return installed

    def inspect(self, release: Release) -> tuple[str, ...]:
        return absent(self.packages, release)

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        """Two hosts that Puppet would take for one; a version that is not in `list`. Raises for a place out of reach.

        Puppet itself reads no package index anew, so this is the moment in which the host learns of a new version.
        """
        certname = self._certname(host.name)
        same = sorted(
            other_host
            for other_host in self.config.hosts
            if other_host != host.name and self._named(other_host) == certname
        )
        if same:
            return (f"{host.name} and {same[0]} have one certname, {certname}; say it in 'certnames'",)
        self.place.assigned(host, certname)
        coming = {package: release.version for name, release in wanted.items() if release is not None
                  for package in self.packages.get(name, ())}  # fmt: skip
        return withdrawn(self.manager, host, coming) if self.manager and coming else ()

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        """Assign it, and have the agent make it so; then each component is asked for its version."""
        try:
            certname = self._certname(host.name)
            mark(host, wanted)
            components = {name: self._entry(name, release) for name, release in wanted.items()}
            self.place.assign(host, certname, Assignment(intent=intent, components=components))
            self.agent.run(host, intent)
            return self._proof.of(host, wanted, self._installed(host))
        except SluicegateError as problem:
            return dict.fromkeys(wanted, Outcome.of(problem))

    # -- hosts that nobody kicks, and what they report --
    @property
    def waits(self) -> bool:
        return self.agent.kick == "none"

    def reported_name(self, host: str) -> str:
        return self._named(host)

    def objection(self, host: str, report: PuppetReport) -> str:
        """What a kicked run would be refused for, but for what the catalog was made of."""
        try:
            self.agent.judged(host, report, next(iter(report.intents), ""))
        except Stale:
            return ""
        except SluicegateError as problem:
            return problem.message.removeprefix(f"{host}: ")
        return ""

    def prove(self, host: Host, wanted: Wanted) -> Mapping[str, Outcome]:
        return self._proof.of(host, wanted, self._installed(host))

    def kept_reports(self, hosts: Sequence[str]) -> Iterable[PuppetReport] | None:
        return self.database.latest([self._certname(host) for host in hosts]) if self.database else None

    # -- parts --
    def _entry(self, name: str, release: Release | None) -> dict[str, object]:
        """How the module is told about a component."""
        entry: dict[str, object] = {"version": release.version if release else ABSENT}
        if name in self.archives:
            archive: dict[str, object] = {"folder": self.archives[name]}
            if release:
                source = next(
                    (source_file for source_file in release.sources if source_file.artifact.name.endswith(ARCHIVES)),
                    None,
                )
                if source is None:
                    raise Malformed(
                        f"{name} {release.version} has no archive ({', '.join(ARCHIVES)})", hint="publish one"
                    )
                archive |= {"source": source.url, "file": source.artifact.name, "sha256": source.artifact.sha256,
                            "keep": self.keep}  # fmt: skip
            entry["archive"] = archive
        else:
            entry["packages"] = list(self.packages[name])
        if name in self.services:
            entry["service"] = self.services[name]
        return entry

    def _installed(self, host: Host) -> dict[str, Installed]:
        """By the package manager's word, and by where the archives' links lead."""
        installed: dict[str, Installed] = {}
        versions = self._versions(host)
        for component, packages in self.packages.items():
            there = sorted({versions[package] for package in packages if package in versions})
            if there and all(package in versions for package in packages):
                installed[component] = Installed(version=" and ".join(there))
        for component, folder in self.archives.items():
            link = host.run(["readlink", "--", f"{folder}/current"]).text.strip()
            if link:
                installed[component] = Installed(version=link.rpartition("/")[2])
        return installed

    def _versions(self, host: Host) -> dict[str, str]:
        packages = tuple(dict.fromkeys(package for several in self.packages.values() for package in several))
        if not packages:
            return {}
        if host.run(["sh", "-c", "command -v dpkg-query"]).status == 0:
            return apt.installed(host, packages)
        return dnf.installed(host, packages, release=self.release)

    @property
    def _proof(self) -> Proof:
        return Proof(
            config=self.config, seconds=self.timeout.total_seconds(),
            asking=lambda name: f"ls -l {self.archives[name]}" if name in self.archives
            else f"dpkg -l {' '.join(self.packages[name])}, or rpm -q",
            log=lambda name: f"see its log there: journalctl -u {self.services.get(name, name)}",
        )  # fmt: skip

    def _certname(self, host: str) -> str:
        certname = self._named(host)
        if not CERTNAME.fullmatch(certname):
            raise Malformed(f"'{certname}' is no certname of Puppet's", hint=f"say it: certnames: {{{host}: NAME}}")
        return certname

    def _named(self, host: str) -> str:
        """Puppet itself makes a host's name lower case."""
        return self.certnames.get(host) or self.certname.replace("{host}", host).lower()


def _place(settings: Settings, config: Config, hosts: Callable[[str], Host]) -> Place:
    below = settings.below("assigned")
    below.only("host", "folder", "git", "branch")
    folder = below.text("folder")
    if "git" in below.values:
        return _control(below, folder)
    if "branch" in below.values:
        raise settings.fail("'branch' of 'assigned' belongs to 'git', a control repository", "branch")
    if not re.fullmatch(r"/[A-Za-z0-9._/-]+", folder):
        raise settings.fail(f"'folder' of 'assigned' is '{folder}', expected an absolute path", "folder")
    name = below.text("host", "")
    if not name:
        return Folder(path=folder, server=None)
    if name not in config.hosts:
        raise settings.fail(f"no host is called '{name}'.{suggestion(name, [*config.hosts])}")
    return Folder(path=folder, server=lambda: hosts(name))


def _control(below: Settings, folder: str) -> ControlBranch:
    if "host" in below.values:
        raise below.fail("'assigned' has both 'host' and 'git'; the control repository needs no host", "assigned")
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", folder) or ".." in folder.split("/"):
        raise below.fail(
            f"'folder' of 'assigned' is '{folder}', expected one of the repository, such as data/sluicegate"
        )
    branch = below.text("branch")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", branch):
        raise below.fail(f"'branch' of 'assigned' is '{branch}', which is no name of a branch", "branch")
    return ControlBranch(url=below.text("git"), branch=branch, folder=folder)


def _agent(settings: Settings) -> Agent:
    kick = settings.choice("kick", KICKS, "agent")
    manifest = settings.text("manifest", "")
    if (kick == "apply") != bool(manifest):
        raise settings.fail("'manifest' is the site.pp of 'kick: apply', and belongs to nothing else", "manifest")
    options = settings.texts("options")
    if options and not options[0].startswith("--"):
        raise settings.fail(
            f"'options' begins with '{options[0]}', expected one of Puppet's, such as --confdir", "options"
        )
    spread = "10 min" if "git" in settings.below("assigned").values else "0 s"
    return Agent(
        kick=kick, program=settings.text("program", "puppet"), environment=settings.text("environment", ""),
        manifest=manifest, options=options, root=settings.flag("root", True),
        lock_wait=settings.span("lock-wait", "5 min"),
        limit=settings.span("limit", "45 min" if kick == "none" else "30 min"),
        spread=settings.span("spread", spread), others_may_fail=settings.flag("others-may-fail"),
    )  # fmt: skip


def _of_components(settings: Settings, config: Config, key: str) -> dict[str, str]:
    listed = settings.mapping(key)
    for component in listed:
        if component not in config.components:
            raise settings.fail(f"no component is called '{component}'.{suggestion(component, [*config.components])}")
    return listed
