"""credentials/store/system/domain/_: what jobs may bind. Only the administrator; secrets are never shown again."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner import vault
from sluicegate.web import call as calls
from sluicegate.web.answers import answer_api
from sluicegate.web.call import Refusal, not_found
from sluicegate.web.site import Site
from sluicegate.web.things import constant, plain
from sluicegate.web.tree import Thing

STORE = ("store", "system", "domain", "_")


def answer(site: Site, rest: tuple[str, ...]) -> Response:
    """List, create, read, replace and delete credentials."""
    site.must_be_admin("com.cloudbees.plugins.credentials.CredentialsProvider.View")
    if rest[:4] != STORE:
        raise not_found()
    rest = rest[4:]
    if rest[:1] == ("api",):
        return answer_api(site.call, rest, _list(site))
    if rest == ("createCredentials",):
        site.must_post()
        if not site.call.body or site.call.form:
            raise UsageError("post the credential as XML")
        site.runner.vault.store(vault.from_xml(site.call.body))
        return calls.empty()
    if len(rest) == 3 and rest[0] == "credential":
        return _one(site, rest[1], rest[2])
    raise not_found()


def _list(site: Site) -> Thing:
    rows = [
        plain("", description=one.description, displayName=one.user or one.id, id=one.id, typeName=one.kind)
        for one in site.runner.vault.credentials().values()
    ]
    name = "com.cloudbees.plugins.credentials.CredentialsStoreAction$DomainWrapper"
    return Thing(cls=name, fields={"credentials": constant(rows)})


def _one(site: Site, name: str, action: str) -> Response:
    known = site.runner.vault.credentials().get(name)
    if known is None:
        raise not_found()
    method = site.call.method
    if action == "config.xml" and method in ("GET", "HEAD"):
        return Response(vault.to_xml(known), headers={"content-type": "application/xml"})
    if action == "config.xml" and method == "POST":
        site.runner.vault.store(replace(vault.from_xml(site.call.body), id=name), new=False)
        return calls.empty()
    if (action, method) in (("config.xml", "DELETE"), ("doDelete", "POST")):
        site.runner.vault.forget(name)
        return calls.found("") if method == "POST" else calls.empty()
    raise Refusal(405, "Method Not Allowed", headers={"Allow": "POST"}) if action == "doDelete" else not_found()
