"""The places of the worked example: Git repositories, hosts, balancer, directory, all below one folder on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import string
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sluicegate.balancers.caddy import CaddyBalancer, file_server_config, merged
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes.balancing import upstreams
from sluicegate.demo.server import BuildServer
from sluicegate.deployers.keepers import SupervisorKeeper
from sluicegate.errors import SluicegateError, UnknownName
from sluicegate.tools import process, sockets, sshsig
from sluicegate.tools.caddy import start_caddy, stop_caddy
from sluicegate.tools.git import Edit, Signature, Store
from sluicegate.wiring import EntryPointDrivers

EXAMPLES = Path(__file__).parent / "examples"
CONFIG = Path(__file__).parent / "sluicegate.yaml"
JOBS = Path(__file__).parent / "jobs" / "demo.yaml"
COMPONENTS = ("auth", "portal")
FOLDERS = ("home", "git", "src", "repository", "balancer", "builds", "hosts/int1", "hosts/blue1", "hosts/green1")
PORTS = (
    "files",
    "users",
    "int_auth",
    "int_portal",
    "blue_auth",
    "blue_portal",
    "green_auth",
    "green_portal",
    "jenkins",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A command that was run: exit code and everything it printed."""

    code: int
    output: str


@dataclass
class World:
    """Everything below `root`. Whoever makes one calls `close`."""

    root: Path
    ports: dict[str, int] = field(default_factory=dict)
    kept_ports: dict[str, socket.socket] = field(default_factory=dict)
    directory: subprocess.Popen[bytes] | None = None
    server: BuildServer = field(init=False)
    signing_key: bytes = b""

    @property
    def repo(self) -> Path:
        return self.root / "git" / "delivery.git"

    @property
    def users_url(self) -> str:
        """Where users arrive."""
        return f"http://127.0.0.1:{self.ports['users']}"

    @property
    def binaries(self) -> Path:
        return Path(sys.executable).parent

    @cached_property
    def plain(self) -> dict[str, str]:
        """The environment of every command of the example."""
        kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR", "TERM")}
        return {
            **kept,
            "PATH": f"{self.binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root / "home"),
            "SLUICEGATE_REPO": str(self.repo),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *words: str | Path, user: str = "olle", cwd: Path | None = None) -> Result:
        """Run a command as one of the people; its output is collected, whatever its exit code."""
        person: dict[str, str] = {}
        for part in ("AUTHOR", "COMMITTER"):
            person |= {f"GIT_{part}_NAME": user, f"GIT_{part}_EMAIL": f"{user}@example.com"}
        program = shutil.which(str(words[0]), path=self.plain["PATH"]) or words[0]
        done = process.run(
            [program, *words[1:]], cwd=cwd or self.root, env={**self.plain, **person}, inherit=False, check=False
        )
        return Result(code=done.status, output=done.text + (done.error_text + "\n" if done.error_text else ""))

    def state(self) -> State:
        """What the delivery repo says now. The caller closes its store."""
        return State(Store(str(self.repo), (MAIN, LEDGER)), EntryPointDrivers(), datetime.now(UTC))

    def build_up(self) -> None:
        """Make and start everything but the components."""
        self.kept_ports = {name: sockets.keep_port() for name in PORTS}
        self.ports = {name: sockets.port_of(kept) for name, kept in self.kept_ports.items()}
        for folder in (
            "home",
            "git",
            "src",
            "repository",
            "balancer",
            "builds",
            "hosts/int1",
            "hosts/blue1",
            "hosts/green1",
        ):
            (self.root / folder).mkdir(parents=True)
        self._start_directory()
        self._make_sources()
        self._make_delivery_repo()
        (self.root / "balancer" / "live").write_text("blue")
        self._start_caddy()
        self._start_server()

    def _start_directory(self) -> None:
        """The stand-in for the organisation's LDAP directory."""
        ready = self.root / "ldap.port"
        script, people = EXAMPLES / "directory" / "ldap_stand_in.py", EXAMPLES / "directory" / "people.ldif"
        words: list[str | Path] = [sys.executable, script, "--port", "0", "--ldif", people, "--ready", ready]
        self.directory = process.start(words, cwd=self.root, env=self.plain, log=self.root / "ldap.log")
        deadline = time.monotonic() + 30
        while not ready.exists():
            if self.directory.poll() is not None or time.monotonic() > deadline:
                raise SluicegateError("the LDAP stand-in does not start", hint=f"see {self.root / 'ldap.log'}")
            time.sleep(0.05)
        self.ports["ldap"] = int(ready.read_text())

    def _make_sources(self) -> None:
        for component in COMPONENTS:
            bare, work = self.root / "git" / f"{component}.git", self.root / "src" / component
            self._must("git", "init", "--quiet", "--bare", "--initial-branch=main", bare)
            self._must("git", "clone", "--quiet", bare, work)
            copy_tree(EXAMPLES / component, work)
            self.commit(component, f"{component}, as it is")

    def commit(self, component: str, message: str) -> None:
        """Commit and push everything in a component's work tree."""
        work = self.root / "src" / component
        self._must("git", "add", "--all", cwd=work)
        self._must("git", "commit", "--quiet", "-m", message, cwd=work)
        self._must("git", "push", "--quiet", "origin", "HEAD:main", cwd=work)

    def change(self, component: str, name: str) -> None:
        """Copy one of the prepared changes over a component's work tree."""
        copy_tree(EXAMPLES / "changes" / name, self.root / "src" / component)

    def _make_delivery_repo(self) -> None:
        values = {name: str(port) for name, port in self.ports.items()}
        values |= {"root": str(self.root), "examples": str(EXAMPLES.resolve()), "path": self.plain["PATH"]}
        values["ldap"] = f"ldap://127.0.0.1:{self.ports['ldap']}"
        config = self.root / "sluicegate.yaml"
        config.write_text(string.Template(CONFIG.read_text()).substitute(values))
        self._must("sluicegate", "init", self.repo, "--bare", "--config", config)
        self._allow_signers()

    def _allow_signers(self) -> None:
        """Who signs what people decide: the approving jobs, with a key that only they have."""
        self.signing_key, public = sshsig.make_key()
        with Store(str(self.repo), (MAIN, LEDGER)) as store:
            files: dict[str, bytes | None] = {"allowed-signers": f"approving-jobs {public}".encode()}
            edit = Edit(branch=MAIN, base=store.tips()[MAIN], files=files)
            store.push([edit], "Who signs\n", by=Signature(name="olle", email="olle@example.com"), at=datetime.now(UTC))

    def _start_caddy(self) -> None:
        """One Caddy: the balancer, and the file server of the repository."""
        state = self.state()
        with state.store:
            production = state.config.environment("production")
            balancer = state.drivers.balancer(state.config, production)
            assert isinstance(balancer, CaddyBalancer)
            files = file_server_config(f"127.0.0.1:{self.ports['files']}", self.root / "repository")
            users = balancer.caddy_config(upstreams(state, "production"))
            start_caddy(merged(users, files), self.root / "balancer")

    def _start_server(self) -> None:
        """The build server with its jobs, and hooks that tell it of pushes."""
        (self.root / "home" / ".gitconfig").write_text("[user]\n\tname = ci\n\temail = ci@example.com\n")
        environment = {name: value for name, value in self.plain.items() if name != "SLUICEGATE_REPO"}
        port = str(self.ports["jenkins"])
        # Jobs start and change the services of the three hosts, below our own folder.
        options = ("--port", port, "--isolation", "none")
        self.server = BuildServer(self.root / "jenkins", f"http://127.0.0.1:{port}", environment, options)
        self.server.start(self.repo, self.signing_key)
        jobs = JOBS.read_text().replace("/srv/git", str(self.root / "git"))
        self.server.update_jobs(jobs, self.binaries / "jenkins-jobs")
        for name in (*COMPONENTS, "delivery"):
            self.server.hook(self.root / "git" / f"{name}.git")

    def _must(self, *words: str | Path, cwd: Path | None = None) -> str:
        """What a command printed that cannot fail here."""
        done = self.run(*words, cwd=cwd)
        if done.code != 0:
            raise SluicegateError(f"{' '.join(map(str, words))}: {done.output.strip()}")
        return done.output

    def stop_command(self) -> str:
        """What a person types to end what `--serve` left running."""
        return f"pkill -f {self.root}; rm -r {self.root}"

    def close(self) -> None:
        """Stop every process; the files stay."""
        if hasattr(self, "server"):
            self.server.stop()
        stop_caddy(self.root / "balancer")
        try:
            state = self.state()
            with state.store:
                hosts = [state.drivers.host(state.config, name) for name in state.config.hosts]
                keepers = [SupervisorKeeper.of(host, state.config) for host in hosts]
        except UnknownName:  # it was not built up so far
            keepers = []
        for keeper in keepers:
            keeper.shutdown()
        if self.directory is not None:
            process.end(self.directory.pid)
        for kept in self.kept_ports.values():
            kept.close()


def copy_tree(source: Path, to: Path) -> None:
    """Copy files over a folder, without caches."""
    shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
