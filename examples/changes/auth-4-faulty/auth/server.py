"""What auth answers, address by address."""

from __future__ import annotations

import re

from auth.directory import Directory, DirectoryUnavailable
from auth.roles import DEFAULT_ROLE, KNOWN_ROLES, roles_among
from auth.serving import Reply, Request, as_json, route
from auth.sessions import Session, Sessions

OWN_PAGE = re.compile(r"/([\w-]+(/[\w-]+)*)?", re.ASCII)


class Auth:
    """The application: takes a request, gives a reply."""

    def __init__(self, *, directory: Directory, version: str) -> None:
        self.directory = directory
        self.version = version
        self.sessions = Sessions()
        self.routes = {
            ("GET", "/version"): self.show_version,
            ("GET", "/auth/health"): self.health,
            ("GET", "/auth/roles"): self.roles,
            ("GET", "/auth/whoami"): self.whoami,
            ("POST", "/auth/login"): self.log_in,
            ("POST", "/auth/logout"): self.log_out,
        }

    def __call__(self, request: Request) -> Reply:
        try:
            return route(self.routes, request)
        except DirectoryUnavailable as error:
            return as_json({"error": "the directory (LDAP) is unavailable, try again later", "detail": str(error)}, 503)

    def show_version(self, request: Request) -> Reply:
        return as_json({"component": "auth", "version": self.version})

    def health(self, request: Request) -> Reply:
        """Of this process only: whoever is signed in can work on while the directory is down."""
        return as_json({"status": "ok", "sessions": len(self.sessions)})

    def roles(self, request: Request) -> Reply:
        return as_json({"roles": [DEFAULT_ROLE, *sorted(KNOWN_ROLES)]})

    def whoami(self, request: Request) -> Reply:
        session = self.sessions.find(request.cookies.get("session", ""))
        if session is None:
            return as_json({"error": "not signed in"}, 401)
        return as_json({"user": session.user, "roles": self.current_roles(session), "version": self.version})

    def current_roles(self, session: Session) -> tuple[str, ...]:
        """What the directory says now; while it is down, what it said at the sign-in."""
        try:
            return roles_among(self.directory.groups_of(session.user))
        except DirectoryUnavailable:
            return session.roles

    def log_in(self, request: Request) -> Reply:
        user, password = request.form.get("user", ""), request.form.get("password", "")
        # LDAP takes an empty password for an anonymous bind and says "success": it must not get that far.
        groups = self.directory.log_in(user, password) if user and password else None
        if groups is None:
            return as_json({"error": "wrong user or password"}, 401)
        session = Session(user=user, roles=roles_among(groups))
        token = self.sessions.open(session)
        return done(request, {"user": user, "roles": session.roles}, cookie=f"session={token}; Path=/; HttpOnly")

    def log_out(self, request: Request) -> Reply:
        self.sessions.close(request.cookies.get("session", ""))
        return done(request, {"signed_in": False}, cookie="session=; Path=/; HttpOnly; Max-Age=0")


def done(request: Request, content: dict[str, object], *, cookie: str) -> Reply:
    """JSON; or, for a browser's form with a field `next`, the way back to that page of ours."""
    headers = (("Set-Cookie", f"{cookie}; SameSite=Lax"),)
    page = request.form.get("next", "")
    if OWN_PAGE.fullmatch(page):
        return as_json(content, 303, (*headers, ("Location", page)))
    return as_json(content, headers=headers)
