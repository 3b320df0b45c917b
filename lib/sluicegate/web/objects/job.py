"""What is done to jobs: build, enable, poll, wipe, number."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner import scm
from sluicegate.runner.causes import Cause
from sluicegate.runner.items import Item
from sluicegate.runner.jobxml import with_disabled
from sluicegate.runner.parameters import Value
from sluicegate.runner.steps.cleanup import empty as empty_folder
from sluicegate.web import call as calls
from sluicegate.web.call import Call, Refusal, not_found
from sluicegate.web.site import Site

DELAY = re.compile(r"(\d{1,9})(?:sec|s)?")


def answer(site: Site, item: Item, rest: tuple[str, ...]) -> Response:
    """The response of a job's action."""
    if rest == ("build",) and site.call.method == "GET" and site.call.wants_html and item.config.parameters:
        return calls.html(site.pages.parameters(site.call, item)())
    if rest == ("scmPollLog",) or rest == ("scmPollLog", "pollingLog"):
        path = item.folder / "scm-polling.log"
        return calls.text(path.read_bytes() if path.exists() else "Polling has not run yet.\n")
    action = ACTIONS.get("/".join(rest))
    if action is None:
        raise not_found()
    site.must_post()
    return action(site, item)


def _build(site: Site, item: Item) -> Response:
    given = _json_parameters(site.call)
    if item.config.parameters and given is None and site.call.query.get("json") is None:
        raise UsageError("Nothing is submitted: this job has parameters, use buildWithParameters")
    return _trigger(site, item, given or {})


def _build_with(site: Site, item: Item) -> Response:
    if not item.config.parameters:
        raise UsageError(f"{item.name} is not parameterized")
    given: dict[str, Value] = dict(_json_parameters(site.call) or {})
    for one in item.config.parameters:
        if one.kind == "File" and one.name in site.call.uploads:
            raise UsageError(
                f"the file parameter '{one.name}' is not supported here; give the file by URL or repository"
            )
        value = site.call.query.get(one.name, site.call.form.get(one.name))
        if value is not None:
            given[one.name] = value
        elif one.kind == "Boolean" and site.call.form.get("sluicegate-form"):
            given[one.name] = False  # A browser sends nothing for a box that is not ticked.
    return _trigger(site, item, given)


def _json_parameters(call: Call) -> dict[str, Value] | None:
    """The values in the `json` field of Jenkins' own form, None without one."""
    rows = call.json_form().get("parameter")
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        return None
    found: dict[str, Value] = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("name"), str):
            value = row.get("value", "")
            found[row["name"]] = value if isinstance(value, (bool, str)) else str(value)
    return found


def _trigger(site: Site, item: Item, given: dict[str, Value]) -> Response:
    if not item.buildable:
        raise Refusal(409, f"{item.name} is not buildable")
    delay: float | None = None
    if text := site.call.value("delay"):
        found = DELAY.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"Invalid delay '{text}': expected seconds, such as 5sec")
        delay = float(found[1])
    queued = site.runner.trigger(item, (_cause(site, item),), given, delay)
    if site.call.wants_html and site.call.form.get("sluicegate-form"):
        return calls.found(item.path)
    return Response(b"", status_code=201, headers={"location": f"{site.call.base}queue/item/{queued.id}/"})


def _cause(site: Site, item: Item) -> Cause:
    """Who starts it: the login, never a parameter; or the remote host with the job's own token."""
    if site.call.login is not None:
        return Cause(kind="user", user=site.call.login.user)
    given = site.call.query.get("token", "")
    if not item.config.token or not hmac.compare_digest(given.encode("utf-8", "replace"), item.config.token.encode()):
        raise Refusal(403, "anonymous is missing the Job/Build permission")
    return Cause(kind="remote", note="with the job's token")


def _switch(disabled: bool) -> Callable[[Site, Item], Response]:
    def action(site: Site, item: Item) -> Response:
        site.runner.items.update(item, with_disabled(item.text(), disabled))
        if disabled:
            site.runner.queue.cancel_job(item.full_name)
        return calls.found(item.path)

    return action


def _wipe(site: Site, item: Item) -> Response:
    if item.history.running:
        raise UsageError(f"{item.full_name} is building; its workspace is in use")
    empty_folder(site.runner.workspaces.root / item.full_name)
    return calls.found(item.path)


def _polling(site: Site, item: Item) -> Response:
    if scm.read(item.config.scm) is not None:
        site.triggers.poll(item)
    return calls.found(item.path)


def _next_number(site: Site, item: Item) -> Response:
    text = site.call.need("nextBuildNumber")
    if not text.isdigit() or len(text) > 9 or int(text) < item.history.next_number:
        raise UsageError(f"nextBuildNumber must be a number of at least {item.history.next_number}")
    item.history.set_next_number(int(text))
    return calls.found(item.path)


ACTIONS: dict[str, Callable[[Site, Item], Response]] = {
    "build": _build,
    "buildWithParameters": _build_with,
    "enable": _switch(False),
    "disable": _switch(True),
    "doWipeOutWorkspace": _wipe,
    "polling": _polling,
    "nextbuildnumber/submit": _next_number,
}
