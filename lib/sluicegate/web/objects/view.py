"""List views, and the view of everything that each folder has."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.model.jobs import path_of
from sluicegate.runner import names
from sluicegate.runner.item import Item
from sluicegate.runner.rights import Right
from sluicegate.web import call as calls
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path, always
from sluicegate.web.site import Site
from sluicegate.web.views import EVERYTHING, View

ALL = ("all", "All")
ALL_CLASS = "hudson.model.AllView"
ALL_XML = "<hudson.model.AllView>\n  <name>{}</name>\n</hudson.model.AllView>"


def everything(owner: str, name: str = "") -> View:
    """The view of all items of a folder: `all` at the top, `All` in folders."""
    shown = name or ("All" if owner else "all")
    return View(folder=owner, name=shown, cls=ALL_CLASS, description=None, jobs=(), pattern=EVERYTHING)


def all_of(site: Site, owner: str) -> list[View]:
    return [everything(owner), *(view for view in site.views.of(owner) if is_there(site, view))]


def is_there(site: Site, view: View) -> bool:
    """Whether this user may read its folder, or something in the view itself (AuthorizationStrategy.getACL)."""
    return site.may(Right.READ, view.folder) or bool(_items(site, view))


def _items(site: Site, view: View) -> list[Item]:
    items = site.seen(site.runner.items.children(view.folder))
    shown = view.shown([item.name for item in items])
    return [item for item in items if item.name in shown]


def page(site: Site, view: View, title: str) -> str:
    """The table of the items that a view shows."""
    rows = [(item, None if item.is_folder else item.history.last()) for item in _items(site, view)]
    waiting = sum(site.sees(queued.job) for queued in site.runner.queue.items())
    return site.show("jobs.html", title=title, rows=rows, waiting=waiting)


def _page(site: Site, view: View) -> Response:
    return site.target(lambda: page(site, view, view.name))


def _url(site: Site, view: View) -> str:
    folder = site.base + path_of(view.folder)
    return folder if view.cls == ALL_CLASS else f"{folder}view/{quote(view.name, safe='')}/"


def _below(site: Site, view: View, rest: Path) -> tuple[object, Path] | None:
    if rest[0] != "job" or len(rest) < 2:
        return None
    item = site.runner.items.get(f"{view.folder}/{rest[1]}" if view.folder else rest[1])
    if item is None:
        raise not_found()
    return item, rest[2:]


def _config(site: Site, view: View) -> Response:
    content = ALL_XML.format(view.name) if view.cls == ALL_CLASS else site.views.text(view)
    return Response(content, headers={"content-type": "application/xml"})


def _store(site: Site, view: View) -> Response:
    _must_be_a_list(view)
    site.views.store(view.folder, view.name, site.call.body)
    return calls.empty()


def _must_be_a_list(view: View) -> None:
    if view.cls == ALL_CLASS:
        raise UsageError(f"the view {view.name} shows everything; it has nothing to change")


def _delete(site: Site, view: View) -> Response:
    site.views.delete(view)
    return calls.redirect(path_of(view.folder))


def _include(site: Site, view: View) -> Response:
    name = site.call.need("name")
    if site.runner.items.get(names.resolve(name, view.folder)) is None:
        raise UsageError("Query parameter 'name' does not correspond to a known item")
    site.views.include(view, name, site.call.segments[-1] == "addJobToView")
    return calls.empty()


KIND: Kind[View] = Kind(
    cls=lambda site, view: view.cls,
    lists=True,
    fields={
        "description": lambda site, view: view.description,
        "jobs": lambda site, view: iter(_items(site, view)),
        "name": lambda site, view: view.name,
        "property": always([]),
        "url": _url,
    },
    brief=("name", "url"),
    reads={"": _page, "configure": _page, "config.xml": _config},
    posts={"config.xml": _store, "doDelete": _delete, "addJobToView": _include, "removeJobFromView": _include},
    rights={
        "config.xml": Right.CONFIGURE,
        "doDelete": Right.CONFIGURE,
        "addJobToView": Right.CONFIGURE,
        "removeJobFromView": Right.CONFIGURE,
    },
    below=_below,
)
