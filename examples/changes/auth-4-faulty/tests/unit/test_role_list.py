import json

from auth.server import Auth
from auth.serving import Request


def test_the_role_that_everybody_starts_with_is_listed_first(auth: Auth) -> None:
    roles = json.loads(auth(Request(method="GET", path="/auth/roles")).body)["roles"]
    assert roles[0] == "viewer"
    assert set(roles) == {"viewer", "editor", "auditor"}
