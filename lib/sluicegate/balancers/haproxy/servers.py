"""The `server` lines of an haproxy.cfg: which hosts take new users. Nothing else in the file is touched.

`weight 0` takes no new users, `disabled` nobody; a weight that was taken away is kept in a comment behind the line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sluicegate.model import numbers
from sluicegate.model.serving import Standing

USUAL = 100  # the weight where a line names none
KEPT = re.compile(r"\s*# weight ([0-9]{1,3})\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One `server` line; `weight` is what it has while it is ready."""

    backend: str
    host: str
    standing: Standing
    weight: int


def read_servers(text: str, backends: Collection[str]) -> list[Server]:
    """The servers of these backends, in the file's order."""
    servers = []
    for _, backend, line in _server_lines(text, backends):
        words, weight = _split(line)
        off = "disabled" in words
        drained = _weight_word(words) == "0"
        standing: Standing = "out" if off else "drain" if drained else "ready"
        servers.append(Server(backend=backend, host=words[1], standing=standing, weight=weight))
    return servers


def edited(text: str, backends: Collection[str], hosts: Collection[str], to: Standing) -> str:
    """The file in which these hosts stand so."""
    lines = text.split("\n")
    for number, _, line in _server_lines(text, backends):
        words, weight = _split(line)
        if words[1] in hosts:
            lines[number] = _line(line, words, weight, to)
    return "\n".join(lines)


def _line(line: str, words: list[str], weight: int, to: Standing) -> str:
    """The line with other words at the end: its order means nothing to HAProxy."""
    position = words.index("weight") if "weight" in words else -1
    kept = [
        word
        for at, word in enumerate(words)
        if word != "disabled" and (position < 0 or at not in (position, position + 1))
    ]
    kept += ["weight", str(weight if to == "ready" else 0)] + ["disabled"] * (to == "out")
    indent = line[: len(line) - len(line.lstrip())]
    return indent + " ".join(kept) + (f"  # weight {weight}" if to != "ready" else "")


def _server_lines(text: str, backends: Collection[str]) -> list[tuple[int, str, str]]:
    """Number, backend and text of each line that names a server of these backends."""
    server_lines, backend = [], ""
    for number, line in enumerate(text.split("\n")):
        words = line.split()
        if line[:1].strip() and words and words[0] in ("backend", "frontend", "listen", "defaults", "global"):
            backend = words[1] if words[0] == "backend" and len(words) > 1 else ""
        elif backend in backends and len(words) > 2 and words[0] == "server":
            server_lines.append((number, backend, line))
    return server_lines


def _split(line: str) -> tuple[list[str], int]:
    """The words of a server's line, and the weight that it has while it is ready."""
    kept = KEPT.search(line)
    words = re.sub(r"\s#.*", "", line).split()
    weight = kept[1] if kept else _weight_word(words)
    return words, numbers.whole(weight, most=256) or USUAL


def _weight_word(words: list[str]) -> str:
    return words[words.index("weight") + 1] if "weight" in words[:-1] else str(USUAL)
