"""What jobs and folders have in common: names, config.xml, deleting and renaming."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from sluicegate.model.jobs import path_of
from sluicegate.runner import names
from sluicegate.runner.item import Item
from sluicegate.runner.rights import Right
from sluicegate.web import call as calls
from sluicegate.web.kind import always
from sluicegate.web.site import Site


def full_display_name(site: Site, item: Item) -> str:
    parts = item.full_name.split("/")
    chain = [site.runner.items.get("/".join(parts[: n + 1])) for n in range(len(parts))]
    return " » ".join(ancestor.display_name for ancestor in chain if ancestor is not None)


def url(site: Site, item: Item) -> str:
    return site.base + item.path


def _config(site: Site, item: Item) -> Response:
    return Response(item.text(), headers={"content-type": "application/xml"})


def _store(site: Site, item: Item) -> Response:
    site.runner.items.update(item, site.call.body)
    return calls.empty()


def _delete(site: Site, item: Item) -> Response:
    site.runner.delete(item)
    return calls.redirect(path_of(names.folder_of(item.full_name)))


def _rename(site: Site, item: Item) -> Response:
    """Rights are given by name: under the new one it may come into other hands, which need not be the user's."""
    folder, new = names.folder_of(item.full_name), site.call.need("newName")
    site.must(Right.CONFIGURE, f"{folder}/{new}" if folder else new)
    return calls.redirect(site.runner.rename(item, new).path.rstrip("/"))


FIELDS: Mapping[str, Callable[[Site, Item], object]] = {
    "actions": always([{}]),
    "description": lambda site, item: item.config.description,
    "displayName": lambda site, item: item.display_name,
    "displayNameOrNull": lambda site, item: item.config.display_name or None,
    "fullDisplayName": full_display_name,
    "fullName": lambda site, item: item.full_name,
    "name": lambda site, item: item.name,
    "url": url,
}
READS: Mapping[str, Callable[[Site, Item], Response]] = {"config.xml": _config}
RIGHTS: Mapping[str, Right] = dict.fromkeys(("config.xml", "doDelete", "doRename", "confirmRename"), Right.CONFIGURE)
POSTS: Mapping[str, Callable[[Site, Item], Response]] = {
    "config.xml": _store,
    "doDelete": _delete,
    "doRename": _rename,
    "confirmRename": _rename,
}
