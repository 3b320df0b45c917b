"""Users: login and logout, crumbs, and API tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner.rights import Right
from sluicegate.web import call as calls
from sluicegate.web.call import Refusal
from sluicegate.web.kind import Kind, always, plain
from sluicegate.web.site import Site

TOKENS = "descriptorByName/jenkins.security.ApiTokenProperty"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody, by login name."""

    name: str


# -- of the root --
def crumb(site: Site) -> object:
    """The crumb for this user and session; without a session the answer opens one."""
    users = site.runner.users
    session = site.call.session
    if users.sessions.user(session) is None:
        session = site.call.set_session = users.sessions.new()
    return plain(
        "hudson.security.csrf.DefaultCrumbIssuer",
        crumb=users.sessions.crumb(site.call.user, session),
        crumbRequestField="Jenkins-Crumb",
    )


def login_page(site: Site, here: object) -> Response:
    return calls.html(site.show("login.html", failed=False))


def login(site: Site, here: object) -> Response:
    form = site.call.form
    user, password = form.get("j_username", ""), form.get("j_password", "")
    site.call.claimed = user
    login = calls.checked_login(site.runner.users, user, password, site.call.address)
    if login is None:
        return calls.html(site.show("login.html", failed=True), 401)
    site.call.set_session = site.runner.users.sessions.new(login.user)
    return calls.redirect("")


def logout(site: Site, here: object) -> Response:
    site.runner.users.sessions.end(site.call.session)
    site.call.set_session = site.runner.users.sessions.new()
    return calls.redirect("login")


# -- users themselves --
def _page(site: Site, user: User) -> Response:
    return site.target(lambda: _shown(site, user))


def _shown(site: Site, user: User, *, new_token: str = "", done: str = "", wrong: str = "") -> str:
    """The user's page with a token that was made, or what came of the form that was sent."""
    tokens = site.runner.users.tokens(user.name)
    return site.show("user.html", name=user.name, new_token=new_token, done=done, wrong=wrong, tokens=tokens)


def _owned(action: Callable[[Site, User], Response]) -> Callable[[Site, User], Response]:
    """One's own tokens, or anybody's for the administrator."""

    def checked(site: Site, user: User) -> Response:
        if site.call.login is None or user.name != site.call.user:
            site.must(Right.ADMINISTER)
        return action(site, user)

    return checked


def _new_token(site: Site, user: User) -> Response:
    new_token = site.runner.users.new_token(user.name, site.call.value("newTokenName"))
    if site.call.wants_html and site.call.form.get("sluicegate-form"):
        return calls.html(_shown(site, user, new_token=new_token["tokenValue"]))
    return calls.data({"status": "ok", "data": {"aboutToExpire": False, **new_token, "expirationDate": "never"}})


def _revoke(site: Site, user: User) -> Response:
    site.runner.users.revoke(user.name, site.call.need("tokenUuid"))
    return calls.redirect(f"user/{user.name}/") if site.call.wants_html else calls.empty()


def _revoke_all(site: Site, user: User) -> Response:
    site.runner.users.revoke(user.name, None)
    return calls.redirect(f"user/{user.name}/") if site.call.wants_html else calls.empty()


def _set_password(site: Site, user: User) -> Response:
    """One's own password, with the one before it, or anybody's for the administrator; the page says what came of it."""
    form, users = site.call.form, site.runner.users
    with_page = site.call.wants_html and "again" in form
    mine = user.name == site.call.user
    if mine and calls.checked_login(users, user.name, form.get("current", ""), site.call.address) is None:
        if not with_page:
            raise Refusal(403, "the current password is another one")
        return calls.html(_shown(site, user, wrong="The current password is another one."), 403)
    new = form.get("new", "")
    if with_page:
        typed = "" if form["again"] == new else "the new password was typed in two ways"
        if objection := typed or users.objection(user.name, new):
            return calls.html(_shown(site, user, wrong=f"Nothing has changed: {objection}."), 400)
    users.set_password(user.name, new)
    if mine:
        site.call.session = site.call.set_session = users.sessions.new(user.name)
    if with_page:
        return calls.html(_shown(site, user, done="The password is changed; all other sessions have ended."))
    return calls.redirect(f"user/{quote(user.name, safe='')}/") if site.call.wants_html else calls.empty()


def _remove(site: Site, user: User) -> Response:
    if user.name == site.call.user:
        raise UsageError("nobody removes himself")
    site.runner.users.remove(user.name)
    return calls.redirect("")


KIND: Kind[User] = Kind(
    cls="hudson.model.User",
    fields={
        "absoluteUrl": lambda site, user: f"{site.base}user/{quote(user.name, safe='')}",
        "description": always(None),
        "fullName": lambda site, user: user.name,
        "id": lambda site, user: user.name,
        "property": always([]),
    },
    inline=True,
    reads={"": _page},
    rights={
        "api": Right.NONE,
        "": Right.NONE,
        f"{TOKENS}/generateNewToken": Right.NONE,  # one's own, or as administrator: _owned looks
        f"{TOKENS}/revoke": Right.NONE,
        f"{TOKENS}/revokeAll": Right.NONE,
        "password": Right.NONE,
        "doDelete": Right.ADMINISTER,
    },
    posts={
        f"{TOKENS}/generateNewToken": _owned(_new_token),
        f"{TOKENS}/revoke": _owned(_revoke),
        f"{TOKENS}/revokeAll": _owned(_revoke_all),
        "password": _owned(_set_password),
        "doDelete": _remove,
    },
)
