from auth.sessions import Session, Sessions

ANNA = Session(user="anna", roles=("viewer",))


def test_an_open_session_is_found_by_its_token() -> None:
    sessions = Sessions()
    assert sessions.find(sessions.open(ANNA)) == ANNA


def test_each_session_has_its_own_token() -> None:
    sessions = Sessions()
    assert sessions.open(ANNA) != sessions.open(ANNA)


def test_a_closed_session_is_gone() -> None:
    sessions = Sessions()
    token = sessions.open(ANNA)
    sessions.close(token)
    assert sessions.find(token) is None
