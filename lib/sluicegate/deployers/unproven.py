"""Components of a host that were changed and have not answered since: a folder of marks on the host itself.

Where the host gets its files by itself nothing else tells a version that failed, or was broken off, from one that runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from sluicegate.errors import SluicegateError
from sluicegate.ports import Host

FOLDER = "unproven"


def marked(host: Host) -> tuple[str, ...]:
    return tuple(host.run(["ls", "-1", FOLDER]).text.split())


def mark(host: Host, components: Iterable[str]) -> None:
    _change(host, f'mkdir -p {FOLDER} && cd {FOLDER} && touch -- "$@"', components, "check rights and space")


def unmark(host: Host, components: Iterable[str]) -> None:
    _change(host, f'cd {FOLDER} && rm -f -- "$@"', components, "check rights there")


def _change(host: Host, script: str, components: Iterable[str], hint: str) -> None:
    done = host.run(["sh", "-c", script, "sh", *components])
    if done.status != 0:
        raise SluicegateError(f"the host '{host.name}': {FOLDER}: {done.error_text}", hint=hint)
