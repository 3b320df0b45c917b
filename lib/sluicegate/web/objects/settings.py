"""manage/settings: what all jobs share, as YAML on a page for the administrator."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.errors import ConfigError
from sluicegate.runner.rights import Right
from sluicegate.runner.settings import Shared
from sluicegate.web import call as calls
from sluicegate.web.kind import Kind, Path
from sluicegate.web.site import Site


def at(site: Site, rest: Path) -> tuple[object, Path]:
    """The settings, for the administrator: passwords stand among them."""
    site.must(Right.ADMINISTER)
    return site.runner.shared_settings, rest


def _page(site: Site, shared: Shared) -> Response:
    return calls.html(site.show("settings.html", content=shared.text(), mistakes=(), stored=False))


def _store(site: Site, shared: Shared) -> Response:
    text = site.call.form.get("settings") if site.call.form else site.call.body.decode("utf-8", "replace")
    try:
        shared.replace(text or "")
    except ConfigError as problem:
        page = site.show("settings.html", content=text, mistakes=problem.mistakes, stored=False)
        return calls.html(page, 400)
    return calls.html(site.show("settings.html", content=shared.text(), mistakes=(), stored=True))


KIND: Kind[Shared] = Kind(reads={"": _page}, posts={"": _store}, rights={"": Right.ADMINISTER})
