"""What keeps the services of an archive running on a host: the supervisor on this machine's own hosts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.model.config import Config
from sluicegate.model.values import Service
from sluicegate.ports import Host
from sluicegate.tools.supervisor import Supervisor, script


class Keeper(Protocol):
    """Keeps services running, whatever becomes of the command that started them."""

    def restart(self, service: Service) -> None:
        """Start the service, or replace the running one. Raises SluicegateError with its last lines when it ends."""

    def stop(self, name: str) -> None:
        """Stop the service and forget it; nothing happens when there is none."""


def keeper(host: Host, config: Config) -> Keeper:
    """The keeper of a host's services. Raises RemoteUnavailable for a host that is down."""
    if config.hosts[host.name].driver != "local":
        raise UsageError(
            f"the host '{host.name}' has no keeper of services", hint="deploy archives to hosts with 'driver: local'"
        )
    return SupervisorKeeper.of(host, config)


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

    def shutdown(self) -> None:
        """End all services and their supervisord, and wait until they are gone; the files stay."""
        Supervisor(self.folder).shutdown()

    def _broken(self, problem: OSError) -> SluicegateError:
        return SluicegateError(
            f"the host '{self.host.name}': {problem.filename or self.folder}: {problem.strerror or problem}",
            hint="check rights and free space there",
        )


def place(host: Host, component: str) -> tuple[str, int]:
    """Address and port on which the component shall listen."""
    parts = urlsplit(host.address(component))
    return parts.hostname or "", parts.port or 80
