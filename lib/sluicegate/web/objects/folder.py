"""Folders, and what they share with the root: the list of their items, views, and making new ones."""

from __future__ import annotations

import html as escaping
from urllib.parse import quote

from starlette.responses import Response

from sluicegate.errors import Malformed, UsageError
from sluicegate.model.jobs import path_of
from sluicegate.runner import names
from sluicegate.runner.item import Item
from sluicegate.runner.jobxml import FOLDER
from sluicegate.runner.newitems import NEW
from sluicegate.runner.rights import Right
from sluicegate.web import call as calls
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path, always
from sluicegate.web.objects import item as items
from sluicegate.web.objects import view as views
from sluicegate.web.site import Site


# -- shared with the root, whose full name is empty --
def container(site: Site, here: object, owner: str, rest: Path) -> tuple[object, Path] | None:
    """The item or the view that comes next on the path."""
    if len(rest) < 2:
        return None
    if rest[0] == "job":
        item = site.runner.items.get(f"{owner}/{rest[1]}" if owner else rest[1])
        if item is None:
            raise not_found()
        return item, rest[2:]
    if rest[0] != "view":
        return None
    if rest[1] in views.ALL:
        # The view of everything is its owner, but for what a view has alone.
        own = rest[2:3] == ("api",) or rest[2:] == ("config.xml",)
        return (views.everything(owner, rest[1]) if own else here), rest[2:]
    view = site.views.get(owner, rest[1])
    if view is None or not views.is_there(site, view):
        raise not_found()
    return view, rest[2:]


def create_item(site: Site, owner: str) -> Response:
    """createItem: a job or folder from a config.xml, or a copy of another."""
    call = site.call
    # python-jenkins puts the full name into the form and the plain one into the query: the query wins.
    name, mode = call.need("name"), call.value("mode")
    if mode == "copy":
        source_name = call.need("from")
        source = site.runner.items.get(names.resolve(source_name, owner)) or site.runner.items.get(source_name)
        if source is None or not site.sees(source.full_name):
            raise UsageError(f"No such job: {source_name}")
        site.must(Right.CONFIGURE, source.full_name)
        return calls.redirect(f"{site.runner.items.create(owner, name, source.text()).path}configure")
    if empty := NEW.get(mode):
        return calls.redirect(f"{site.runner.items.create(owner, name, empty).path}configure")
    if mode:
        raise UsageError(f"No such mode: {mode}; expected one of {', '.join(NEW)}, copy, or none and a config.xml")
    names.check(name)
    if not call.body:
        raise UsageError("No mode given, and no config.xml in the body")
    site.runner.items.create(owner, name, call.body)
    return calls.empty()


def create_view(site: Site, owner: str) -> Response:
    name, mode = site.call.need("name"), site.call.value("mode")
    if mode:
        site.views.create(owner, name, site.views.empty(mode, name))
        return calls.redirect(f"{path_of(owner)}view/{quote(name, safe='')}/configure")
    site.views.create(owner, name, site.call.body)
    return calls.empty()


def check_name(site: Site, here: object) -> Response:
    try:
        names.check(site.call.value("value"))
    except Malformed as problem:
        return calls.html(f'<div class="error">{escaping.escape(problem.message, quote=False)}</div>')
    return calls.html("<div/>")


# -- folders themselves --
def _page(site: Site, folder: Item) -> Response:
    return site.target(lambda: views.page(site, views.everything(folder.full_name), folder.full_name))


KIND: Kind[Item] = Kind(
    cls=FOLDER,
    lists=True,
    fields={
        **items.FIELDS,
        "healthReport": always([]),
        "jobs": lambda site, folder: iter(site.seen(site.runner.items.children(folder.full_name))),
        "primaryView": lambda site, folder: views.everything(folder.full_name),
        "views": lambda site, folder: views.all_of(site, folder.full_name),
    },
    brief=("name", "url"),
    reads={**items.READS, "": _page, "configure": _page, "checkJobName": check_name},
    posts={
        **items.POSTS,
        "createItem": lambda site, folder: create_item(site, folder.full_name),
        "createView": lambda site, folder: create_view(site, folder.full_name),
    },
    rights={**items.RIGHTS, "createItem": Right.CONFIGURE, "createView": Right.CONFIGURE},
    below=lambda site, folder, rest: container(site, folder, folder.full_name, rest),
)
