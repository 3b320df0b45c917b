"""Host driver `local`: a folder of this machine, with services kept by a supervisord of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sluicegate.errors import Malformed, NotFound, RemoteUnavailable
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.model.values import Service
from sluicegate.tools import door, files
from sluicegate.tools.supervisor import Supervisor, script


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHost:
    """Components below `folder`, each service on the port of its component. A missing folder is a host that is down."""

    name: str
    folder: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str] = field(default_factory=dict)
    listens: str = "127.0.0.1"
    where: str = ""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> LocalHost:
        """Read `folder`, `ports`, `environment` and `address`."""
        settings.only("folder", "ports", "environment", "address")
        folder = Path(settings.text("folder"))
        if not folder.is_absolute():
            raise settings.fail(f"'folder' of the host '{name}' is '{folder}', expected an absolute path")
        below = settings.below("ports")
        ports = {component: below.number(component) for component in below.values}
        for component, port in ports.items():
            if not 0 < port < 65536:
                raise settings.fail(f"the port of '{component}' is {port}, expected 1 to 65535")
        environment = settings.mapping("environment")
        for variable, value in environment.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable) or "\0" in value:
                raise settings.fail(f"'{variable}' cannot be an environment variable: letters, digits and '_' can")
        address = settings.text("address", "127.0.0.1")
        return cls(
            name=name, folder=folder, ports=ports, environment=environment, listens=address, where=settings.where
        )

    def read(self, path: str) -> bytes | None:
        place = self._place(path)
        door.passing(f"read {path}")
        with self._up():
            try:
                return place.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def send(self, folder: Path, to: str) -> None:
        """Copy a folder to the host; an empty one takes away what was there, as Git knows no empty folders."""
        place = self._place(to)
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder} to send")
        with self._up():
            files.put_folder(folder, place)

    def link(self, path: str, target: str) -> None:
        """Both relative to the host's folder; the link itself is relative, so that the folder can be moved."""
        place, goal = self._place(path), self._place(target)
        with self._up():
            place.parent.mkdir(parents=True, exist_ok=True)
            files.point_link(place, os.path.relpath(goal, place.parent))

    def restart(self, service: Service) -> None:
        port = self._port(service.name)
        environment = {**self.environment, "PORT": str(port), "HOST": self.listens}
        text = script(service.command, self._place(service.folder), environment)
        with self._up():
            self._supervisor.restart(service.name, text, self.listens, port)

    def stop(self, name: str) -> None:
        with self._up():
            self._supervisor.stop(name)

    def address(self, component: str) -> str:
        listens = f"[{self.listens}]" if ":" in self.listens else self.listens
        return f"http://{listens}:{self._port(component)}"

    def shutdown(self) -> None:
        """End all services and their supervisord, and wait until they are gone; the files stay."""
        self._supervisor.shutdown()

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self.folder)

    def _port(self, component: str) -> int:
        if component not in self.ports:
            raise NotFound(
                f"the host '{self.name}' has no port for '{component}'",
                hint=f"add it at {self.where or 'the host'}: ports: {{{component}: 8101}}",
            )
        return self.ports[component]

    def _place(self, path: str) -> Path:
        parts = PurePosixPath(path)
        if not path or parts.is_absolute() or ".." in parts.parts or not parts.parts or "\0" in path:
            raise Malformed(f"'{path}' is not a path below a host's folder", hint="correct the name or the version")
        return self.folder / parts

    @contextmanager
    def _up(self) -> Iterator[None]:
        """Raise RemoteUnavailable when the folder is missing or refuses."""
        try:
            if not self.folder.is_dir():
                raise RemoteUnavailable(
                    f"the host '{self.name}' is down: there is no folder {self.folder}",
                    hint="make the folder, or mount it; then try again",
                )
            yield
        except OSError as problem:
            raise RemoteUnavailable(
                f"the host '{self.name}' is down: {problem.filename or self.folder}: {problem.strerror or problem}",
                hint="check rights and free space",
            ) from problem
