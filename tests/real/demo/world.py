"""The places of the real demo: Nexus, slapd, a Git server, HAProxy, hosts, the build server."""

from __future__ import annotations

import shutil
import string
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TextIO

from sluicegate.demo.server import BuildServer
from sluicegate.demo.world import COMPONENTS, EXAMPLES, Result, World, copy_tree
from sluicegate.errors import SluicegateError
from sluicegate.tools import process
from sluicegate.tools.parallel import each
from tests.parts import write
from tests.real import slapd
from tests.real.demo.hosts import APT_LIST, HERE, NAMES, Hosts
from tests.real.puppet import HIERA_OF_ASSIGNED, MODULE
from tests.real.puppetserver import PuppetServer

PLACE = Path(__file__).parent
NEXUS = PLACE.parent / "nexus.sh"
GIT = "srv/git"
DATA = "etc/puppet/sluicegate-data"
AGENTS = ("int1", "int2", "blue1", "blue2", "green1", "green2")
AT_ONCE = 3
"""Agents that ask for their certificates side by side."""
SERVICES = {"LDAP_URL": "ldap://ldap:389", "AUTH_URL": "http://127.0.0.1:8001"}
"""What every host's services get: a portal asks the auth beside it, where HAProxy keeps whoever logged in there."""
HAPROXY = """\
global
    user haproxy
    group haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin group deploy
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend users
    bind :80
{users}
frontend shops
    bind :8000
{shops}
{backends}
"""
REPORTS = """\
autosign = {folder}/autosign.conf
reports = http
reporturl = http://puppet:{secret}@ci:8080/delivery/reports
"""


class RealWorld(World):
    """Everything below `root`, in namespaces of its own, which end it all: nothing is closed here."""

    def __init__(self, root: Path, cache: Path, orders: TextIO, say: Callable[[str], None]) -> None:
        super().__init__(root=root)
        self.cache = cache
        self.orders = orders
        self.say = say
        self.began = time.monotonic()
        self.hosts = Hosts(root / "hosts", root.name)

    @property
    def repo(self) -> Path:
        """The delivery repo where it lies, for looking only: whoever works goes by `location`."""
        served = self.hosts.root("git1") / GIT / "delivery.git"
        return served if served.exists() else self.root / "delivery.git"

    @property
    def location(self) -> str:
        return f"ssh://git@git1/{GIT}/delivery.git"

    @property
    def users_url(self) -> str:
        return "http://lb1"

    @cached_property
    def plain(self) -> dict[str, str]:
        return {
            **super().plain,
            "PATH": f"{self.root / 'bin'}:{self.binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SLUICEGATE_REPO": self.location,
        }

    def build_up(self) -> None:
        """Make and start everything but the components; what takes long goes on side by side."""
        for folder in ("bin", "home", "src"):
            (self.root / folder).mkdir()
        self.hosts.network()
        self._ssh_client()
        self._start_directory()
        self._make_delivery_repo()
        self._start_server()
        side = ThreadPoolExecutor()
        puppetserver = side.submit(self._start_puppetserver)
        self._ordered("nexus")
        nexus = side.submit(self._start_nexus)
        base = Path(self._ordered("base"))
        self.hosts.prepare(base, self.root / "home/.ssh/id.pub", SERVICES)
        (self.root / "home/.ssh/known_hosts").write_text(self.hosts.known())
        for name in NAMES:
            self.hosts.make(name)
        self._make_git_server()
        self._make_assigned()
        self._make_balancer()
        for name in NAMES:
            self.hosts.start(name)
        self._make_sources()
        for name in NAMES:
            self.hosts.wait(name, "git" if name == "git1" else "deploy")
        self._said(f"{len(NAMES)} hosts run systemd and sshd")
        puppetserver.result()
        self._certificates()
        nexus.result()
        for name in NAMES:
            self.packages_list(name)
        self._jobs()

    def _said(self, what: str) -> None:
        self.say(f"{what} ({time.monotonic() - self.began:.0f} s)")

    def _ordered(self, what: str) -> str:
        """What the process outside says of something that it makes with its own network: where it is."""
        words = self.orders.readline().split()
        if not words or words[0] != what:
            raise SluicegateError(f"what comes over the network is not there ({what}): see above what failed")
        return words[-1]

    def _ssh_client(self) -> None:
        """OpenSSH takes root's home from the list of users: ours has a configuration of its own, and nobody else's."""
        home = self.root / "home/.ssh"
        home.mkdir(mode=0o700)
        self._must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "id")
        (home / "config").write_text(
            f"Host *\n IdentityFile {home}/id\n IdentitiesOnly yes\n StrictHostKeyChecking yes\n"
            f" UserKnownHostsFile {home}/known_hosts\n GlobalKnownHostsFile none\n BatchMode yes\n"
        )
        client = self.root / "bin/ssh"
        client.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {home}/config "$@"\n')
        client.chmod(0o755)
        (self.root / "home/.gitconfig").write_text(
            "[user]\n\tname = ci\n\temail = ci@example.com\n[safe]\n\tdirectory = *\n"
        )

    def _start_nexus(self) -> None:
        state = self.root / "nexus"
        settings = {
            "SLUICEGATE_NEXUS_STATE": str(state),
            "SLUICEGATE_NEXUS_LISTEN": "0.0.0.0",
            "SLUICEGATE_NEXUS_PORT": "8081",
            "XDG_CACHE_HOME": str(self.cache),  # where it was downloaded to
        }
        done = process.run(
            ["bash", NEXUS, "up"], env={**self.plain, **settings}, inherit=False, check=False, timeout=420
        )
        if done.status != 0:
            raise SluicegateError(f"Nexus does not start: {done.error_text}")
        login = (state / "netrc").read_text().replace("127.0.0.1", "nexus")
        (self.root / "home/.netrc").touch(mode=0o600)
        (self.root / "home/.netrc").write_text(login)
        self._said("Nexus answers, with a signed repository for apt")

    def _start_puppetserver(self) -> None:
        """It signs for hosts that we know, and posts reports to the build server, which is up for it to know a secret.

        Its programs are this machine's, and it runs beside the hosts, as Nexus does; what is assigned lies on puppet1.
        """
        place = self.root / "puppet"
        write(
            place,
            {
                "autosign.conf": "".join(f"{name}\n" for name in AGENTS),
                "environments/production/manifests/site.pp": "include sluicegate\n",
                "environments/production/hiera.yaml": HIERA_OF_ASSIGNED.format(data=self.hosts.root("puppet1") / DATA),
                "environments/production/environment.conf": f"modulepath = {MODULE}\n",
            },
        )
        secret = (self.root / "jenkins/home/secrets/reports").read_text().strip()
        more = REPORTS.format(folder=place, secret=secret)
        PuppetServer.prepared(place / "server", place, name="puppet", address=HERE, port=8140, more=more).start()
        self._said("the Puppet server answers")

    def _make_assigned(self) -> None:
        """The folder in which sluicegate, as the user `deploy` of puppet1, says what each host may install."""
        folders = (f"/{DATA}", f"/{DATA}/sluicegate")
        process.run(["chroot", self.hosts.root("puppet1"), "install", "-d", "-o", "deploy", *folders])

    def _certificates(self) -> None:
        """Each agent makes a key, and the server signs for it."""
        words = "sudo puppet ssl bootstrap --waitforcert 0 --color false"
        asked = each(AGENTS, lambda name: self.run("ssh", f"deploy@{name}", words), AT_ONCE).done
        if failed := {name: answer.output for name, answer in asked.items() if answer.code != 0}:
            raise SluicegateError(f"agents have no certificate: {failed}", hint="see server/log below puppet")
        self._said(f"{len(AGENTS)} agents have their certificates")

    def agent(self, host: str) -> Result:
        """A run of Puppet that nobody kicked, as there is one every half hour."""
        return self.run("ssh", f"deploy@{host}", "sudo puppet agent --onetime --no-daemonize --no-splay --color false")

    def _start_directory(self) -> None:
        people = (EXAMPLES / "directory" / "people.ldif").read_text()
        people = people.replace("version: 1\n", "")  # slapadd wants no such line
        # The services look groups up as nobody.
        slapd.prepared(self.root / "ldap", people, readers="*", address=HERE, port=389).start()
        self._said("slapd answers")

    def _make_delivery_repo(self) -> None:
        """It is made here, before there is a Git server."""
        config = self.root / "sluicegate.yaml"
        values = {"root": str(self.root), "assigned": f"/{DATA}/sluicegate", "list": APT_LIST}
        config.write_text(string.Template((PLACE / "sluicegate.yaml").read_text()).substitute(values))
        self._must("sluicegate", "init", self.repo, "--bare", "--config", config)
        self._allow_signers()

    def _make_git_server(self) -> None:
        """Three bare repositories of the user `git`, whose hooks tell the build server of pushes."""
        place = self.hosts.root("git1") / GIT
        place.mkdir(parents=True)
        shutil.move(self.repo, place)
        for component in COMPONENTS:
            self._must("git", "init", "--quiet", "--bare", "--initial-branch=main", place / f"{component}.git")
        for name in (*COMPONENTS, "delivery"):
            known_as = f"ssh://git@git1/{GIT}/{name}.git"
            self.server.hook(place / f"{name}.git", python="/usr/bin/python3", known_as=known_as)
        process.run(["chroot", self.hosts.root("git1"), "chown", "-R", "git:", f"/{GIT}"])

    def _start_server(self) -> None:
        environment = {name: value for name, value in self.plain.items() if name != "SLUICEGATE_REPO"}
        options = ("--host", HERE, "--port", "8080", "--plain-http", "--url", "http://ci:8080", "--allow-host", "ci")
        options = (*options, "--isolation", "none", "--reports-from", HERE)
        self.server = BuildServer(self.root / "jenkins", "http://ci:8080", environment, options)
        self.server.patience = 420.0  # seconds: a build, Puppet on two hosts one after the other, and the tests
        self.server.pause = 0.5
        self.server.start(self.location, self.signing_key)
        self._said("the build server answers")

    def _make_sources(self) -> None:
        self.hosts.wait("git1", "git")
        for component in COMPONENTS:
            work = self.root / "src" / component
            self._must("git", "clone", "--quiet", f"ssh://git@git1/{GIT}/{component}.git", work)
            copy_tree(EXAMPLES / component, work)
            self.commit(component, f"{component}, as it is")

    def _make_balancer(self) -> None:
        """What HAProxy's host starts: two frontends, with what `balancer config` prints."""
        printed = {
            name: self._must("sluicegate", "-C", self.repo, "balancer", "config", name)
            for name in ("production", "shops")
        }
        rules = {name: text.partition("\nbackend ")[0] for name, text in printed.items()}
        backends = {name: "backend " + text.partition("\nbackend ")[2] for name, text in printed.items()}
        text = HAPROXY.format(users=rules["production"], shops=rules["shops"], backends=backends["production"])
        for path, content in {
            "/etc/haproxy/haproxy.cfg": text,
            "/etc/haproxy/ours/main.map": "live blue\n",
            "/etc/haproxy/ours/shops.cfg": backends["shops"],
            "/etc/default/haproxy": 'EXTRAOPTS="-f /etc/haproxy/ours/shops.cfg"\n',
        }.items():
            self.hosts.install("lb1", path, content)
        process.run(["chroot", self.hosts.root("lb1"), "chown", "-R", "deploy:", "/etc/haproxy/ours"])
        process.run(["chroot", self.hosts.root("lb1"), "systemctl", "--quiet", "enable", "haproxy"])

    def packages_list(self, host: str) -> None:
        """Nexus' packages and its key, on a host that installs any."""
        self.hosts.install(host, "/etc/apt/keyrings/ours.asc", (self.root / "nexus/apt.asc").read_text())
        line = "deb [signed-by=/etc/apt/keyrings/ours.asc] http://nexus:8081/repository/apt bookworm main\n"
        self.hosts.install(host, APT_LIST, line)

    def _jobs(self) -> None:
        jobs = string.Template((PLACE / "jobs.yaml").read_text()).substitute(here=PLACE)
        self.server.update_jobs(jobs, self.binaries / "jenkins-jobs")
        self._said("jenkins-job-builder has put the jobs there")
