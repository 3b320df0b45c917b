"""The pages as people see them, in Chromium."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route

from tests.browser import Person, person_at
from tests.web.conftest import Server, serving, until

pytestmark = pytest.mark.real
JOB = "<project><builders>{steps}</builders>{more}</project>"
SHELL = "<hudson.tasks.Shell><command>{}</command></hudson.tasks.Shell>"
KIND = "<hudson.model.{0}ParameterDefinition>{1}</hudson.model.{0}ParameterDefinition>"
CHOICES = "<a class='string-array'><string>staging</string><string>production</string></a>"
PARAMETERS = "".join(
    KIND.format(kind, definition)
    for kind, definition in {
        "String": "<name>WHY</name><description>the reason</description><defaultValue>none</defaultValue>",
        "Boolean": "<name>BACK</name><defaultValue>false</defaultValue>",
        "Choice": f"<name>TO</name><choices class='java.util.Arrays$ArrayList'>{CHOICES}</choices>",
    }.items()
)
PROPERTIES = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
    f"{PARAMETERS}</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>"
)


def job(command: str, more: str = "") -> str:
    return JOB.format(steps=SHELL.format(command), more=more)


@pytest.fixture
def anna(server: Server) -> Iterator[Person]:
    with person_at(server.url) as person:
        person.log_in("anna", server.password("anna"))
        yield person
        assert person.complaints == []


def test_a_wrong_password_is_told_and_the_right_one_leads_back_to_the_page(server: Server) -> None:
    with person_at(server.url) as person:
        page = person.log_in("anna", "wrong")
        assert page.get_by_role("alert").inner_text() == "Wrong name or password."
        page = person.log_in("anna", server.password("anna"))
        assert page.get_by_role("link", name="anna").is_visible()
        assert page.get_by_role("heading", name="Jobs").is_visible()
        page.get_by_role("button", name="Log out").click()
        assert page.get_by_role("heading", name="Log in").is_visible()


def test_the_console_grows_while_the_build_runs_and_the_page_says_how_it_ended(
    server: Server, anna: Person, name: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    server.client().create_job(name, job(f"echo first\nwhile [ ! -e {go} ]; do sleep 0.1; done\necho second; exit 1"))
    page = anna.go(f"/job/{name}/")
    page.get_by_role("button", name="Build now").click()
    until(lambda: server.client().get_job_info(name)["builds"])
    anna.go(f"/job/{name}/1/")
    console = page.locator("#console")
    until(lambda: "\nfirst\n" in console.inner_text())
    assert "\nsecond" not in console.inner_text()
    assert page.locator("#state").inner_text() == "running"
    go.touch()
    until(lambda: page.locator("#state").inner_text() == "FAILURE")
    until(lambda: console.inner_text().endswith("Finished: FAILURE\n"))


def test_a_page_that_is_opened_as_the_build_ends_says_how_it_ended(
    server: Server, anna: Person, name: str, tmp_path: Path
) -> None:
    client, go = server.client(), tmp_path / "go"
    client.create_job(name, job(f"while [ ! -e {go} ]; do sleep 0.1; done"))
    client.build_job(name)
    until(lambda: client.get_job_info(name)["builds"])

    def end_it(route: Route) -> None:
        go.touch()
        until(lambda: not client.get_build_info(name, 1)["building"])
        route.continue_()

    anna.page.route("**/progressiveHtml*", end_it, times=1)
    page = anna.go(f"/job/{name}/1/")
    until(lambda: page.locator("#state").inner_text() == "SUCCESS")


def test_a_running_build_is_aborted_by_its_button(server: Server, anna: Person, name: str) -> None:
    client = server.client()
    client.create_job(name, job("sleep 300"))
    client.build_job(name)
    until(lambda: client.get_job_info(name)["builds"])
    page = anna.go(f"/job/{name}/1/")
    page.get_by_role("button", name="Abort").click()
    until(lambda: page.locator("#state").inner_text() == "ABORTED")  # the page loads itself anew as the build ends
    until(lambda: "Aborted by anna" in page.locator("#console").inner_text())


def test_build_with_parameters_hands_over_what_was_typed(server: Server, anna: Person, name: str) -> None:
    client = server.client()
    client.create_job(name, job('echo "$WHY/$BACK/$TO"', PROPERTIES))
    page = anna.go(f"/job/{name}/")
    page.get_by_role("link", name="Build with Parameters").click()
    assert page.get_by_label("WHY").input_value() == "none"
    page.get_by_label("WHY").fill('<b>it\'s "urgent"</b> ünd')
    page.get_by_label("BACK").check()
    page.get_by_label("TO").select_option("production")
    page.get_by_role("button", name="Build").click()
    until(lambda: client.get_job_info(name)["builds"] and not client.get_build_info(name, 1)["building"])
    page = anna.go(f"/job/{name}/1/")
    until(lambda: '\n<b>it\'s "urgent"</b> ünd/true/production\n' in page.locator("#console").inner_text())
    assert page.locator("b").count() == 0
    assert page.get_by_text("Started by user anna").first.is_visible()


def test_nothing_of_a_job_can_run_a_script_in_the_reader_s_browser(server: Server, anna: Person, name: str) -> None:
    attack = "&lt;script&gt;document.title='taken'&lt;/script&gt;&lt;img src=x onerror=\"document.title='taken'\"&gt;"
    client = server.client()
    client.create_job(name, job(f"cat &lt;&lt;'E'\n{attack}\nE", f"<description>{attack}</description>"))
    client.build_job(name)
    until(lambda: client.get_job_info(name)["builds"] and not client.get_build_info(name, 1)["building"])
    for path in ("/", f"/job/{name}/", f"/job/{name}/1/"):
        page = anna.go(path)
        page.wait_for_load_state("networkidle")
        assert page.title() != "taken"
        assert page.locator("img").count() == 0
    assert "onerror" in page.locator("#console").inner_text()


def test_a_token_is_shown_once_and_works(server: Server, anna: Person) -> None:
    page = anna.go("/user/anna/")
    page.get_by_label("Name of the token").fill("laptop")
    page.get_by_role("button", name="Make a token").click()
    token = page.locator("code").inner_text()
    assert len(token) == 34
    page = anna.go("/user/anna/")
    assert page.get_by_text("laptop").is_visible()
    assert token not in page.content()


AFTER = """name => {
  const own = [...document.querySelectorAll("main li *, main h1 *")].find(element => element.textContent === name);
  const rest = document.createRange();
  rest.setStartAfter(own);
  rest.setEndAfter(own.parentNode.lastChild);
  return rest.getClientRects()[0].left - own.getBoundingClientRect().right;
}"""
"""How far right of a name that which follows it begins: less than nothing where the name turns it round."""


def test_a_name_of_the_other_direction_turns_nothing_around_it(server: Server, anna: Person, name: str) -> None:
    turning = "the\u202ename"
    page = anna.go("/user/anna/")
    page.get_by_label("Name of the token").fill(turning)
    page.get_by_role("button", name="Make a token").click()
    page.locator("code").wait_for()
    page = anna.go("/user/anna/")
    assert page.evaluate(AFTER, turning) > -1
    client = server.client()
    wrapper = "org.jenkinsci.plugins.buildnamesetter.BuildNameSetter"
    naming = f"<buildWrappers><{wrapper}><template>{turning}</template></{wrapper}></buildWrappers>"
    client.create_job(name, job("true", naming))
    client.build_job(name)
    until(lambda: client.get_job_info(name)["builds"] and not client.get_build_info(name, 1)["building"])
    assert client.get_build_info(name, 1)["displayName"] == turning
    assert anna.go(f"/job/{name}/1/").evaluate(AFTER, turning) > -1


def test_the_matrix_of_a_new_delivery_repository_shows_that_nothing_runs(tmp_path: Path) -> None:
    repo = tmp_path / "delivery"
    subprocess.run([sys.executable, "-m", "sluicegate", "init", str(repo)], check=True, capture_output=True)
    with serving(tmp_path / "home", "--delivery", str(repo)) as server, person_at(server.url) as person:
        person.log_in("anna", server.password("anna"))
        page = person.go("/delivery/")
        heads = [cell.split()[0] for cell in page.locator("thead th").all_inner_texts()]
        assert heads == ["Component", "Newest", "integration"]
        assert page.locator("tbody tr td").last.inner_text() == "nothing"
        assert person.complaints == []
