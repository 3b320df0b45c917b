"""Processes of their own that begin at once: forked from one that has read our code already, which takes 0.5 s."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "tests.worlds"])


def begin(work: Callable[..., object], *words: Any, **env: str) -> ForkServerProcess:
    """Call a function of a module in a process that leads a group of its own; it ends with 1 where the call raises."""
    process = FORKS.Process(target=_lead, args=(work, words, {**os.environ, **env}), daemon=True)
    process.start()
    return process


def _lead(work: Callable[..., object], words: tuple[Any, ...], env: dict[str, str]) -> None:
    os.setsid()
    os.environ.clear()
    os.environ |= env  # the one that is forked keeps what was set when it began
    work(*words)
