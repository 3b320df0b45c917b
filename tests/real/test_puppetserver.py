"""The deployer `puppet` against a real puppetserver with two agents, as an ordinary user.

Both hosts are folders of one machine, so each has a deployer of its own: the folder of an archive is an absolute path.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.deployers.puppet import PuppetDeployer
from sluicegate.deployers.puppet.assigned import Assignment
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Artifact, Release, Source
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.settings import Plain
from sluicegate.tools import files, process
from sluicegate.tools.parallel import each
from sluicegate.tools.process import Completed
from sluicegate.tools.reports.puppet import PuppetReport, read_report
from tests.parts import CONFIG, free_port, no_host, settings, tar
from tests.real.puppet import Control
from tests.real.puppetserver import PuppetServer, running
from tests.web.conftest import PROGRAM, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]
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
ENVIRONMENTS = ("integration", "training")
OPTIONS = ("--confdir", "conf", "--vardir", "var")
DELIVERY = """\
repositories: {{releases: {{driver: directory, path: {root}/releases}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
hosts: {{app1: {{driver: local, folder: {root}/app1}}, app2: {{driver: local, folder: {root}/app2}}}}
groups: {{first: [app1], second: [app2]}}
environments:
  integration: {{hosts: first, deploy: {{archives: {{auth: {root}/app1/srv/auth}}, {deploy}}}}}
  training: {{hosts: second, deploy: {{archives: {{auth: {root}/app2/srv/auth}}, {deploy}}}}}
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
        for file in self.control.assigned.iterdir():
            file.unlink()
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

    def deploy(self, version: str, intent: str, **values: Plain) -> dict[str, Outcome]:
        """Both hosts side by side, as a deploy does it."""
        wanted = {"auth": self.release(version)}

        def change(name: str) -> Outcome:
            return self.deployer(name, **values).apply(self.hosts[name], wanted, intent)["auth"]

        results = each(HOSTS, change, len(HOSTS))
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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server, and two hosts that it knows: their keys and certificates are the slow part of a first run."""
    folder = tmp_path_factory.mktemp("puppetserver")
    control = Control.written(folder / "site")
    (control.code / "data/common.yaml").write_text(f"sluicegate::stamp: {folder}/%{{trusted.certname}}.stamp\n")
    hosts = {name: LocalHost(name=name, folder=folder / name, ports={}) for name in HOSTS}
    for host in hosts.values():
        for part in ("conf", "var", "run", "log", "public", "srv"):
            (host.folder / part).mkdir(parents=True)
    with running(folder / "server", control.folder) as server:
        site = Site(folder=folder, control=control, server=server, hosts=hosts)
        for name in HOSTS:
            site.configure(name)
        first = each(HOSTS, site.agent, len(HOSTS)).done
        assert {name: done.status for name, done in first.items()} == dict.fromkeys(HOSTS, 0), (first, server.words())
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    shared.settled()
    return shared


def test_both_agents_are_kicked_and_install_what_is_assigned_up_and_down(site: Site) -> None:
    for intent, version in (("a1", "1.10"), ("a2", "1.9")):
        assert site.deploy(version, intent) == dict.fromkeys(HOSTS, DONE)
        assert site.installed() == dict.fromkeys(HOSTS, version)
    for report in map(site.report, HOSTS):
        assert report.job_id.startswith("a2.") and report.intents == ("a2",)
        assert report.environment == "production" and not report.cached


def test_the_report_of_a_run_that_nobody_kicked_is_not_taken_for_the_one_that_was(site: Site) -> None:
    assert site.deploy("1.0", "a1") == dict.fromkeys(HOSTS, DONE)
    assert site.agent("app1").status == 0
    assert site.report("app1").intents == ("a1",) and not site.report("app1").job_id
    process.run(["puppet", "agent", "--disable", "OPS-7 moves its disks", *OPTIONS], cwd=site.hosts["app1"].folder)
    again = site.deploy("1.0", "a1")
    assert again["app1"].why == "app1: Puppet is disabled there: OPS-7 moves its disks"
    assert again["app2"] == DONE, "and nobody takes the one host's report for the other's"


def test_a_catalog_that_does_not_compile_is_told_and_one_that_is_kept_is_refused(site: Site) -> None:
    assert site.deploy("1.0", "a1") == dict.fromkeys(HOSTS, DONE)
    site.control.site.write_text(
        "include sluicegate\nnode 'app1.example.com' { include not_there }\nnode default { }\n"
    )
    site.configure("app2", "use_cached_catalog = true")
    ended = site.deploy("2.0", "a2")
    assert ended["app1"].ending == "failed" and "Could not find class ::not_there" in ended["app1"].why, ended
    assert site.report("app2").status == "unchanged", "Puppet itself thinks that all is well"
    assert "app2: Puppet used an old catalog (explicitly_requested)" in ended["app2"].why, ended
    assert site.releases("app1") == site.releases("app2") == {"1.0"}


def test_a_server_that_is_down_or_hangs_is_told_and_changes_nothing(site: Site) -> None:
    down = site.deploy("1.0", "a1", options=(*OPTIONS, "--serverport", str(free_port())))
    site.server.freeze()
    try:
        hangs = site.deploy("1.0", "a2", options=(*OPTIONS, "--http_connect_timeout", "3", "--http_read_timeout", "3"))
    finally:
        site.server.thaw()
    for name in HOSTS:
        assert down[name].ending == "unreachable" and "its puppetserver does not answer" in down[name].why, down
        assert hangs[name].ending == "unreachable" and "its puppetserver does not answer" in hangs[name].why, hangs
        assert site.releases(name) == set()


@contextmanager
def agents_at_work(site: Site) -> Iterator[list[str]]:
    """Both agents run again and again, whatever happens; gives what was wrong at any moment.

    No host may have a version that its assigned file has not said before.
    """
    stop, wrong = threading.Event(), list[str]()
    versions_given: dict[str, set[str]] = {name: set() for name in HOSTS}

    def run(name: str) -> None:
        while not stop.is_set():
            done = site.agent(name, "--waitforlock", "1", "--maxwaitforlock", "120")
            if done.status not in (0, 2):
                wrong.append(f"{name}: {done.status}: {done.text}{done.error_text}")

    def watch() -> None:
        while not stop.wait(0.05):
            for name in HOSTS:
                there = site.releases(name)
                file = site.control.assigned / f"{name}.example.com.yaml"
                if file.exists():
                    versions_given[name] |= {*Assignment.read(file.read_bytes()).versions.values()}
                if more := there - versions_given[name]:
                    wrong.append(f"{name} has {more}, and was only given {versions_given[name]}")

    threads = [threading.Thread(target=run, args=[name]) for name in HOSTS] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_agents_that_run_beside_pins_and_deploys_install_what_was_assigned_and_nothing_else(site: Site) -> None:
    root = site.folder
    (root / "releases").mkdir()
    deploy = DEPLOY.format(assigned=site.control.assigned)
    (root / "config.yaml").write_text(DELIVERY.format(root=root, deploy=deploy))
    repo = str(root / "delivery.git")

    def call(*words: str) -> None:
        process.run([*PROGRAM, *words], timeout=900)

    call("init", "--bare", "--config", str(root / "config.yaml"), repo)
    for version in ("1.0", "2.0", "3.0"):
        path = tar(root / f"auth-{version}.tar.gz", {"version": version})
        call("-C", repo, "publish", f"auth={version}", str(path))

    def pin(version: str) -> None:
        for environment in ENVIRONMENTS:
            call("-C", repo, "pin", f"auth={version}", "--in", environment)

    with agents_at_work(site) as wrong:
        for version in ("2.0", "1.0"):
            pin(version)
            deploys = each(ENVIRONMENTS, lambda environment: call("-C", repo, "deploy", environment), 2)
            assert deploys.first_failure is None, deploys.first_failure
            assert site.installed() == dict.fromkeys(HOSTS, version)
        pin("3.0")
        for _ in range(2):  # the run that is under way may have begun before the pin
            before = {name: site.report(name).time for name in HOSTS}
            until(lambda: all(site.report(name).time != before[name] for name in HOSTS), 600)  # noqa: B023
    assert not wrong, wrong
    assert [site.releases(name) for name in HOSTS] == [{"1.0", "2.0"}] * 2
    assert site.installed() == dict.fromkeys(HOSTS, "1.0")
