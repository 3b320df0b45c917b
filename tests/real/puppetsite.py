"""Two hosts whose agents ask one real puppetserver, as an ordinary user.

Both are folders of one machine, so each has a deployer of its own: the folder of an archive is an absolute path.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluicegate.deployers.puppet import PuppetDeployer
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Artifact, Release, Source
from sluicegate.model.outcomes import Outcome
from sluicegate.model.settings import Plain
from sluicegate.tools import files, process
from sluicegate.tools.parallel import each
from sluicegate.tools.process import Completed
from sluicegate.tools.reports.puppet import PuppetReport, read_report
from tests.parts import CONFIG, no_host, settings, tar
from tests.real.puppet import HIERA, Control
from tests.real.puppetserver import SIGNS_AND_KEEPS, PuppetServer, running
from tests.web.conftest import PROGRAM

HOSTS = ("app1", "app2")
AGENT = """\
[main]
certname = {name}.example.com
server = localhost
serverport = {port}
ssldir = {folder}/ssl
rundir = {folder}/run
logdir = {folder}/log
publicdir = {folder}/public
keylength = 2048
{more}
"""
CLASSIFIER = """\
#!/bin/sh
# What a shop's list of nodes says of a host: the environment that it is in, or that it knows no such node.
if [ -e "{folder}/$1" ]; then cat "{folder}/$1"; else echo "--- {{}}"; fi
[ -z "$(find "{folder}" -name "$1" -empty)" ]
"""
OPTIONS = ("--confdir", "conf", "--vardir", "var")
DELIVERY = """\
repositories: {{releases: {{driver: directory, path: {root}/{name}-releases}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
hosts: {{app1: {{driver: local, folder: {root}/app1}}, app2: {{driver: local, folder: {root}/app2}}}}
"""
DEPLOY = """\
driver: puppet, root: "false", environment: production, assigned: {{folder: {assigned}}},
    certname: "{{host}}.example.com", options: [--confdir, conf, --vardir, var]"""


@dataclass(kw_only=True)
class Site:
    """Two hosts whose agents ask one server, which reads what is assigned."""

    folder: Path
    control: Control
    server: PuppetServer
    hosts: Mapping[str, LocalHost]

    def settled(self) -> None:
        """As on the first day: nothing assigned, nothing installed, each agent as its shop has it."""
        self.control.site.write_text("include sluicegate\n")
        for file in (*self.control.assigned.iterdir(), *(self.folder / "nodes").iterdir()):
            file.unlink()
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        self.read_data(self.control.data)
        for name, host in self.hosts.items():
            shutil.rmtree(host.folder / "srv", ignore_errors=True)
            (host.folder / "srv").mkdir()
            shutil.rmtree(host.folder / "var/state", ignore_errors=True)
            self.configure(name)

    def configure(self, name: str, more: str = "") -> None:
        """Write the puppet.conf of a host."""
        folder = self.hosts[name].folder
        text = AGENT.format(name=name, port=self.server.port, folder=folder, more=more)
        (folder / "conf/puppet.conf").write_text(text)

    def read_data(self, folder: Path) -> None:
        """Let the server read what is assigned in this folder."""
        text = HIERA.format(data=folder, code=self.control.code)
        files.replace(self.control.code / "hiera.yaml", text.encode())

    def classify(self, name: str, text: str) -> None:
        """What the shop's list of nodes says of a host; '' where it knows no such node."""
        (self.folder / "nodes" / f"{name}.example.com").write_text(text)

    def agent(self, name: str, *more: str) -> Completed:
        """A run that nobody kicked."""
        words = ["puppet", "agent", "--onetime", "--no-daemonize", "--detailed-exitcodes", "--color", "false"]
        return self.hosts[name].run([*words, *OPTIONS, *more], timeout=300)

    def deployer(self, name: str, **values: Plain) -> PuppetDeployer:
        entries: dict[str, Plain] = {
            "assigned": {"folder": str(self.control.assigned)}, "certname": "{host}.example.com",
            "options": OPTIONS, "root": "false", "archives": {"auth": f"{self.hosts[name].folder}/srv/auth"},
            "packages": {"portal": ("not-installed-here",)}, "environment": "production", **values,
        }  # fmt: skip
        return PuppetDeployer.configure("training", settings(**entries), CONFIG, no_host)

    def release(self, version: str) -> Release:
        path = tar(self.folder / f"auth-{version}.tar.gz", {"version": version})
        artifact = Artifact(name=path.name, size=path.stat().st_size, sha256=files.sha256(path))
        source = Source(url=str(path), artifact=artifact)
        return Release(component="auth", version=version, manifest="0" * 64, sources=(source,))

    def change(self, name: str, release: Release, intent: str, **values: Plain) -> Outcome:
        return self.deployer(name, **values).apply(self.hosts[name], {"auth": release}, intent)["auth"]

    def deploy(self, version: str, intent: str, **values: Plain) -> dict[str, Outcome]:
        """Both hosts side by side, as a deploy does it."""
        release = self.release(version)
        results = each(HOSTS, lambda name: self.change(name, release, intent, **values), len(HOSTS))
        assert results.first_failure is None, results.first_failure
        return {name: results.done[name] for name in HOSTS}

    def installed(self) -> dict[str, str]:
        surveys = {name: self.deployer(name).survey(host) for name, host in self.hosts.items()}
        return {name: installed["auth"].version for name, installed in surveys.items() if "auth" in installed}

    def releases(self, name: str) -> set[str]:
        """Every version that was ever installed on a host."""
        folder = self.hosts[name].folder / "srv/auth/releases"
        return {path.name.removesuffix(".new") for path in folder.iterdir()} if folder.is_dir() else set()

    def report(self, name: str) -> PuppetReport:
        return read_report((self.hosts[name].folder / "var/state/last_run_report.yaml").read_bytes())


@contextmanager
def site_running(folder: Path) -> Iterator[Site]:
    """The server, and two hosts that it knows: their keys and certificates are the slow part of a first run."""
    control = Control.written(folder / "site")
    (control.code / "data/common.yaml").write_text(f"sluicegate::stamp: {folder}/%{{trusted.certname}}.stamp\n")
    hosts = {name: LocalHost(name=name, folder=folder / name, ports={}) for name in HOSTS}
    for host in hosts.values():
        for part in ("conf", "var", "run", "log", "public", "srv"):
            (host.folder / part).mkdir(parents=True)
    (folder / "nodes").mkdir()
    (folder / "classifier").write_text(CLASSIFIER.format(folder=folder / "nodes"))
    (folder / "classifier").chmod(0o755)
    more = f"{SIGNS_AND_KEEPS}node_terminus = exec\nexternal_nodes = {folder}/classifier\n"
    with running(folder / "server", control.folder, more) as server:
        site = Site(folder=folder, control=control, server=server, hosts=hosts)
        for name in HOSTS:
            site.configure(name)
        first = each(HOSTS, site.agent, len(HOSTS)).done
        assert {name: done.status for name, done in first.items()} == dict.fromkeys(HOSTS, 0), (first, server.words())
        yield site


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery repo with versions of auth, worked with as people do."""

    repo: str

    @classmethod
    def made(cls, site: Site, name: str, environments: str, *versions: str) -> Delivery:
        """Its hosts are the site's."""
        root = site.folder
        (root / f"{name}-releases").mkdir()
        deploy = DEPLOY.format(assigned=site.control.assigned)
        (root / f"{name}.yaml").write_text((DELIVERY + environments).format(root=root, name=name, deploy=deploy))
        delivery = cls(repo=str(root / f"{name}.git"))
        process.run([*PROGRAM, "init", "--bare", "--config", root / f"{name}.yaml", delivery.repo])
        for version in versions:
            delivery.call("publish", f"auth={version}", str(tar(root / f"auth-{version}.tar.gz", {"version": version})))
        return delivery

    def call(self, *words: str, check: bool = True) -> Completed:
        return process.run([*PROGRAM, "-C", self.repo, *words], timeout=900, check=check)
