import socket

import pytest

from portal.people import AuthService, AuthUnavailable, cookie


def test_an_auth_that_never_answers_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        auth = AuthService(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        with pytest.raises(AuthUnavailable):
            auth.find("token")


@pytest.mark.parametrize("token", ["", "a b", "a; admin=1", "a\r\nX: y", "x" * 1000])
def test_what_cannot_be_a_token_is_not_sent(token: str) -> None:
    assert cookie(token) == {}
