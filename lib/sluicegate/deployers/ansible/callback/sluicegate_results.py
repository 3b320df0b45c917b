"""Callback plugin of Ansible: what became of each task on each host, a JSON object a line, as it happens.

The lines go to the file that SLUICEGATE_RESULTS names. Nothing is kept of a task's result but why it failed, and the
fact `sluicegate_installed`; of a task with `no_log` not even that.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: sluicegate_results
    type: notification
    short_description: Results per host for sluicegate
    description:
        - Writes what became of each task on each host to the file that SLUICEGATE_RESULTS names.
"""
FACT = "sluicegate_installed"
LONGEST = 2000


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "sluicegate_results"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        path = os.environ.get("SLUICEGATE_RESULTS", "")
        self.disabled = not path
        self.lines = open(path, "a", encoding="utf-8") if path else None  # noqa: SIM115

    def v2_runner_on_ok(self, result: Any) -> None:
        facts = _of(result).get("ansible_facts") or {}
        if FACT in facts:
            self.note("ok", result, installed=facts[FACT])
        else:
            self.note("ok", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self.note("skipped", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self.note("failed", result, why=_why(_of(result)))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self.note("unreachable", result, why=_why(_of(result)))

    def note(self, what: str, result: Any, **more: Any) -> None:
        host, task = getattr(result, "host", None) or result._host, getattr(result, "task", None) or result._task
        line = {"what": what, "host": host.get_name(), "task": task.get_name(), **more}
        if self.lines is not None:
            self.lines.write(json.dumps(line, default=str) + "\n")
            self.lines.flush()


def _of(result: Any) -> dict[str, Any]:
    answer = getattr(result, "result", None)
    return dict(answer if answer is not None else result._result)


def _why(answer: dict[str, Any]) -> str:
    """The task's own words: of a loop those of the items that failed."""
    if "censored" in answer or answer.get("_ansible_no_log"):
        return "its output is hidden (no_log)"
    items = [item for item in answer.get("results") or () if isinstance(item, dict) and item.get("failed")]
    if items:
        return "; ".join(dict.fromkeys(_why(item) for item in items))[:LONGEST]
    modules = [failure for failure in (answer.get("failed_modules") or {}).values() if isinstance(failure, dict)]
    if modules:  # of gathering facts
        return "; ".join(dict.fromkeys(_why(failure) for failure in modules))[:LONGEST]
    parts = [str(answer[key]).strip() for key in ("msg", "stderr", "module_stderr") if answer.get(key)]
    return ": ".join(dict.fromkeys(parts))[:LONGEST] or "it said nothing"
