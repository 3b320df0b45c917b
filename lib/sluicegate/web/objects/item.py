"""What jobs and folders have in common: config.xml, delete, rename, description."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner import names
from sluicegate.runner.items import Item
from sluicegate.web import call as calls
from sluicegate.web.site import Site


def answer(site: Site, item: Item, rest: tuple[str, ...]) -> Response | None:
    """The response of a common action, None when `rest` names none."""
    if rest == ("config.xml",):
        return _config(site, item)
    action = {"doDelete": _delete, "doRename": _rename, "confirmRename": _rename}.get("/".join(rest))
    if action is None:
        return None
    site.must_post()
    return action(site, item)


def _config(site: Site, item: Item) -> Response:
    if site.call.method in ("GET", "HEAD"):
        return Response(item.text(), headers={"content-type": "application/xml"})
    site.must_post()
    site.runner.items.update(item, site.call.body)
    return calls.empty()


def _delete(site: Site, item: Item) -> Response:
    site.runner.delete(item)
    return calls.found(names.path_of(names.folder_of(item.full_name)))


def _rename(site: Site, item: Item) -> Response:
    if item.history.running:
        raise UsageError(f"{item.full_name} is building; it cannot be renamed now")
    new = site.call.need("newName")
    site.runner.queue.cancel_job(item.full_name)
    return calls.found(site.runner.items.rename(item, new).path.rstrip("/"))
