"""credentials/store/system/domain/_: what jobs may bind. Only the administrator; secrets are never shown again."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner import vault
from sluicegate.runner.rights import Right
from sluicegate.runner.vault import Credential, Vault
from sluicegate.web import call as calls
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path
from sluicegate.web.site import Site

STORE = ("store", "system", "domain", "_")


def store(site: Site, rest: Path) -> tuple[object, Path]:
    """The store at the path below `credentials/`, for the administrator."""
    site.must(Right.ADMINISTER)
    if rest[:4] != STORE:
        raise not_found()
    return site.runner.vault, rest[4:]


def _below(site: Site, kept: Vault, rest: Path) -> tuple[object, Path] | None:
    if rest[0] != "credential" or len(rest) < 2:
        return None
    credential = kept.credentials().get(rest[1])
    if credential is None:
        raise not_found()
    return credential, rest[2:]


def _create(site: Site, kept: Vault) -> Response:
    if not site.call.body or site.call.form:
        raise UsageError("post the credential as XML")
    kept.store(vault.from_xml(site.call.body))
    return calls.empty()


def _config(site: Site, credential: Credential) -> Response:
    return Response(vault.to_xml(credential), headers={"content-type": "application/xml"})


def _store(site: Site, credential: Credential) -> Response:
    site.runner.vault.store(replace(vault.from_xml(site.call.body), id=credential.id), new=False)
    return calls.empty()


def _forget(site: Site, credential: Credential) -> Response:
    site.runner.vault.forget(credential.id)
    return calls.redirect("") if site.call.method == "POST" else calls.empty()


KIND: Kind[Vault] = Kind(
    cls="com.cloudbees.plugins.credentials.CredentialsStoreAction$DomainWrapper",
    fields={"credentials": lambda site, kept: list(kept.credentials().values())},
    posts={"createCredentials": _create},
    below=_below,
)
ONE: Kind[Credential] = Kind(
    fields={
        "description": lambda site, credential: credential.description,
        "displayName": lambda site, credential: credential.user or credential.id,
        "id": lambda site, credential: credential.id,
        "typeName": lambda site, credential: credential.kind,
    },
    inline=True,
    reads={"config.xml": _config},
    posts={"config.xml": _store, "doDelete": _forget},
    deletes={"config.xml": _forget},
)
