"""The root: the items at the top, everything else that hangs there, and what concerns the whole server."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner import fingerprints
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements import catalogue
from sluicegate.runner.item import Item
from sluicegate.runner.rights import Right
from sluicegate.runner.scm import history
from sluicegate.runner.service import Runner
from sluicegate.web import call as calls
from sluicegate.web.call import Refusal, not_found
from sluicegate.web.kind import Kind, Path, always, plain
from sluicegate.web.objects import computer, credentials, folder, settings, static, user
from sluicegate.web.objects import view as views
from sluicegate.web.site import Site

PLUGIN_VERSION = "9999.1"
NO_GROOVY = "This server runs no Groovy: use the remote API, or jenkins-job-builder.\n"
DELETE_ALL = "for(jobinjenkins.model.Jenkins.theInstance.getAllItems()){job.delete();}"


# -- what hangs at the root --
def _below(site: Site, runner: Runner, rest: Path) -> tuple[object, Path] | None:
    step = BELOW.get(rest[0])
    return step(site, rest[1:]) if step is not None else folder.container(site, runner, "", rest)


def _user(site: Site, rest: Path) -> tuple[object, Path]:
    # Who may see nothing at all learns of nobody but himself.
    if not rest or not (rest[0] == site.call.user or site.sees("")) or not site.runner.users.exists(rest[0]):
        raise not_found()
    return user.User(name=rest[0]), rest[1:]


def _me(site: Site, rest: Path) -> tuple[object, Path]:
    return user.User(name=site.call.user), rest


def _label(site: Site, rest: Path) -> tuple[object, Path]:
    return computer.label(site, rest[0] if rest else ""), rest[1:]


def _fingerprint(site: Site, rest: Path) -> tuple[object, Path]:
    fingerprint = fingerprints.read(site.runner.home.path, rest[0]) if rest else None
    if fingerprint is None or not (site.may(Right.READ) or any(map(site.sees, fingerprint.jobs))):
        raise not_found()
    return fingerprint, rest[1:]


def _plugins(site: Site, rest: Path) -> tuple[object, Path]:
    rows = [
        plain(
            "",
            active=True,
            bundled=False,
            deleted=False,
            dependencies=[],
            enabled=True,
            hasUpdate=False,
            longName=f"{name} (understood by this server)",
            pinned=False,
            shortName=name,
            url=None,
            version=PLUGIN_VERSION,
        )
        for name in catalogue.plugins()
    ]
    return plain("hudson.LocalPluginManager", plugins=rows), rest


def _manage(site: Site, rest: Path) -> tuple[object, Path]:
    if rest[:1] == ("settings",):
        return settings.at(site, rest[1:])
    if rest[:1] != ("credentials",):
        raise not_found()
    return credentials.store(site, rest[1:])


def _delivery(site: Site, rest: Path) -> tuple[object, Path]:
    if site.delivery is None:
        raise not_found("this server shows no delivery repository; start it with --delivery")
    site.must(Right.READ)  # it tells of all components, whatever folders their jobs are in
    return site.delivery, rest


def _static(site: Site, rest: Path) -> tuple[object, Path]:
    if len(rest) != 1:
        raise not_found()
    return static.Asset(name=rest[0]), ()


BELOW: dict[str, Callable[[Site, Path], tuple[object, Path]]] = {
    "queue": lambda site, rest: (site.runner.queue, rest),
    "computer": lambda site, rest: (computer.Nodes(), rest),
    "pluginManager": _plugins,
    "label": _label,
    "fingerprint": _fingerprint,
    "static": _static,
    "crumbIssuer": lambda site, rest: (user.crumb(site), rest),
    "me": _me,
    "whoAmI": _me,
    "user": _user,
    "manage": _manage,
    "credentials": credentials.store,
    "delivery": _delivery,
}


# -- pages and actions --
def _page(site: Site, runner: Runner) -> Response:
    return site.target(lambda: views.page(site, views.everything(""), "Jobs"))


def _pause(paused: bool) -> Callable[[Site, Runner], Response]:
    def action(site: Site, runner: Runner) -> Response:
        runner.queue.pause(paused)
        return calls.redirect("")

    return action


def _script(site: Site, runner: Runner) -> Response:
    """No Groovy, but for the one text of `jenkins-jobs delete-all`, which is matched and done without it."""
    text = re.sub(r"\s+", "", site.call.value("script"))
    if not text.startswith(DELETE_ALL):
        return calls.text(NO_GROOVY, 403)
    site.must(Right.ADMINISTER)
    for item in runner.items.children(""):
        runner.delete(item)
    return calls.text(")]}.")


def _notify(site: Site, runner: Runner) -> Response:
    """git/notifyCommit: polls the jobs of a repository. Open to hooks without login, which learn no job names.

    `branches` leaves out jobs that build none of them. `sha1` has that commit built at once, in the jobs that whoever
    asks may build; a stranger's jobs are polled instead (GitStatus asks for a token there).
    """
    pushed = [name for part in site.call.value("branches").split(",") if (name := part.strip())]
    commit = site.call.value("sha1").strip().lower()
    if commit and not history.SHA.fullmatch(commit):
        raise UsageError(f"sha1 is '{commit}', expected the 40 or 64 digits of a commit")
    built_at_once = site.triggers.notify(site.call.need("url"), pushed, lambda item: _built(site, runner, item, commit))
    if site.call.login is None:
        return calls.text("Scheduled polling\n" if built_at_once else "No jobs of this repository\n")
    verb = {True: "Scheduled building of", False: "Scheduled polling of"}
    lines = [f"{verb[built]} {name}\n" for name, built in built_at_once.items()]
    return calls.text("".join(lines) or "No jobs of this repository\n")


def _built(site: Site, runner: Runner, item: Item, commit: str) -> bool:
    """Have a commit built in a job, where one is named and the caller may do so."""
    if not commit or site.call.login is None or not site.may(Right.BUILD, item.full_name):
        return False
    runner.trigger(item, (Cause(kind="scm"),), actions=(history.forcing(commit),))
    return True


def _forbidden(site: Site, runner: Runner) -> Response:
    raise Refusal(403, "This is left to who operates the server: stop and start the process")


KIND: Kind[Runner] = Kind(
    cls="hudson.model.Hudson",
    lists=True,
    fields={
        "assignedLabels": always(computer.LABELS),
        "mode": always("NORMAL"),
        "nodeDescription": always(computer.DESCRIPTION),
        "nodeName": always(""),
        "numExecutors": lambda site, runner: len(runner.executors),
        "description": always(None),
        "jobs": lambda site, runner: iter(site.seen(runner.items.children(""))),
        "overallLoad": always({}),
        "primaryView": lambda site, runner: views.everything(""),
        "quietDownReason": always(None),
        "quietingDown": lambda site, runner: runner.queue.paused,
        "slaveAgentPort": always(-1),
        "unlabeledLoad": always(plain("jenkins.model.UnlabeledLoadStatistics")),
        "url": lambda site, runner: site.base,
        "useCrumbs": always(True),
        "useSecurity": always(True),
        "views": lambda site, runner: views.all_of(site, ""),
    },
    reads={
        "": _page,
        "configure": _page,
        "checkJobName": folder.check_name,
        "git/notifyCommit": _notify,
        "login": user.login_page,
    },
    posts={
        "createItem": lambda site, runner: folder.create_item(site, ""),
        "createView": lambda site, runner: folder.create_view(site, ""),
        "login": user.login,
        "logout": user.logout,
        "quietDown": _pause(True),
        "cancelQuietDown": _pause(False),
        "scriptText": _script,
        **dict.fromkeys(("restart", "safeRestart", "exit", "safeExit", "reload"), _forbidden),
    },
    rights={
        "": Right.NONE,
        "login": Right.NONE,
        "logout": Right.NONE,
        "git/notifyCommit": Right.NONE,
        "scriptText": Right.READ,
        "createItem": Right.CONFIGURE,
        "createView": Right.CONFIGURE,
    },
    below=_below,
)
