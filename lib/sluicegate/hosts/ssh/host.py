"""Host driver `ssh`: a machine that OpenSSH's client reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import IO

from sluicegate.hosts import places
from sluicegate.hosts.remote import RemoteHost
from sluicegate.hosts.ssh.connection import Connection, Destination
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.tools.process import Completed

ADDRESS = r"[A-Za-z0-9_:][A-Za-z0-9._:%-]*"
EXAMPLES = {"address": "app1.example.com", "user": "deploy", "jump": "bastion.example.com"}
USER = r"[A-Za-z0-9_][A-Za-z0-9._@-]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshHost(RemoteHost):
    """Components below `folder` of the user that logs in there."""

    connection: Connection = field(compare=False)

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> SshHost:
        """Read `address`, `user`, `port`, `jump`, `folder` and `ports`."""
        settings.only("address", "user", "port", "jump", "folder", "ports")
        address = _word(settings, "address", ADDRESS, name)
        folder = settings.text("folder", "sluicegate")
        if not folder.strip() or folder.startswith("-") or "\0" in folder:
            raise settings.fail(f"'folder' of the host '{name}' is '{folder}', expected a path", "folder")
        port = settings.number("port", 0)
        if port > 65535:
            raise settings.fail(f"'port' is {port}, expected 1 to 65535", "port")
        destination = Destination(
            name=name, address=address, user=_word(settings, "user", USER, ""), port=port,
            jump=_word(settings, "jump", rf"({USER}@)?{ADDRESS}", ""),
        )  # fmt: skip
        return cls(
            name=name, folder=folder, reached_at=address, ports=places.read_ports(settings), where=settings.where,
            connection=Connection(destination),
        )  # fmt: skip

    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        return self.connection.run(line, stdin, timeout)


def _word(settings: Settings, key: str, form: str, default: str) -> str:
    """A word of ssh's command line: nothing that ssh or a shell could take for something else."""
    value = settings.text(key, default)
    if value and not re.fullmatch(form, value):
        raise settings.fail(f"'{key}' is '{value}', expected a plain name such as '{EXAMPLES[key]}'")
    return value
