"""Who may do what: read < build < configure < administer, everywhere or in a folder, for users and groups."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.runner.conftest import shell
from tests.web.conftest import Server, ended, serving

FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder/>"
TOKEN = "<authToken>open-sesame</authToken>"


@pytest.fixture
def peopled(tmp_path: Path) -> object:
    """A server with a user for each right: anna builds, jobs configures, olle reads, stranger may nothing."""
    with serving(tmp_path / "home", "--user", "olle", "--user", "stranger", "--user", "boss=administer") as server:
        client = server.client()
        client.create_job("team", FOLDER)
        for name in ("team/inner", "outer"):
            client.create_job(name, shell("true", more=TOKEN).decode())
        yield server


def rule(server: Server, text: str) -> None:
    (server.home / "rights.yaml").write_text(text)


ADMIN = "- {who: admin, may: administer}\n"
CHANGES = [
    ("createItem?name=new", 403, 200),
    ("createView?name=new&mode=hudson.model.ListView", 403, 302),
    ("job/outer/config.xml", 403, 200),
    ("job/outer/disable", 403, 302),
    ("job/outer/doRename?newName=other", 403, 302),
    ("job/team/job/inner/doDelete", 403, 302),
]


@pytest.mark.parametrize(("path", "builder", "keeper"), CHANGES, ids=lambda value: str(value).split("?")[0])
def test_only_who_may_configure_changes_jobs(peopled: Server, path: str, builder: int, keeper: int) -> None:
    content = shell("true") if ("?name=new" in path and "View" not in path) or path.endswith("xml") else b""
    for user, status in (("anna", builder), ("jobs", keeper)):
        answer = peopled.session(user).post(peopled.url + path, data=content, allow_redirects=False)
        assert answer.status_code == status, (user, answer.text)
    assert "missing the Job/Configure permission" in peopled.session("anna").post(peopled.url + CHANGES[0][0]).text


def test_a_new_user_builds_and_stops_and_reads_no_configuration(peopled: Server) -> None:
    anna = peopled.session("anna")
    assert anna.post(f"{peopled.url}job/outer/build").status_code == 201
    ended(peopled.client(), "outer")
    assert anna.post(f"{peopled.url}job/outer/1/stop").status_code == 200
    assert anna.get(f"{peopled.url}job/outer/config.xml").status_code == 403
    for path in ("quietDown", "scriptText", "computer/(built-in)/toggleOffline", "user/admin/" + NEW):
        assert anna.post(peopled.url + path).status_code == 403, path
    assert peopled.session("jobs").post(f"{peopled.url}quietDown").status_code == 403
    assert peopled.session("boss").post(f"{peopled.url}quietDown").status_code == 200


NEW = "descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"


def test_who_reads_a_folder_sees_that_folder_alone(peopled: Server) -> None:
    rule(peopled, ADMIN + "- {who: olle, may: read, in: team}\n")
    olle = peopled.session("olle")
    assert [job["name"] for job in olle.get(f"{peopled.url}api/json").json()["jobs"]] == ["team"]
    assert "outer" not in olle.get(peopled.url, headers={"Accept": "text/html"}).text
    assert olle.get(f"{peopled.url}job/team/job/inner/api/json").status_code == 200
    assert olle.get(f"{peopled.url}job/outer/api/json").status_code == 404
    assert olle.post(f"{peopled.url}job/team/job/inner/build").status_code == 403
    peopled.session().post(f"{peopled.url}quietDown")
    for job in ("outer", "team/job/inner"):
        peopled.session().post(f"{peopled.url}job/{job}/build")
    waiting = olle.get(f"{peopled.url}queue/api/json").json()["items"]
    assert [queued["task"]["name"] for queued in waiting] == ["inner"]
    assert "outer" not in olle.get(f"{peopled.url}queue/", headers={"Accept": "text/html"}).text
    assert olle.post(f"{peopled.url}queue/cancelItem?id={waiting[0]['id']}").status_code == 403


COPYING = (
    "<project><quietPeriod>0</quietPeriod><properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
    "<hudson.model.StringParameterDefinition><name>FROM</name></hudson.model.StringParameterDefinition>"
    "</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties><builders>"
    "<hudson.plugins.copyartifact.CopyArtifact><project>${FROM}</project>"
    "<selector class='hudson.plugins.copyartifact.StatusBuildSelector'/></hudson.plugins.copyartifact.CopyArtifact>"
    "<hudson.tasks.Shell><command>cat word</command></hudson.tasks.Shell></builders></project>"
)
CHAIN = (
    "<project><quietPeriod>0</quietPeriod><builders><hudson.plugins.parameterizedtrigger.TriggerBuilder><configs>"
    "<hudson.plugins.parameterizedtrigger.BlockableBuildTriggerConfig><configs>"
    "<hudson.plugins.parameterizedtrigger.PredefinedBuildParameters><properties>FROM=/outer</properties>"
    "</hudson.plugins.parameterizedtrigger.PredefinedBuildParameters></configs><projects>copying</projects><block/>"
    "</hudson.plugins.parameterizedtrigger.BlockableBuildTriggerConfig></configs>"
    "</hudson.plugins.parameterizedtrigger.TriggerBuilder></builders></project>"
)


def test_a_job_that_copies_what_a_parameter_names_opens_nothing_to_who_starts_it(peopled: Server) -> None:
    archiving = "<hudson.tasks.ArtifactArchiver><artifacts>word</artifacts></hudson.tasks.ArtifactArchiver>"
    client = peopled.client()
    client.reconfig_job("outer", shell("printf %s ses ame > word", publishers=archiving).decode())
    client.create_job("team/copying", COPYING)
    client.create_job("team/chain", CHAIN)
    client.build_job("outer")
    ended(client, "outer")
    rule(peopled, ADMIN + "- {who: olle, may: build, in: team}\n")
    url = f"{peopled.url}job/team/job/copying/"
    for number, (who, tells) in enumerate([("olle", False), ("admin", True)], start=1):
        assert peopled.session(who).post(f"{url}buildWithParameters", data={"FROM": "/outer"}).status_code == 201
        ended(client, "team/copying", number)
        printed = peopled.session().get(f"{url}{number}/consoleText").text
        assert ("sesame" in printed) is tells, printed
        assert ("Unable to find project for artifact copy: ${FROM}" in printed) is not tells, printed
    # Nor by a job between.
    assert peopled.session("olle").post(f"{peopled.url}job/team/job/chain/build").status_code == 201
    ended(client, "team/copying", 3)
    assert "sesame" not in peopled.session().get(f"{url}3/consoleText").text


def test_a_group_configures_its_folder_and_no_other(peopled: Server) -> None:
    rule(peopled, ADMIN + '- {group: qa, members: [olle]}\n- {who: "@qa", may: configure, in: team}\n')
    olle = peopled.session("olle")
    assert olle.post(f"{peopled.url}job/team/createItem?name=own", data=shell("true")).status_code == 200
    assert olle.post(f"{peopled.url}createItem?name=own", data=shell("true")).status_code == 403
    assert olle.get(f"{peopled.url}job/team/job/own/config.xml").status_code == 200
    answer = olle.post(f"{peopled.url}job/team/createItem?name=copy&mode=copy&from=/outer")
    assert answer.status_code in (400, 403, 404), "a copy would show the configuration of another's job"


def test_without_a_rule_a_user_sees_nothing(peopled: Server) -> None:
    rule(peopled, ADMIN)
    stranger = peopled.session("stranger")
    assert stranger.get(f"{peopled.url}api/json").status_code == 403
    assert stranger.get(f"{peopled.url}job/outer/api/json").status_code in (403, 404)


def test_a_job_s_token_lets_a_reader_build_by_post_and_nobody_else(peopled: Server) -> None:
    rule(peopled, ADMIN + "- {who: olle, may: read}\n")
    olle, url = peopled.session("olle"), f"{peopled.url}job/outer/build?token="
    assert olle.post(f"{url}wrong").status_code == 403
    assert olle.get(f"{url}open-sesame").status_code == 405
    assert olle.post(f"{url}open-sesame").status_code == 201
    assert requests.post(f"{url}open-sesame").status_code == 403
    rule(peopled, ADMIN + "- {who: anonymous, may: read}\n")
    assert requests.post(f"{url}wrong").status_code == 403
    assert requests.post(f"{url}open-sesame").status_code == 201


def test_a_mistake_in_the_rules_leaves_those_from_before_in_force(peopled: Server) -> None:
    rule(peopled, "- {who: anna, may: everything}\n")
    assert peopled.session("anna").post(f"{peopled.url}job/outer/build").status_code == 201
    assert peopled.session("anna").post(f"{peopled.url}createItem?name=x", data=shell("true")).status_code == 403
    rule(peopled, ADMIN)
    assert peopled.session("anna").post(f"{peopled.url}job/outer/build").status_code in (403, 404)


def test_users_of_a_home_from_before_stay_administrators(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server:
        server.stop()
        (server.home / "rights.yaml").unlink()
        server.start()
        assert server.session("anna").post(f"{server.url}quietDown").status_code == 200
        assert "anna" in (server.home / "rights.yaml").read_text()
