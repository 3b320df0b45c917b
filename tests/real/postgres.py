"""A real PostgreSQL in a folder of its own, reached by a socket there; as an ordinary user, whoever calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.needs import needs

PLACES = "/usr/lib/postgresql"
FAST = "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def _program(name: str) -> str:
    """Debian keeps them off PATH, a folder a version."""
    every = sorted(Path(PLACES).glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(every[-1]) if every else shutil.which(name) or name


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a new database `people`."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    needs(initdb, control)
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-pg-"))  # short: a socket's path has at most 107 characters
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"] if os.geteuid() == 0 else []

    def run(*words: str | Path) -> None:
        subprocess.run([*user, *words], check=True, cwd="/", stdout=subprocess.DEVNULL)

    try:
        if user:
            shutil.chown(folder, "nobody", "nogroup")
        run(initdb, "--pgdata", folder / "data", "--auth=trust", "--username=people", "--no-sync", "--no-instructions")
        run(control, "start", "--wait", "--pgdata", folder / "data", "--log", folder / "log", "--options",
            f"{FAST} -k {folder}")  # fmt: skip
        try:
            run(_program("createdb"), "--host", folder, "--username=people", "people")
            yield f"postgresql+psycopg://people@/people?host={folder}"
        finally:
            run(control, "stop", "--mode=immediate", "--pgdata", folder / "data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
