"""Waits for descriptors, whatever their numbers: `select` refuses those from 1024 on, which a busy server has."""

from __future__ import annotations

import select
from math import ceil

LONGEST = 2**31 - 1
"""Milliseconds that the system takes."""


def readable(descriptor: int, seconds: float) -> bool:
    """Whether something can be read from it, or its end was reached, within so many seconds."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(min(ceil(max(0.0, seconds) * 1000), LONGEST)))
