"""Fifty hosts that OpenSSH reaches, three commands on each: ours against its peers and against OpenSSH itself.

    python bench/fleet.py [--hosts 50] [--rounds 3] [--pyinfra PATH] [--rows]

Each host is an sshd of its own, with its own key and port, on this machine: what the servers cost all contestants pay
alike. Its home is empty, so that no shell there reads what this machine's user has for his own. The commands make a
folder, write a file in it and read that. Contestants, each from nothing, processes included:

- ours: the hosts of a configuration in one Python process, as many at once as there are, as a deploy has them;
- ansible with its defaults, and with pipelining and 50 forks: one play of three `command` tasks, no facts;
- the floor: one shared connection a host (`ssh -M`), then three `ssh -S`, as many hosts at once as we begin;
- pyinfra, where `--pyinfra` names it: three `server.shell` operations; stated, without a goal.

Last, all hosts behind one bastion whose sshd has OpenSSH's own `MaxStartups 10:30:100`: none may be lost.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.publish import print_rows, report

from sluicegate.tools import sockets

COMMANDS = ("mkdir -p work", "sh -c 'echo hello > work/file'", "cat work/file")
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "sshd"
BASTION = "bastion"

OURS = """
import json, os, sys
from sluicegate.hosts.ssh import SshHost
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.tools.parallel import each
hosts, jump = json.load(open(sys.argv[1])), sys.argv[2:]
config = Config(repositories={}, components={}, environments={}, hosts={}, groups={})
def settings(place):
    return Settings(where="bench", values={**place, **({"jump": jump[0]} if jump else {})})
made = {name: SshHost.configure(name, settings(place), config) for name, place in hosts.items()}
def work(name):
    for command in COMMANDS:
        done = made[name].run(["sh", "-c", command])
        assert done.status == 0, done.error_text
    return done.text
results = each(list(made), work, len(made), max_failed=len(made))
assert all(text == "hello\\n" for text in results.done.values())
print(json.dumps({"done": len(results.done), "lost": {name: str(why) for name, why in results.failed.items()}}))
sys.stdout.flush()
"""

FLOOR = """
set -e
ssh -MNf -o ControlPersist=no -S "$2/$1" "$1"
for command in {commands}; do ssh -S "$2/$1" "$1" "cd $2/home-$1 && $command" >/dev/null; done
ssh -S "$2/$1" -O exit "$1" 2>/dev/null
"""


class Fleet:
    """The servers below `folder`, and a client's configuration that knows them by name."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.names = [f"app{number}" for number in range(count)]
        self.servers: list[subprocess.Popen[bytes]] = []
        self._key("user")
        self._key("host")
        known, lines = [], []
        for name in [*self.names, BASTION]:
            port = self._serve(name)
            known.append(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
            lines.append(f"Host {name}\n HostName 127.0.0.1\n Port {port}\n")
        (folder / "known_hosts").write_text("".join(known))
        (folder / "config").write_text(
            "".join(lines)
            + f"Host *\n IdentityFile {folder}/user\n IdentitiesOnly yes\n BatchMode yes\n LogLevel ERROR\n"
            f" UserKnownHostsFile {folder}/known_hosts\n GlobalKnownHostsFile none\n StrictHostKeyChecking yes\n"
        )
        (folder / "bin").mkdir()
        self._wrap("ssh")
        places = {name: {"address": name, "folder": f"{folder}/home-{name}"} for name in self.names}
        (folder / "hosts.json").write_text(json.dumps(places))

    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{self.folder}/cp", "ANSIBLE_LOCAL_TEMP": f"{self.folder}/tmp",
        }  # fmt: skip

    def _key(self, name: str) -> None:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
        subprocess.run(words, check=True)

    def _wrap(self, program: str) -> None:
        script = self.folder / "bin" / program
        script.write_text(f'#!/bin/sh\nexec {shutil.which(program)} -F {self.folder}/config "$@"\n')
        script.chmod(0o755)

    def _serve(self, name: str) -> int:
        (self.folder / f"home-{name}").mkdir()
        kept = sockets.keep_port()
        port = sockets.port_of(kept)
        config = self.folder / f"sshd-{name}"
        config.write_text(
            f"Port {port}\nListenAddress 127.0.0.1\n"
            f"HostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nLogLevel QUIET\nPermitRootLogin yes\n"
            f"MaxStartups 10:30:100\nSetEnv HOME={self.folder}/home-{name}\n"  # of what its user's shells begin with
        )
        kept.close()
        # However this process ends, its servers end with it.
        words = ["setpriv", "--pdeathsig=TERM", SSHD, "-D", "-f", config]
        self.servers.append(subprocess.Popen(words, stderr=subprocess.DEVNULL))
        return port

    def close(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait()


@contextmanager
def fleet(count: int) -> Iterator[Fleet]:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sg-", dir="/tmp") as folder:  # short: sockets lie below it
        started = Fleet(Path(folder), count)
        try:
            yield started
        finally:
            started.close()


class Contest:
    """Each contestant is a command that is run once and timed as a whole, in seconds of the clock."""

    def __init__(self, hosts: Fleet, pyinfra: str) -> None:
        self.fleet = hosts
        self.pyinfra = pyinfra
        folder = hosts.folder
        tasks = [
            {"ansible.builtin.command": {"cmd": command, "chdir": f"{folder}/home-{{{{ inventory_hostname }}}}"}}
            for command in COMMANDS
        ]
        (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        (folder / "inventory").write_text(
            "".join(f"{name} ansible_python_interpreter=/usr/bin/python3\n" for name in hosts.names)
        )
        quoted = " ".join(f'"{command}"' for command in COMMANDS)
        (folder / "floor.sh").write_text(FLOOR.replace("{commands}", quoted))
        (folder / "ours.py").write_text(f"COMMANDS = {COMMANDS!r}\n{OURS}")
        shell = [
            f"server.shell(commands=[f'cd {folder}/home-{{host.name}} && ' + {command!r}])" for command in COMMANDS
        ]
        (folder / "operations.py").write_text(
            "\n".join(["from pyinfra import host", "from pyinfra.operations import server", *shell, ""])
        )
        known = f'"ssh_config_file": "{folder}/config", "ssh_known_hosts_file": "{folder}/known_hosts"'
        (folder / "hosts.py").write_text(f"hosts = [(name, {{{known}}}) for name in {hosts.names!r}]\n")

    def timed(self, words: Sequence[str | Path], **more: str) -> tuple[float, str]:
        began = time.perf_counter()
        done = subprocess.run(
            [str(word) for word in words], env={**self.fleet.environment(), **more}, cwd=self.fleet.folder, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            sys.exit(f"{words[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return seconds, done.stdout

    def ours(self, *jump: str) -> tuple[float, dict[str, object]]:
        seconds, answer = self.timed([sys.executable, "ours.py", "hosts.json", *jump])
        return seconds, json.loads(answer)

    def alone(self) -> float:
        seconds, answer = self.ours()
        if answer["lost"]:
            sys.exit(f"ours lost hosts: {answer['lost']}")
        return seconds

    def ansible(self, *more: str, **environment: str) -> float:
        program = Path(sys.executable).with_name("ansible-playbook")
        return self.timed([program, "-i", "inventory", "play.yml", *more], **environment)[0]

    def floor(self) -> float:
        words = ["xargs", f"-P{len(self.fleet.names)}", "-I{}", "sh", "floor.sh", "{}", str(self.fleet.folder)]
        began = time.perf_counter()
        subprocess.run(
            words,
            input="\n".join(self.fleet.names),
            env=self.fleet.environment(),
            cwd=self.fleet.folder,
            text=True,
            check=True,
        )
        return time.perf_counter() - began

    def others(self) -> float:
        return self.timed([self.pyinfra, "-y", "--parallel", "50", "hosts.py", "operations.py"])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pyinfra", default=shutil.which("pyinfra") or "", help="the program, to be stated beside")
    parser.add_argument("--rows", action="store_true", help="print rows for docs/performance.md")
    options = parser.parse_args()
    with fleet(options.hosts) as started:
        contest = Contest(started, options.pyinfra)
        contestants: dict[str, Callable[[], float]] = {
            "ours": contest.alone,
            "floor": contest.floor,
            "defaults": contest.ansible,
            "pipelining": lambda: contest.ansible("--forks=50", ANSIBLE_PIPELINING="1"),
        }
        if options.pyinfra:
            contestants["pyinfra"] = contest.others
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, run in contestants.items():
                times[name].append(run())
        median = {name: statistics.median(seconds) for name, seconds in times.items()}
        for name, seconds in median.items():
            print(f"{name}: {seconds:.2f} s")
        what = f"{options.hosts} hosts, three commands each: wall clock"
        report(f"{what} to ansible with its defaults", median["ours"] / median["defaults"], 1 / 4)
        report(f"{what} to ansible with pipelining and 50 forks", median["ours"] / median["pipelining"], 1 / 2)
        report(f"{what} to OpenSSH with shared connections", median["ours"] / median["floor"], 1.5)
        lost = 0
        for _ in range(options.rounds):
            _, answer = contest.ours(BASTION)
            lost += options.hosts - int(str(answer["done"]))
            for name, why in dict(answer["lost"]).items():  # type: ignore[call-overload]
                print(f"lost {name}: {why}")
        report(f"{options.hosts} hosts behind one sshd with MaxStartups 10:30:100: lost of all rounds", lost, 0.0)
    if options.rows:
        print_rows("fleet.py")


if __name__ == "__main__":
    main()
