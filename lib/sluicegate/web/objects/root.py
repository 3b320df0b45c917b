"""What the root and folders answer besides their jobs: creation, queue, computers, plugins, users, the hook."""

from __future__ import annotations

import html as escaping
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner import fingerprints, names
from sluicegate.runner.items import NEW_FOLDER, Item
from sluicegate.runner.jobxml import FOLDER
from sluicegate.web import call as calls
from sluicegate.web.answers import answer_api
from sluicegate.web.call import Refusal, not_found
from sluicegate.web.objects import credentials, user
from sluicegate.web.site import Site
from sluicegate.web.things import constant, plain
from sluicegate.web.tree import Thing
from sluicegate.web.views import View

STATIC = Path(__file__).parents[1] / "static"
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PLUGINS = {
    "cloudbees-folder": "Folders",
    "git": "Git",
    "junit": "JUnit",
    "build-timeout": "Build Timeout",
    "timestamper": "Timestamper",
    "credentials": "Credentials",
    "credentials-binding": "Credentials Binding",
    "ws-cleanup": "Workspace Cleanup",
    "parameterized-trigger": "Parameterized Trigger",
    "envinject": "Environment Injector",
}
PLUGIN_VERSION = "9999.1"
NODES = ("(built-in)", "(master)", "Built-In Node", "master")
NO_GROOVY = "This server runs no Groovy: use the remote API, or jenkins-job-builder.\n"
DELETE_ALL = "for(jobinjenkins.model.Jenkins.theInstance.getAllItems()){job.delete();}"


def answer(site: Site, folder: Item | None, rest: tuple[str, ...]) -> Response:
    """The response of the root's or a folder's action."""
    if (posting := POSTING.get(rest)) is not None:
        site.must_post()
        return posting(site, folder)
    if rest == ("checkJobName",):
        return _check_name(site)
    if folder is not None:
        raise not_found()
    for prefix, reader in READING.items():
        if rest[: len(prefix)] == prefix:
            return reader(site, rest[len(prefix) :])
    raise not_found()


# -- creation --
def _create_item(site: Site, folder: Item | None) -> Response:
    call = site.call
    owner = folder.full_name if folder else ""
    # python-jenkins puts the full name into the form and the plain one into the query: the query wins.
    name, mode = call.need("name"), call.value("mode")
    if mode == "copy":
        source = site.runner.items.get(names.resolve(call.need("from"), owner)) or site.runner.items.get(
            call.need("from")
        )
        if source is None:
            raise UsageError(f"No such job: {call.value('from')}")
        item = site.runner.items.create(owner, name, source.text())
        return calls.found(f"{item.path}configure")
    if mode == FOLDER:
        item = site.runner.items.create(owner, name, NEW_FOLDER)
        return calls.found(f"{item.path}configure")
    if mode:
        raise UsageError(f"No such mode: {mode}; post a config.xml")
    names.check(name)
    if not call.body:
        raise UsageError("No mode given, and no config.xml in the body")
    site.runner.items.create(owner, name, call.body)
    return calls.empty()


def _create_view(site: Site, folder: Item | None) -> Response:
    owner = folder.full_name if folder else ""
    name, mode = site.call.need("name"), site.call.value("mode")
    if mode:
        site.views.create(owner, name, site.views.empty(mode, name))
        return calls.found(f"{folder.path if folder else ''}view/{quote(name, safe='')}/configure")
    site.views.create(owner, name, site.call.body)
    return calls.empty()


def answer_view(site: Site, view: View, rest: tuple[str, ...]) -> Response:
    """What is done to a list view."""
    if rest == ("config.xml",) and site.call.method in ("GET", "HEAD"):
        return Response(site.views.text(view), headers={"content-type": "application/xml"})
    site.must_post()
    if rest == ("config.xml",):
        site.views.store(view.folder, view.name, site.call.body)
        return calls.empty()
    if rest == ("doDelete",):
        site.views.delete(view)
        return calls.found(names.path_of(view.folder))
    if rest in (("addJobToView",), ("removeJobFromView",)):
        name = site.call.need("name")
        if site.runner.items.get(names.resolve(name, view.folder)) is None:
            raise UsageError("Query parameter 'name' does not correspond to a known item")
        site.views.include(view, name, rest == ("addJobToView",))
        return calls.empty()
    raise not_found()


def _check_name(site: Site) -> Response:
    try:
        names.check(site.call.value("value"))
    except UsageError as problem:
        return calls.html(f'<div class="error">{escaping.escape(problem.message, quote=False)}</div>')
    return calls.html("<div/>")


# -- queue --
def _queue(site: Site, rest: tuple[str, ...]) -> Response:
    if not rest:
        return site.target(site.pages.queue(site.call))
    if rest[0] == "api":
        return answer_api(site.call, rest, site.api.queue())
    if rest == ("cancelItem",):
        site.must_post()
        return _cancel(site, site.call.need("id"))
    if rest[0] == "item" and len(rest) > 2:
        if rest[2] == "cancelQueue":
            site.must_post()
            return _cancel(site, rest[1])
        item = site.runner.queue.get(int(rest[1])) if rest[1].isdigit() and len(rest[1]) < 12 else None
        if item is None:
            raise not_found()
        return answer_api(site.call, rest[2:], site.api.queue_item(item))
    raise not_found()


def _cancel(site: Site, text: str) -> Response:
    # Jenkins 2 says 204, some clients insist on 302 and others on 200 after it: 302 suits all.
    if not (text.isdigit() and len(text) < 12 and site.runner.queue.cancel(int(text))):
        raise not_found(f"no item {text} waits in the queue")
    return calls.found("queue/")


# -- computers, plugins, labels, fingerprints --
def _computer(site: Site, rest: tuple[str, ...]) -> Response:
    if not rest:
        return site.target(site.pages.jobs(site.call, None))
    if rest[0] == "api":
        return answer_api(site.call, rest, site.api.computers())
    if rest[0] not in NODES:
        raise not_found()
    if rest[1:2] == ("api",):
        return answer_api(site.call, rest[1:], site.api.computer())
    if len(rest) == 1:
        return site.target(site.pages.jobs(site.call, None))
    if rest[1:] in (("toggleOffline",), ("changeOfflineCause",)):
        site.must_post()
        if rest[1] == "toggleOffline":
            site.runner.offline = "" if site.runner.offline else (site.call.value("offlineMessage") or " ")
            site.runner.queue.wake()
        elif site.runner.offline:
            site.runner.offline = site.call.value("offlineMessage") or " "
        return calls.found(f"computer/{quote(rest[0])}/")
    raise not_found()


def _plugins(site: Site, rest: tuple[str, ...]) -> Response:
    rows = [
        plain(
            "",
            active=True,
            bundled=False,
            deleted=False,
            dependencies=[],
            enabled=True,
            hasUpdate=False,
            longName=f"{title} (understood by this server)",
            pinned=False,
            shortName=name,
            url=None,
            version=PLUGIN_VERSION,
        )
        for name, title in PLUGINS.items()
    ]
    return answer_api(site.call, rest, Thing(cls="hudson.LocalPluginManager", fields={"plugins": constant(rows)}))


def _label(site: Site, rest: tuple[str, ...]) -> Response:
    busy = sum(one is not None for one in site.runner.executors)
    label = plain(
        "hudson.model.labels.LabelAtom",
        busyExecutors=busy,
        description=None,
        idleExecutors=len(site.runner.executors) - busy,
        name=rest[0] if rest else "",
        nodes=[{"_class": "hudson.model.Hudson", "nodeName": ""}],
        offline=bool(site.runner.offline),
        totalExecutors=len(site.runner.executors),
    )
    return answer_api(site.call, rest[1:], label)


def _fingerprint(site: Site, rest: tuple[str, ...]) -> Response:
    found = fingerprints.read(site.runner.home.path, rest[0]) if rest else None
    if found is None:
        raise not_found()
    return answer_api(site.call, rest[1:], site.api.fingerprint(found))


# -- small ones --
def _pause(paused: bool) -> Callable[[Site, Item | None], Response]:
    def action(site: Site, folder: Item | None) -> Response:
        site.must_be_admin()
        site.runner.queue.pause(paused)
        return calls.found("")

    return action


def _script(site: Site, folder: Item | None) -> Response:
    """No Groovy, but for the one text of `jenkins-jobs delete-all`, which is matched and done without it."""
    text = re.sub(r"\s+", "", site.call.value("script"))
    if not text.startswith(DELETE_ALL):
        return calls.text(NO_GROOVY, 403)
    site.must_be_admin()
    for item in site.runner.items.children(""):
        site.runner.delete(item)
    return calls.text(")]}.")


def _notify(site: Site, rest: tuple[str, ...]) -> Response:
    """git/notifyCommit: polls the jobs of a repository. Open to hooks without login, which learn no job names."""
    if rest:
        raise not_found()
    found = site.triggers.notify(site.call.need("url"))
    if site.call.login is None:
        return calls.text("Scheduled polling\n" if found else "No jobs of this repository\n")
    return calls.text("".join(f"Scheduled polling of {name}\n" for name in found) or "No jobs of this repository\n")


def _static(site: Site, rest: tuple[str, ...]) -> Response:
    path = STATIC / "/".join(rest)
    if len(rest) != 1 or path.suffix not in STATIC_TYPES or not path.is_file():
        raise not_found()
    kind = STATIC_TYPES[path.suffix]
    return Response(
        path.read_bytes(), headers={"content-type": f"{kind};charset=utf-8", "cache-control": "max-age=3600"}
    )


def _forbidden(site: Site, rest: tuple[str, ...]) -> Response:
    site.must_post()
    raise Refusal(403, "This is left to who operates the server: stop and start the process")


POSTING: dict[tuple[str, ...], Callable[[Site, Item | None], Response]] = {
    ("createItem",): _create_item,
    ("createView",): _create_view,
    ("quietDown",): _pause(True),
    ("cancelQuietDown",): _pause(False),
    ("scriptText",): _script,
}
READING: dict[tuple[str, ...], Callable[[Site, tuple[str, ...]], Response]] = {
    ("queue",): _queue,
    ("computer",): _computer,
    ("pluginManager",): _plugins,
    ("label",): _label,
    ("fingerprint",): _fingerprint,
    ("git", "notifyCommit"): _notify,
    ("static",): _static,
    ("crumbIssuer",): user.crumb,
    ("login",): user.login,
    ("logout",): user.logout,
    ("me",): user.me,
    ("whoAmI",): user.me,
    ("user",): user.user,
    ("manage", "credentials"): credentials.answer,
    ("credentials",): credentials.answer,
    ("restart",): _forbidden,
    ("safeRestart",): _forbidden,
    ("exit",): _forbidden,
    ("safeExit",): _forbidden,
    ("reload",): _forbidden,
}
