"""Real servers for tests: those that the environment names, else what tests/real/up starts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sluicegate.model.settings import Plain
from sluicegate.repositories.nexus import NexusRepository
from sluicegate.tools.credentials import Credentials
from sluicegate.tools.server import Server
from tests.parts import CONFIG, settings

UP = Path(__file__).with_name("up")
CALLER = dict(os.environ)
"""The environment before tests get a home of their own: servers live in the caller's cache, one for all runs."""
VARIABLES = ("SLUICEGATE_NEXUS_URL", "SLUICEGATE_NEXUS_NETRC")


@dataclass
class Nexus:
    """A running Nexus and its administrator's netrc."""

    url: str
    netrc: str
    created: list[str] = field(default_factory=list)

    def server(self, url: str = "") -> Server:
        credentials = Credentials(kind="netrc", file=self.netrc)
        return Server(url or self.url, lambda: credentials.login(self.url))

    def create(self, format_: str, policy: str = "ALLOW_ONCE", versions: str = "RELEASE") -> str:
        """A new hosted repository of any format that the server has; gone after the test."""
        name = f"test-{secrets.token_hex(6)}"
        value: dict[str, object] = {
            "name": name,
            "online": True,
            "storage": {"blobStoreName": "default", "strictContentTypeValidation": False, "writePolicy": policy},
        }
        if format_ == "maven2":
            value["maven"] = {"versionPolicy": versions, "layoutPolicy": "PERMISSIVE"}
        kind = "maven" if format_ == "maven2" else format_
        reply = self.server().ask(
            "POST", f"/service/rest/v1/repositories/{kind}/hosted", body=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert reply.status == 201, reply.explanation
        self.created.append(name)
        return name

    def repository(self, name: str, format_: str, url: str = "", **more: Plain) -> Any:
        values: dict[str, Plain] = {"url": url or self.url, "repository": name, "format": format_}
        return NexusRepository.configure(
            "releases", settings(**values, credentials={"netrc": self.netrc}, **more), CONFIG
        )  # fmt: skip


def _started() -> tuple[str, ...]:
    """URL and netrc of a Nexus that is started now. Skips where that cannot be, but never in CI."""
    missing = [tool for tool in ("java", "mvn", "unzip", "curl", "gpg") if not shutil.which(tool)]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"a real Nexus needs {', '.join(missing)}; see tests/real/up")
    started = subprocess.run([UP, "nexus"], stdout=subprocess.PIPE, check=True, text=True, timeout=900, env=CALLER)
    lines = Path(started.stdout.split()[-1]).read_text().splitlines()
    values = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    return tuple(values[name] for name in VARIABLES)


@contextmanager
def running_nexus() -> Iterator[tuple[str, ...]]:
    """URL and netrc: of the one that the environment names, else of one that is stopped at the end."""
    if all(os.environ.get(name) for name in VARIABLES):
        yield tuple(os.environ[name] for name in VARIABLES)
        return
    yield _started()
    subprocess.run([UP.with_name("down"), "nexus"], check=True, timeout=120, env=CALLER)


@contextmanager
def borrowed(place: tuple[str, ...]) -> Iterator[Nexus]:
    """The Nexus at this place; what is made there is gone afterwards."""
    nexus = Nexus(*place)
    yield nexus
    for name in nexus.created:
        nexus.server().ask("DELETE", f"/service/rest/v1/repositories/{name}")
