"""What the organisation counts on: only then may a version reach production."""

import re

from tests.browser import Browser


def form_of(html: str) -> tuple[str, dict[str, str]]:
    """Address and hidden fields of the page's form."""
    action = re.search(r'<form method="post" action="([^"]+)"', html)
    assert action, html
    return action[1], dict(re.findall(r'<input name="(\w+)" type="hidden" value="([^"]*)"', html))


def test_anna_signs_in_through_the_page_is_greeted_and_leaves(browser: Browser) -> None:
    action, hidden = form_of(browser.open("/").text)
    answer = browser.send(action, user="anna", password="anna-secret", **hidden)
    assert (answer.status, answer.location) == (303, "/")

    home = browser.open(answer.location).text
    assert "Hello, anna (" in home
    assert "editor" in home

    action, hidden = form_of(home)
    browser.send(action, **hidden)
    assert form_of(browser.open("/").text)[0] == "/auth/login"


def test_a_wrong_password_does_not_lead_in(browser: Browser) -> None:
    action, hidden = form_of(browser.open("/").text)
    assert browser.send(action, user="anna", password="guessed", **hidden).status == 401
    assert "Hello" not in browser.open("/").text
