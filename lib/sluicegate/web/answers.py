"""`api/json`, `api/python` and `api/xml`: one object in three spellings."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.runner.item import Item
from sluicegate.runner.service import Runner
from sluicegate.web import call as calls
from sluicegate.web.call import Refusal, not_found
from sluicegate.web.kind import Path
from sluicegate.web.site import Site
from sluicegate.web.tree import KindOf, picture, select, to_json, to_python, to_xml

ROOTS = {
    "Hudson": "hudson",
    "FreeStyleProject": "freeStyleProject",
    "FreeStyleBuild": "freeStyleBuild",
    "ListView": "listView",
}


def answer_api(site: Site, kind_of: KindOf, here: object, rest: Path) -> Response:
    """`api/json`, `api/python` or `api/xml` of an object."""
    call = site.call
    if call.method not in ("GET", "HEAD", "POST"):
        raise Refusal(405, "Method Not Allowed", headers={"Allow": "GET"})
    form = rest[1] if len(rest) in (2, 4) else ""
    if form == "json":

        def made() -> bytes:
            return to_json(picture(site, kind_of, here)).encode("utf-8", "replace")

        listed = isinstance(here, (Runner, Item)) and kind_of(here).lists
        content = site.lists.answer(site.call, made) if listed else made()
        return Response(content, headers={"content-type": "application/json;charset=utf-8"})
    value = picture(site, kind_of, here)
    if form == "python":
        return calls.text(to_python(value))
    if form != "xml":
        raise not_found()
    # XML only: an element named for the class, of which an xpath may pick a part.
    cls = value.get("_class", "") if isinstance(value, dict) else ""
    short = str(cls).rpartition(".")[2]
    xml = to_xml(value, ROOTS.get(short, short[:1].lower() + short[1:].replace("$", "-")))
    if xpath := call.value("xpath"):
        try:
            xml = select(xml, xpath, call.value("wrapper"))
        except LookupError as problem:
            return calls.text(str(problem.args[0]), 404)
        if xpath.endswith(")"):
            return calls.text(xml)
    return Response(xml.encode("utf-8", "replace"), headers={"content-type": "application/xml;charset=utf-8"})
