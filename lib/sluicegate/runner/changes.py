"""Whether anything changed in a job or its builds: what was made of them stays right while `mark` is the same."""

from __future__ import annotations


class Changes:
    """Of all homes of the process. Who changes something notes it afterwards, before anybody is told."""

    def __init__(self) -> None:
        self.mark = object()

    def note(self) -> None:
        self.mark = object()


CHANGES = Changes()
