"""Jobs: their builds, parameters and health, and what is done to them: build, enable, poll, wipe, number."""

from __future__ import annotations

import hmac
import io
import re
from collections.abc import Callable

from starlette.responses import Response

from sluicegate.errors import Conflict, UsageError
from sluicegate.model.numbers import whole
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.history import PERMALINKS
from sluicegate.runner.item import Item
from sluicegate.runner.parameters import Definition, Given, Upload
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.rights import Right
from sluicegate.runner.scm import reading
from sluicegate.runner.scm.reading import NONE
from sluicegate.tools import beneath
from sluicegate.web import call as calls
from sluicegate.web.call import Refusal, not_found
from sluicegate.web.kind import Kind, Path, always, plain
from sluicegate.web.objects import item as items
from sluicegate.web.objects import queue
from sluicegate.web.site import Site

MANY = 100
BUILDS_SHOWN = 50
DELAY = re.compile(r"([0-9]{1,9})(?:sec|s)?")


# -- fields --
def _link(name: str) -> Callable[[Site, Item], Record | None]:
    return lambda site, item: item.history.resolve(name)


def _named(site: Site, full_names: list[str]) -> list[Item]:
    return site.seen(item for name in full_names if (item := site.runner.items.get(name)) is not None)


def _scm(site: Site, item: Item) -> object:
    element = item.config.scm
    return plain(element.get("class", NONE) if element is not None else NONE)


def _first(site: Site, item: Item) -> Record | None:
    numbers = item.history.numbers()
    return item.history.get(numbers[0]) if numbers else None


def _health(site: Site, item: Item) -> list[object]:
    ended = [record for record in item.history.newest(5) if record.result is not None]
    if not ended:
        return []
    failed = sum(record.result is Result.FAILURE for record in ended)
    score = 100 - 100 * failed // len(ended)
    text = f"{failed} out of the last {len(ended)} builds failed." if failed else "No recent builds failed."
    band = 80 if score > 80 else 60 if score > 60 else 40 if score > 40 else 20 if score > 20 else 0
    icon = f"health-{band:02d}{'plus' if band >= 80 else 'to' + str(band + 19)}"
    more = {"iconClassName": f"icon-{icon}", "iconUrl": f"{icon}.png", "score": score}
    return [plain("hudson.model.HealthReport", description=f"Build stability: {text}", **more)]


def _properties(site: Site, item: Item) -> list[object]:
    declared = [_definition(definition) for definition in site.runner.offered(item)]
    return [plain("hudson.model.ParametersDefinitionProperty", parameterDefinitions=declared)] if declared else []


def _definition(definition: Definition) -> object:
    default: object = None
    if definition.kind != "File":
        shown = {} if definition.kind == "Password" else {"value": definition.default}
        default = plain(definition.value_class, name=definition.name, **shown)
    kind = f"{definition.kind}ParameterDefinition"
    more = {"choices": list(definition.choices)} if definition.kind == "Choice" else {}
    return plain(
        f"hudson.model.{kind}",
        defaultParameterValue=default,
        description=definition.description,
        name=definition.name,
        type=kind,
        **more,
    )


def _waiting(site: Site, item: Item) -> object:
    waiting = site.runner.queue.of_job(item.full_name)
    return queue.seen(site, waiting[0]) if waiting else None


# -- pages and logs --
def _page(site: Site, item: Item) -> Response:
    def page() -> str:
        builds = item.history.newest(BUILDS_SHOWN)
        waiting = [(queued, queue.why(site, queued)[1]) for queued in site.runner.queue.of_job(item.full_name)]
        parameters = site.runner.offered(item)
        return site.show("job.html", item=item, parameters=parameters, builds=builds, waiting=waiting)

    return site.target(page)


def _form(site: Site, item: Item) -> Response:
    """`build` in a browser: the form for the parameters. To anybody else a GET of an action is refused."""
    declared = site.runner.offered(item)
    if not (site.call.method == "GET" and site.call.wants_html and declared):
        raise Refusal(405, "Method Not Allowed", headers={"Allow": "POST"})
    return calls.html(site.show("parameters.html", item=item, parameters=declared))


def _polling_log(site: Site, item: Item) -> Response:
    place = item.folder / "scm-polling.log"
    try:
        with beneath.reading(place):
            return calls.text(beneath.read(place))
    except FileNotFoundError:
        return calls.text("Polling has not run yet.\n")


def _below(site: Site, item: Item, rest: Path) -> tuple[object, Path] | None:
    """A build by number or permalink."""
    if whole(rest[0]) is None and not rest[0].endswith("Build"):
        return None
    record = item.history.resolve(rest[0])
    if record is None:
        raise not_found()
    return record, rest[1:]


# -- actions --
def _build(site: Site, item: Item) -> Response:
    cause = _cause(site, item)
    values = _json_parameters(site)
    if definitions(item.config) and values is None and site.call.query.get("json") is None:
        raise UsageError("Nothing is submitted: this job has parameters, use buildWithParameters")
    return _trigger(site, item, cause, values or {})


def _build_with(site: Site, item: Item) -> Response:
    cause = _cause(site, item)
    declared = definitions(item.config)
    if not declared:
        raise UsageError(f"{item.name} is not parameterized")
    values: dict[str, Given] = dict(_json_parameters(site) or {})
    for definition in declared:
        if definition.kind == "File" and definition.name in site.call.uploads:
            values[definition.name] = _kept(site, definition.name)
            continue
        value = site.call.query.get(definition.name, site.call.form.get(definition.name))
        if value is not None:
            values[definition.name] = value
        elif definition.kind == "Boolean" and site.call.form.get("sluicegate-form"):
            values[definition.name] = False  # A browser sends nothing for a box that is not ticked.
    return _trigger(site, item, cause, values, merged=303)


def _kept(site: Site, part: str) -> Upload:
    """The file in a part of the body."""
    name, content = site.call.uploads[part]
    return site.runner.keep(io.BytesIO(content), name)


def _json_parameters(site: Site) -> dict[str, Given] | None:
    """The values in the `json` field of Jenkins' own form, None without one; `file` names the part with a file."""
    rows = site.call.json_form().get("parameter")
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        return None
    values: dict[str, Given] = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("name"), str):
            if row.get("file") in site.call.uploads:
                values[row["name"]] = _kept(site, row["file"])
                continue
            value = row.get("value", "")
            values[row["name"]] = value if isinstance(value, (bool, str)) else str(value)
    return values


def _trigger(site: Site, item: Item, cause: Cause, values: dict[str, Given], merged: int = 201) -> Response:
    """Queue a build; the status is `merged` where it waited already, as of ParametersDefinitionProperty."""
    if not item.buildable:
        raise Refusal(409, f"{item.name} is not buildable")
    delay: float | None = None
    if text := site.call.value("delay"):
        seconds = DELAY.fullmatch(text.strip())
        if seconds is None:
            raise UsageError(f"Invalid delay '{text}': expected seconds, such as 5sec")
        delay = float(seconds[1])
    queued = site.runner.trigger(item, (cause,), values, delay)
    if site.call.wants_html and site.call.form.get("sluicegate-form"):
        return calls.redirect(item.path)
    status = merged if len(queued.causes) > 1 else 201
    return Response(b"", status_code=status, headers={"location": queue.address(site, queued)})


def _cause(site: Site, item: Item) -> Cause:
    """Who starts it: the login, never a parameter. Who may only read needs the job's own token (<authToken>)."""
    query_token, token = site.call.query.get("token", ""), item.config.token
    fits = bool(token) and hmac.compare_digest(query_token.encode("utf-8", "replace"), token.encode("utf-8", "replace"))
    if fits and site.call.login is None:
        return Cause(kind="remote", note=f"{site.call.address or 'unknown'} with the job's token")
    if not fits:
        site.must(Right.BUILD, item.full_name)
    return Cause(kind="user", user=site.call.user)


def _switch(disabled: bool) -> Callable[[Site, Item], Response]:
    def action(site: Site, item: Item) -> Response:
        site.runner.items.switch(item, disabled)
        if disabled:
            site.runner.queue.cancel_job(item.full_name)
        return calls.redirect(item.path)

    return action


def _wipe(site: Site, item: Item) -> Response:
    if item.history.running:
        raise Conflict(f"{item.full_name} is building; its workspace is in use")
    beneath.empty(site.runner.workspaces.root / item.full_name)
    return calls.redirect(item.path)


def _poll(site: Site, item: Item) -> Response:
    if reading.read(item.config.scm).gits:
        site.triggers.poll(item)
    return calls.redirect(item.path)


def _next_number(site: Site, item: Item) -> Response:
    number = whole(site.call.need("nextBuildNumber"), least=item.history.next_number, most=999_999_999)
    if number is None:
        raise UsageError(f"nextBuildNumber must be a number of at least {item.history.next_number}")
    item.history.set_next_number(number)
    return calls.redirect(item.path)


KIND: Kind[Item] = Kind(
    cls=lambda site, item: item.config.job_class,
    fields={
        **items.FIELDS,
        "allBuilds": lambda site, item: item.history.newest(),
        "buildable": lambda site, item: item.buildable,
        "builds": lambda site, item: item.history.newest(MANY),
        "color": lambda site, item: item.color,
        "firstBuild": _first,
        "healthReport": _health,
        "inQueue": lambda site, item: bool(site.runner.queue.of_job(item.full_name)),
        "keepDependencies": always(False),
        "lastBuild": lambda site, item: item.history.last(),
        **{name: _link(name) for name in PERMALINKS},
        "nextBuildNumber": lambda site, item: item.history.next_number,
        "property": _properties,
        "queueItem": _waiting,
        "concurrentBuild": lambda site, item: item.config.concurrent,
        "disabled": lambda site, item: item.config.disabled,
        "downstreamProjects": lambda site, item: _named(site, [c.name for c in site.runner.items.downstream(item)]),
        "labelExpression": always(None),
        "scm": _scm,
        "upstreamProjects": lambda site, item: _named(site, site.runner.items.upstream(item)),
    },
    brief=("name", "url", "color"),
    hidden=("allBuilds",),
    reads={
        **items.READS,
        "": _page,
        "configure": _page,
        "build": _form,
        "scmPollLog": _polling_log,
        "scmPollLog/pollingLog": _polling_log,
    },
    posts={
        **items.POSTS,
        "build": _build,
        "buildWithParameters": _build_with,
        "enable": _switch(False),
        "disable": _switch(True),
        "doWipeOutWorkspace": _wipe,
        "polling": _poll,
        "nextbuildnumber/submit": _next_number,
    },
    rights={
        **items.RIGHTS,
        "build": Right.READ,  # with the job's token; the action looks
        "buildWithParameters": Right.READ,
        "enable": Right.CONFIGURE,
        "disable": Right.CONFIGURE,
        "nextbuildnumber/submit": Right.CONFIGURE,
        "doWipeOutWorkspace": Right.BUILD,
        "polling": Right.BUILD,
    },
    below=_below,
)
