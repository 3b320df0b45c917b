"""Login, crumbs, and the API tokens of users."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.web import call as calls
from sluicegate.web.answers import answer_api
from sluicegate.web.call import Refusal, not_found
from sluicegate.web.site import Site
from sluicegate.web.things import plain

TOKENS = "jenkins.security.ApiTokenProperty"


def crumb(site: Site, rest: tuple[str, ...]) -> Response:
    """The crumb for this user and session; without a session the answer opens one."""
    users = site.runner.users
    session = site.call.session
    if users.session_user(session) is None:
        session = site.call.set_session = users.session()
    value = plain(
        "hudson.security.csrf.DefaultCrumbIssuer",
        crumb=users.crumb(site.call.user, session),
        crumbRequestField="Jenkins-Crumb",
    )
    return answer_api(site.call, rest, value)


def login(site: Site, rest: tuple[str, ...]) -> Response:
    """The login page, and what it posts."""
    call = site.call
    if call.method != "POST":
        return calls.html(site.pages.login(call, failed=False)())
    found = site.runner.users.login(call.form.get("j_username", ""), call.form.get("j_password", ""))
    if found is None:
        return calls.html(site.pages.login(call, failed=True)(), 401)
    call.set_session = site.runner.users.session(found.user)
    return calls.found("")


def logout(site: Site, rest: tuple[str, ...]) -> Response:
    site.must_post()
    site.call.set_session = site.runner.users.session()
    return calls.found("login")


def me(site: Site, rest: tuple[str, ...]) -> Response:
    return _of_user(site, site.call.user, rest)


def user(site: Site, rest: tuple[str, ...]) -> Response:
    if not rest or not site.runner.users.exists(rest[0]):
        raise not_found()
    return _of_user(site, rest[0], rest[1:])


def _of_user(site: Site, name: str, rest: tuple[str, ...]) -> Response:
    if rest[:1] == ("api",):
        return answer_api(site.call, rest, site.api.user(name))
    if not rest:
        return site.target(site.pages.user(site.call, name))
    if rest[:2] == ("descriptorByName", TOKENS) and len(rest) == 3:
        site.must_post()
        return _token(site, name, rest[2])
    raise not_found()


def _token(site: Site, name: str, action: str) -> Response:
    """generateNewToken, revoke and revokeAll: one's own tokens, or anybody's for the administrator."""
    if name != site.call.user:
        site.must_be_admin()
    users = site.runner.users
    if action == "generateNewToken":
        made = users.new_token(name, site.call.value("newTokenName"))
        if site.call.wants_html and site.call.form.get("sluicegate-form"):
            return calls.html(site.pages.user(site.call, name, made["tokenValue"])())
        return calls.data({"status": "ok", "data": {"aboutToExpire": False, **made, "expirationDate": "never"}})
    if action == "revoke":
        users.revoke(name, site.call.need("tokenUuid"))
    elif action == "revokeAll":
        users.revoke(name, None)
    else:
        raise Refusal(404, "Not Found")
    return calls.found(f"user/{name}/") if site.call.wants_html else calls.empty()
