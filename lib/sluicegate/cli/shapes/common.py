"""What a command without a shape of its own answers, and how errors are told."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Error(TypedDict):
    """What failed; `reasons` has each one of a gate's refusal."""

    message: str
    reasons: list[str]
    hint: str


class Answer(TypedDict):
    """Of every command that has no shape of its own, and of every command that fails.

    `lines` is what the command prints without `--json`.
    """

    command: str
    exit_code: int
    lines: list[str]
    error: NotRequired[Error]
