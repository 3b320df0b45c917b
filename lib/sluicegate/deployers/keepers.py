"""What keeps an archive's services running: a supervisor on this machine's own hosts, systemd on all others."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.model.config import Config
from sluicegate.model.values import Service
from sluicegate.ports import Host
from sluicegate.tools.scratch import scratch
from sluicegate.tools.supervisor import Supervisor, script


class Keeper(Protocol):
    """Keeps services running, whatever becomes of the command that started them."""

    def restart(self, service: Service) -> None:
        """Start the service, or replace the running one. Raises SluicegateError with its last lines when it ends."""

    def stop(self, name: str) -> None:
        """Stop the service and forget it; nothing happens when there is none."""

    def log(self, name: str) -> str:
        """The last lines that the service printed."""


def keeper(host: Host, config: Config, *, user_units: bool = False) -> Keeper:
    """The keeper of a host's services. Raises RemoteUnavailable for a host that is down."""
    if config.hosts[host.name].driver == "local":
        return SupervisorKeeper.of(host, config)
    return UserUnitsKeeper.of(host, config) if user_units else SystemdKeeper.of(host, config)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorKeeper:
    """A supervisord in the host's folder, which is one of this machine."""

    host: Host
    config: Config
    folder: Path

    @classmethod
    def of(cls, host: Host, config: Config) -> SupervisorKeeper:
        return cls(host=host, config=config, folder=Path(host.run(["pwd"]).text.rstrip("\n")))

    def restart(self, service: Service) -> None:
        listens, port = place(self.host, service.name)
        variables = {**self.config.variables.get(self.host.name, {}), "PORT": str(port), "HOST": listens}
        text = script(service.command, self.folder / service.folder, variables)
        try:
            Supervisor(self.folder).restart(service.name, text, listens, port)
        except OSError as problem:
            raise self._broken(problem) from problem

    def stop(self, name: str) -> None:
        try:
            Supervisor(self.folder).stop(name)
        except OSError as problem:
            raise self._broken(problem) from problem

    def log(self, name: str) -> str:
        return Supervisor(self.folder).log(name)

    def shutdown(self) -> None:
        """End all services and their supervisord, and wait until they are gone; the files stay."""
        Supervisor(self.folder).shutdown()

    def _broken(self, problem: OSError) -> SluicegateError:
        return SluicegateError(
            f"the host '{self.host.name}': {problem.filename or self.folder}: {problem.strerror or problem}",
            hint="check rights and free space there",
        )


UNIT = """\
# written by sluicegate
[Unit]
Description={name}, by sluicegate
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
User={user}
ExecStart=/bin/sh "{script}"
EnvironmentFile=-/etc/sluicegate/{name}.env
Restart=always
RestartSec=1
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""
SHOWN_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdKeeper:
    """A system unit for each service, run as the user that we log in as; its output is in the journal.

    Settings of ours are in its start script; secrets are in /etc/sluicegate/COMPONENT.env on the host, past us.
    """

    host: Host
    config: Config
    folder: str
    user: str

    @classmethod
    def of(cls, host: Host, config: Config) -> SystemdKeeper:
        """Raises UsageError for a host that systemd does not run."""
        done = host.run(["sh", "-c", "pwd; id -un; test -d /run/systemd/system"])
        if done.status != 0:
            raise UsageError(
                f"the host '{host.name}' is not run by systemd, so nothing would keep an archive's services running",
                hint="deploy packages or by ansible there, or use a host with systemd",
            )
        folder, user = done.lines
        return cls(host=host, config=config, folder=folder, user=user)

    def restart(self, service: Service) -> None:
        quoted = _send_script(self.host, self.config, self.folder, service)
        unit = UNIT.format(name=service.name, user=self.user, script=quoted)
        self._root(["tee", "--", f"/etc/systemd/system/{_unit(service.name)}"], unit.encode())
        self._root(["systemctl", "daemon-reload"])
        self._root(["systemctl", "enable", "--quiet", _unit(service.name)])
        self._root(["systemctl", "restart", _unit(service.name)])

    def stop(self, name: str) -> None:
        if self.host.run(["systemctl", "cat", _unit(name)]).status != 0:
            return
        self._root(["systemctl", "disable", "--now", "--quiet", _unit(name)])
        self._root(["rm", "-f", "--", f"/etc/systemd/system/{_unit(name)}"])
        self._root(["systemctl", "daemon-reload"])
        self.host.remove(f"services/{name}")

    def log(self, name: str) -> str:
        words = ["journalctl", "--unit", _unit(name), "--lines", str(SHOWN_LINES), "--output", "cat", "--no-pager"]
        return self.host.run(words, root=True).text.strip()

    def _root(self, argv: list[str], stdin: bytes | None = None) -> None:
        done = self.host.run(argv, root=True, stdin=stdin, timeout=120.0)
        if done.status != 0:
            raise SluicegateError(f"the host '{self.host.name}': {' '.join(argv[:2])} failed: {done.error_text}")


USER_UNIT = """\
# written by sluicegate
[Unit]
Description={name}, by sluicegate
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh "{script}"
EnvironmentFile=-%h/.config/sluicegate/{name}.env
SyslogIdentifier=sluicegate-{name}
Restart=always
RestartSec=1
TimeoutStopSec=30

[Install]
WantedBy=default.target
"""
USER_UNITS = ".config/systemd/user"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUnitsKeeper:
    """The same in the systemd of the user that we log in as: nothing is done as root.

    It runs without a login because the user lingers; secrets are in ~/.config/sluicegate/COMPONENT.env.
    """

    host: Host
    config: Config
    folder: str
    home: str
    runtime: str

    @classmethod
    def of(cls, host: Host, config: Config) -> UserUnitsKeeper:
        """Raises UsageError for a host whose user has no systemd of its own without a login."""
        lingers = 'test -e "/var/lib/systemd/linger/$(id -un)"'
        done = host.run(["sh", "-c", f'pwd; echo "$HOME"; id -u; id -un; {lingers}'])
        folder, home, number, user = done.lines
        if done.status != 0:
            raise UsageError(
                f"services of the user '{user}' on the host '{host.name}' would end with our login",
                hint=f"there, as root: loginctl enable-linger {user}",
            )
        return cls(host=host, config=config, folder=folder, home=home, runtime=f"/run/user/{number}")

    def restart(self, service: Service) -> None:
        quoted = _send_script(self.host, self.config, self.folder, service)
        unit = USER_UNIT.format(name=service.name, script=quoted)
        write = 'mkdir -p -- "$1" && cat > "$1/.$2.new" && mv -T -- "$1/.$2.new" "$1/$2"'
        self._must(["sh", "-c", write, "sh", f"{self.home}/{USER_UNITS}", _unit(service.name)], unit.encode())
        self._systemctl("daemon-reload")
        self._systemctl("enable", "--quiet", _unit(service.name))
        self._systemctl("restart", _unit(service.name))

    def stop(self, name: str) -> None:
        if self.host.run([*self._as_user, "systemctl", "--user", "cat", _unit(name)]).status != 0:
            return
        self._systemctl("disable", "--now", "--quiet", _unit(name))
        self._must(["rm", "-f", "--", f"{self.home}/{USER_UNITS}/{_unit(name)}"])
        self._systemctl("daemon-reload")
        self.host.remove(f"services/{name}")

    def log(self, name: str) -> str:
        # By its identifier: the unit of a user's process is not known to the journal on every kernel.
        words = ["journalctl", "--identifier", f"sluicegate-{name}", "--lines", str(SHOWN_LINES), "--output", "cat"]
        return self.host.run([*self._as_user, *words, "--no-pager"]).text.strip()

    @property
    def _as_user(self) -> list[str]:
        """A command over ssh may have no session of its own, which would say where the user's systemd listens."""
        return ["env", f"XDG_RUNTIME_DIR={self.runtime}"]

    def _systemctl(self, *words: str) -> None:
        self._must([*self._as_user, "systemctl", "--user", *words])

    def _must(self, argv: list[str], stdin: bytes | None = None) -> None:
        done = self.host.run(argv, stdin=stdin, timeout=120.0)
        if done.status != 0:
            action = " ".join(word for word in argv if "=" not in word and word != "env")
            raise SluicegateError(f"the host '{self.host.name}': {action[:60]} failed: {done.error_text}")


def _send_script(host: Host, config: Config, folder: str, service: Service) -> str:
    """Put the start script of a service on the host; its path as a unit's ExecStart quotes it."""
    listens, port = place(host, service.name)
    variables = {"HOST": _listens(listens), **config.variables.get(host.name, {}), "PORT": str(port)}
    text = script(service.command, Path(folder) / service.folder, variables)
    with scratch() as temporary:
        (temporary / "start").mkdir(mode=0o700)
        (temporary / "start/start.sh").write_text(text)
        host.send(temporary / "start", f"services/{service.name}")
    start = f"{folder}/services/{service.name}/start.sh"
    return start.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")


def _listens(address: str) -> str:
    """Where a service is to listen that we reach at the address. What a name means there is another thing than here.

    Debian's servers take their own for 127.0.1.1, others do not know it.
    """
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return "0.0.0.0"


def _unit(name: str) -> str:
    return f"sluicegate-{name}.service"


def place(host: Host, component: str) -> tuple[str, int]:
    """Address and port on which the component shall listen."""
    parts = urlsplit(host.address(component))
    return parts.hostname or "", parts.port or 80
