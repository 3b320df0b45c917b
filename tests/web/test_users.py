"""Users: passwords at rest and at the door, sessions that end, tokens, and the log of who changed what."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.runner.conftest import shell
from tests.web.conftest import Server
from tests.web.test_security import crumb_of


def browser_of(server: Server, user: str, password: str = "") -> requests.Session:
    """A browser that logged in by the page."""
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    form = {"j_username": user, "j_password": password or server.password(user)}
    answer = browser.post(f"{server.url}login", data={**form, "Jenkins-Crumb": crumb_of(browser, server)})
    assert answer.status_code == 200, answer.text
    return browser


def crumb(browser: requests.Session, server: Server) -> dict[str, str]:
    return {"Jenkins-Crumb": browser.get(f"{server.url}crumbIssuer/api/json").json()["crumb"]}


def works(browser: requests.Session, server: Server) -> bool:
    return bool(browser.get(f"{server.url}api/json").status_code == 200)


def test_a_password_of_one_s_own_is_kept_as_a_hash_and_ends_all_sessions(fresh: Server) -> None:
    first, second = browser_of(fresh, "anna"), browser_of(fresh, "anna")
    old, new = fresh.password("anna"), "a new and longer word"
    url, form = f"{fresh.url}me/password", {"new": new, **crumb(first, fresh)}
    assert first.post(url, data={**form, "current": "wrong"}).status_code == 403
    assert first.post(url, data={**form, "current": old, "new": "short"}).status_code == 400
    assert first.post(url, data={**form, "current": old}).status_code == 200
    assert works(first, fresh) and not works(second, fresh)
    assert requests.get(f"{fresh.url}api/json", auth=("anna", old)).status_code == 401
    assert requests.get(f"{fresh.url}api/json", auth=("anna", new)).status_code == 200
    kept = [path.read_bytes() for path in fresh.home.rglob("*") if path.is_file()]
    assert not any(new.encode() in content or old.encode() in content for content in kept)
    fresh.kill()
    fresh.start()
    assert requests.get(f"{fresh.url}api/json", auth=("anna", new)).status_code == 200


def test_a_password_that_the_operator_writes_counts(fresh: Server) -> None:
    (fresh.home / "secrets" / "passwords" / "anna").write_text("from the operator\n")
    assert requests.get(f"{fresh.url}api/json", auth=("anna", "from the operator")).status_code == 200


def test_who_is_removed_loses_tokens_and_sessions_at_once(fresh: Server) -> None:
    browser, token = browser_of(fresh, "anna"), fresh.token("anna")
    assert fresh.session("anna").post(f"{fresh.url}user/jobs/doDelete").status_code == 403
    assert fresh.session().post(f"{fresh.url}user/anna/doDelete", allow_redirects=False).status_code == 302
    assert not works(browser, fresh)
    assert requests.get(f"{fresh.url}api/json", auth=("anna", token)).status_code == 401
    jobs, token = browser_of(fresh, "jobs"), fresh.token("jobs")
    (fresh.home / "secrets" / "passwords" / "jobs").unlink()
    shutil.rmtree(fresh.home / "users" / "jobs")
    assert not works(jobs, fresh)
    assert requests.get(f"{fresh.url}api/json", auth=("jobs", token)).status_code == 401


def test_logout_ends_the_session_and_not_only_the_cookie(fresh: Server) -> None:
    browser = browser_of(fresh, "anna")
    copy = requests.Session()
    copy.cookies.update(browser.cookies)
    assert works(copy, fresh)
    browser.post(f"{fresh.url}logout", data=crumb(browser, fresh))
    assert not works(copy, fresh)
    fresh.kill()
    fresh.start()
    assert not works(copy, fresh)


def test_a_login_form_without_its_crumb_is_refused(fresh: Server) -> None:
    form = {"j_username": "anna", "j_password": fresh.password("anna")}
    assert requests.post(f"{fresh.url}login", data=form).status_code == 403


def test_who_guesses_passwords_has_to_wait_and_tokens_need_not(fresh: Server) -> None:
    token, guess = fresh.token("anna"), ("anna", "guess")
    answers = [requests.get(f"{fresh.url}api/json", auth=guess) for _ in range(14)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[-1].status_code == 429 and answers[-1].headers["Retry-After"]
    assert requests.get(f"{fresh.url}api/json", auth=("anna", token)).status_code == 200
    assert requests.get(f"{fresh.url}api/json", auth=("jobs", fresh.password("jobs"))).status_code == 200


def test_a_token_s_last_use_is_shown_and_its_button_revokes_it(fresh: Server) -> None:
    token = fresh.token("anna")
    browser = browser_of(fresh, "anna")
    assert "never used" in browser.get(f"{fresh.url}user/anna/").text
    assert requests.get(f"{fresh.url}api/json", auth=("anna", token)).status_code == 200
    assert "last used 2" in browser.get(f"{fresh.url}user/anna/").text
    uuid = json.loads((fresh.home / "users" / "anna" / "tokens.json").read_text())[0]["uuid"]
    path = "me/descriptorByName/jenkins.security.ApiTokenProperty/revoke"
    browser.post(f"{fresh.url}{path}", data={"tokenUuid": uuid, **crumb(browser, fresh)})
    assert requests.get(f"{fresh.url}api/json", auth=("anna", token)).status_code == 401


def test_the_audit_log_says_who_changed_what_from_where(fresh: Server, tmp_path: Path) -> None:
    fresh.session("jobs").post(f"{fresh.url}createItem?name=one", data=shell("true"))
    fresh.session("anna").post(f"{fresh.url}job/one/doDelete")
    requests.get(f"{fresh.url}api/json", auth=("anna", "wrong"))
    rows = [json.loads(line) for line in (fresh.home / "logs" / "audit.log").read_text().splitlines()]
    assert (rows[-1]["user"], rows[-1]["claimed"]) == ("anonymous", "anna")
    assert "wrong" not in (fresh.home / "logs" / "audit.log").read_text()
    changes = [(row["user"], row["action"], row["status"]) for row in rows]
    assert ("jobs", "POST /createItem", 200) in changes
    assert ("anna", "POST /job/one/doDelete", 403) in changes
    assert changes[-1][1:] == ("GET /api/json", 401)
    assert [row.get("with") for row in rows if row["action"] == "POST /createItem"] == [{"name": "one"}]
    assert {row["from"] for row in rows} == {"127.0.0.1"} and all(row["at"] for row in rows)


def test_tokens_that_are_made_and_used_together_are_all_kept(fresh: Server) -> None:
    browser = browser_of(fresh, "anna")
    url = f"{fresh.url}me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"
    form = crumb(browser, fresh)

    def make(_: int) -> str:
        token = requests.post(url, data=form, cookies=browser.cookies).json()["data"]["tokenValue"]
        assert requests.get(f"{fresh.url}api/json", auth=("anna", token)).status_code == 200
        return str(token)

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(make, range(24)))
    assert [requests.get(f"{fresh.url}api/json", auth=("anna", token)).status_code for token in tokens] == [200] * 24


def test_the_form_for_a_password_says_what_came_of_it(fresh: Server) -> None:
    browser, old = browser_of(fresh, "anna"), fresh.password("anna")
    url, new = f"{fresh.url}me/password", "a new and longer word"
    for current, typed, again, status, words in (
        ("wrong", new, new, 403, "The current password is another one"),
        (old, new, "a new and longer werd", 400, "typed in two ways"),
        (old, "short", "short", 400, "at least 8 are needed"),
        (old, " " * 9, " " * 9, 400, "at least 8 are needed"),
        (old, new, new, 200, "The password is changed"),
    ):
        form = {"current": current, "new": typed, "again": again, **crumb(browser, fresh)}
        answer = browser.post(url, data=form)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert "<h1>anna</h1>" in answer.text
    assert works(browser, fresh)
    assert browser.post(url, data={"current": new, "new": old, "again": old, **crumb(browser, fresh)}).ok


def test_the_current_password_is_not_guessed_in_a_session_that_was_left_open(fresh: Server) -> None:
    browser = browser_of(fresh, "anna")
    form = {"new": "a new and longer word", **crumb(browser, fresh)}
    answers = [browser.post(f"{fresh.url}me/password", data={**form, "current": f"guess {n}"}) for n in range(13)]
    assert [answer.status_code for answer in answers[:10]] == [403] * 10
    assert answers[-1].status_code == 429


def test_an_address_that_tries_many_users_waits(fresh: Server) -> None:
    """Of no user of whom it knows only the name; the time of an answer does not tell which names there are."""
    answers = [
        requests.get(f"{fresh.url}api/json", auth=(f"user{number}", "winter2026")).status_code for number in range(70)
    ]
    assert answers[:60] == [401] * 60 and answers[-1] == 429
    assert requests.get(f"{fresh.url}login").status_code == 200
    assert requests.get(f"{fresh.url}api/json", auth=("anna", "winter2026")).status_code == 429


def test_the_time_of_a_refusal_does_not_tell_whether_there_is_such_a_user(fresh: Server) -> None:
    def seconds(user: str) -> float:
        begun = time.monotonic()
        assert requests.get(f"{fresh.url}api/json", auth=(user, "wrong")).status_code == 401
        return time.monotonic() - begun

    seconds("anna")
    there, nowhere = (min(seconds(user) for _ in range(5)) for user in ("anna", "nobody-at-all"))
    assert nowhere > there / 2, (there, nowhere)
