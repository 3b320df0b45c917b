import json

import pytest

from tests.browser import Browser


def test_a_stranger_gets_the_sign_in_form(browser: Browser) -> None:
    answer = browser.open("/")
    assert answer.status == 200
    assert '<form method="post" action="/auth/login">' in answer.text


@pytest.mark.parametrize("session", ["unknown", "a=b", "<script>", "x" * 5000])
def test_a_made_up_session_gets_the_form(browser: Browser, session: str) -> None:
    browser.session = session
    assert 'action="/auth/login"' in browser.open("/").text


def test_whoever_signed_in_is_greeted(browser: Browser) -> None:
    browser.send("/auth/login", user="rita", password="rita-secret")
    assert "Hello, rita (viewer)" in browser.open("/").text


def test_whoever_signed_out_is_a_stranger_again(browser: Browser) -> None:
    browser.send("/auth/login", user="rita", password="rita-secret")
    browser.send("/auth/logout")
    assert "Hello" not in browser.open("/").text


def test_the_service_names_itself_and_its_version(browser: Browser) -> None:
    answer = json.loads(browser.open("/version").text)
    assert answer["component"] == "portal"
    assert answer["version"].startswith("2.0.")


def test_the_service_is_healthy(browser: Browser) -> None:
    assert browser.open("/health").status == 200


def test_an_unknown_page_is_not_found(browser: Browser) -> None:
    assert browser.open("/nothing").status == 404
