"""The server as python-jenkins sees it."""

from __future__ import annotations

import jenkins
import pytest

from tests.runner.conftest import shell
from tests.web.conftest import Server, ended, until

PARAMETERS = """<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>
<hudson.model.StringParameterDefinition><name>TEXT</name><defaultValue>x</defaultValue>
</hudson.model.StringParameterDefinition>
<hudson.model.BooleanParameterDefinition><name>DRY</name><defaultValue>true</defaultValue>
</hudson.model.BooleanParameterDefinition>
<hudson.model.ChoiceParameterDefinition><name>PLACE</name><choices class="java.util.Arrays$ArrayList">
<a class="string-array"><string>here</string><string>there</string></a></choices>
</hudson.model.ChoiceParameterDefinition>
</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>"""
ARCHIVE = """<hudson.tasks.ArtifactArchiver><artifacts>out/**</artifacts><fingerprint>true</fingerprint>
</hudson.tasks.ArtifactArchiver>"""
JUNIT = """<hudson.tasks.junit.JUnitResultArchiver><testResults>*.xml</testResults>
</hudson.tasks.junit.JUnitResultArchiver>"""


def text(content: bytes) -> str:
    return content.decode()


def test_a_job_is_created_read_changed_renamed_copied_and_deleted(server: Server, name: str) -> None:
    client = server.client()
    config = "<?xml version='1.0' encoding='utf-8'?>\n<project><x plugin=\"y@1\">  kept </x>"
    config += "<description>d</description></project>\n"
    client.create_job(name, config)
    assert client.get_job_config(name) == config
    assert (server.home / "jobs" / name / "config.xml").read_text() == config
    changed = config.replace(">d<", ">e<")
    client.reconfig_job(name, changed)
    assert client.get_job_info(name)["description"] == "e"
    client.disable_job(name)
    assert client.get_job_info(name)["color"] == "disabled"
    client.enable_job(name)
    client.copy_job(name, f"{name}-copy")
    client.rename_job(f"{name}-copy", f"{name}-new")
    assert client.job_exists(f"{name}-new") and not client.job_exists(f"{name}-copy")
    client.delete_job(f"{name}-new")
    client.delete_job(name)
    assert not client.job_exists(name)
    assert not (server.home / "jobs" / name).exists()


def test_a_trigger_that_is_merged_says_so_and_names_the_item_that_waits(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    client.create_job(name, text(shell("true", more=PARAMETERS, quiet=60)))
    item = client.build_job(name, {"TEXT": "x"})
    url = f"{server.url}job/{name}/buildWithParameters"
    merged = session.post(url, data={"TEXT": "x"}, allow_redirects=False)
    assert merged.status_code == 303 and merged.headers["Location"] == f"{server.url}queue/item/{item}/"
    assert session.get(merged.headers["Location"], headers={"Accept": "text/html"}).status_code == 200
    assert client.build_job(name, {"TEXT": "x"}) == item
    assert session.post(url, data={"TEXT": "y"}, allow_redirects=False).status_code == 201
    form = {"json": '{"parameter": {"name": "TEXT", "value": "x"}}'}
    assert session.post(f"{server.url}job/{name}/build", data=form, allow_redirects=False).status_code == 201
    client.cancel_queue(item)


def test_a_build_with_parameters_is_followed_to_its_end(server: Server, name: str) -> None:
    client = server.client()
    client.create_job(name, text(shell('echo "$TEXT"; echo $DRY $PLACE', more=PARAMETERS)))
    value = "a\nb 'c' \"d\" $(id) `id` ${HOME}"
    item = client.build_job(name, {"TEXT": value, "PLACE": "there", "UNKNOWN": "dropped"})
    until(lambda: client.get_queue_item(item).get("executable"))
    info = ended(client, name)
    assert info["result"] == "SUCCESS" and info["queueId"] == item
    actions = {action["_class"]: action for action in info["actions"] if action}  # type: ignore[attr-defined]
    values = {
        parameter["name"]: parameter["value"] for parameter in actions["hudson.model.ParametersAction"]["parameters"]
    }
    assert values == {"TEXT": value, "DRY": True, "PLACE": "there"}
    cause = actions["hudson.model.CauseAction"]["causes"][0]
    assert cause["userId"] == "admin" and cause["_class"] == "hudson.model.Cause$UserIdCause"
    console = client.get_build_console_output(name, 1)
    assert console.startswith("Started by user admin\n") and console.endswith("Finished: SUCCESS\n")
    assert value in console and "true there" in console
    assert client.get_job_info(name)["lastSuccessfulBuild"]["number"] == 1


def test_a_choice_that_does_not_exist_is_refused(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    client.create_job(name, text(shell("true", more=PARAMETERS)))
    answer = session.post(f"{server.url}job/{name}/buildWithParameters", data={"PLACE": "moon"})
    assert answer.status_code == 400 and "PLACE" in answer.headers["X-Error"]
    assert session.post(f"{server.url}job/{name}/build").status_code == 400


def test_artifacts_and_fingerprints(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    command = "mkdir -p 'out/with space'; echo hello > 'out/with space/a.txt'; echo '<script>' > out/b.html"
    client.create_job(name, text(shell(command, publishers=ARCHIVE)))
    client.build_job(name)
    info = ended(client, name)
    assert [artifact["relativePath"] for artifact in info["artifacts"]] == ["out/b.html", "out/with space/a.txt"]  # type: ignore[attr-defined]
    base = f"{server.url}job/{name}/1/artifact/"
    assert session.get(f"{base}out/with%20space/a.txt").content == b"hello\n"
    ranged = session.get(f"{base}out/with%20space/a.txt", headers={"Range": "bytes=1-2"})
    assert (ranged.status_code, ranged.content, ranged.headers["Content-Range"]) == (206, b"el", "bytes 1-2/6")
    page = session.get(f"{base}out/b.html")
    assert "sandbox" in page.headers["Content-Security-Policy"] and "attachment" in page.headers["Content-Disposition"]
    assert session.get(f"{base}*zip*/archive.zip").content[:2] == b"PK"
    mark = client.get_build_info(name, 1, depth=1)
    assert mark["number"] == 1
    fingerprint = session.get(f"{server.url}fingerprint/b1946ac92492d2347c6235b4d2611184/api/json").json()
    assert fingerprint["fileName"] == "a.txt" and name in [usage["name"] for usage in fingerprint["usage"]]


def test_the_test_report(server: Server, name: str) -> None:
    client = server.client()
    report = '<testsuite name="s"><testcase classname="c" name="ok"/>'
    report += '<testcase name="no"><failure message="m">t</failure></testcase></testsuite>'
    client.create_job(name, text(shell(f"cat > r.xml <<'END'\n{report}\nEND\n", publishers=JUNIT)))
    client.build_job(name)
    assert ended(client, name)["result"] == "UNSTABLE"
    test_report = client.get_build_test_report(name, 1)
    assert (test_report["passCount"], test_report["failCount"], test_report["skipCount"]) == (1, 1, 0)
    assert [case["status"] for case in test_report["suites"][0]["cases"]] == ["PASSED", "FAILED"]
    client.create_job(f"{name}-none", text(shell("true")))
    client.build_job(f"{name}-none")
    ended(client, f"{name}-none")
    assert client.get_build_test_report(f"{name}-none", 1) is None


def test_the_progressive_console_says_when_more_can_come(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    client.create_job(name, text(shell("echo å; sleep 0.8; echo end")))
    client.build_job(name)
    url = f"{server.url}job/{name}/1/logText/progressiveText"
    until(lambda: session.get(url).status_code == 200 and "+ sleep" in session.get(url).text)
    first = session.get(url, params={"start": 0})
    assert first.headers["X-More-Data"] == "true"
    size = int(first.headers["X-Text-Size"])
    ended(client, name)
    rest = session.post(url, data={"start": size})
    assert rest.text.endswith("Finished: SUCCESS\n") and "X-More-Data" not in rest.headers
    beyond = session.get(url, params={"start": 10**9})
    assert beyond.content == b"" and beyond.headers["X-Text-Size"] == rest.headers["X-Text-Size"]


def test_the_queue_shows_merges_and_cancels(server: Server, name: str) -> None:
    client = server.client()
    client.create_job(name, text(shell("true", quiet=60)))
    item = client.build_job(name)
    assert client.build_job(name) == item
    (shown,) = [queued for queued in client.get_queue_info() if queued["task"]["name"] == name]
    assert shown["why"].startswith("In the quiet period. Expires in ") and len(shown["actions"][0]["causes"]) == 2
    client.cancel_queue(item)
    assert client.get_queue_item(item)["cancelled"] is True
    with pytest.raises(jenkins.JenkinsException):
        client.get_queue_item(10**9)


def test_a_running_build_is_stopped(server: Server, name: str) -> None:
    client = server.client()
    client.create_job(name, text(shell("sleep 60")))
    client.build_job(name)

    def sleeping() -> bool:
        try:
            return "sleep" in client.get_build_console_output(name, 1)
        except jenkins.JenkinsException:  # to python-jenkins a build whose console is still empty does not exist
            return False

    until(sleeping)
    client.stop_build(name, 1)
    assert ended(client, name)["result"] == "ABORTED"
    client.stop_build(name, 1)
    assert client.get_job_info(name)["color"] == "aborted"


def test_the_cause_of_a_downstream_build_names_the_upstream_build(server: Server, name: str) -> None:
    client = server.client()
    trigger = f"<hudson.tasks.BuildTrigger><childProjects>{name}-down</childProjects></hudson.tasks.BuildTrigger>"
    client.create_job(f"{name}-down", text(shell("true")))
    client.create_job(name, text(shell("true", publishers=trigger)))
    assert [project["name"] for project in client.get_job_info(name)["downstreamProjects"]] == [f"{name}-down"]
    assert [project["name"] for project in client.get_job_info(f"{name}-down")["upstreamProjects"]] == [name]
    client.build_job(name)
    cause = ended(client, f"{name}-down")["actions"][0]["causes"][0]  # type: ignore[index]
    assert (cause["upstreamProject"], cause["upstreamBuild"], cause["upstreamUrl"]) == (name, 1, f"job/{name}/")


def test_folders_hold_jobs(server: Server, name: str) -> None:
    client = server.client()
    client.create_folder(name)
    client.create_job(f"{name}/inner", text(shell('echo "$JOB_NAME $JOB_BASE_NAME"')))
    client.build_job(f"{name}/inner")
    assert ended(client, f"{name}/inner")["fullDisplayName"] == f"{name} » inner #1"
    assert f"{name}/inner inner" in client.get_build_console_output(f"{name}/inner", 1)
    assert f"{name}/inner" in [job["fullname"] for job in client.get_all_jobs()]
    with pytest.raises(jenkins.JenkinsException):
        client.create_job(f"{name}-missing/inner", text(shell("true")))
    client.delete_job(name)
    assert not client.job_exists(f"{name}/inner")


def test_views_are_kept(server: Server, name: str) -> None:
    client = server.client()
    client.create_job(name, text(shell("true")))
    config = (
        f"<hudson.model.ListView><name>v</name><jobNames><string>{name}</string></jobNames></hudson.model.ListView>"
    )
    client.create_view(name, config)
    assert client.get_view_config(name) == config
    assert [job["name"] for job in client.get_jobs(view_name=name)] == [name]
    client.delete_view(name)
    assert not client.view_exists(name)


def test_version_user_nodes_and_plugins(server: Server) -> None:
    client = server.client("anna")
    assert client.get_version() == "2.568.2"
    assert client.get_whoami()["id"] == "anna"
    assert client.get_nodes() == [{"name": "Built-In Node", "offline": False}]
    assert "git" in [plugin["shortName"] for plugin in client.get_plugins_info()]
    with pytest.raises(jenkins.JenkinsException, match="no Groovy"):
        client.run_script("println 1")


def test_refusals_have_the_words_of_a_real_jenkins(server: Server, name: str) -> None:
    session = server.session()
    url = f"{server.url}createItem"
    assert session.post(url, params={"name": name}, data=shell("true")).status_code == 200
    refusals = [
        session.post(url, params={"name": name_sent, **more}, data=shell("true")).headers["X-Error"]
        for name_sent, more in ((name, {}), ("a@b", {}), ("..", {}), (f"{name}-copy", {"mode": "copy", "from": "nope"}))
    ]
    assert refusals == [
        f"A job already exists with the name  {name}",
        "@  is an unsafe character",
        "..  is not an allowed name",
        "No such job: nope",
    ]
    assert session.post(f"{server.url}job/{name}/disable", allow_redirects=False).headers["Location"] == f"/job/{name}/"
    assert session.post(f"{server.url}job/{name}/build").status_code == 409


@pytest.mark.parametrize("mode", ["hudson.model.FreeStyleProject", "hudson.matrix.MatrixProject"])
def test_the_form_for_a_new_job_makes_an_empty_one_that_builds(server: Server, name: str, mode: str) -> None:
    session = server.session()
    response = session.post(f"{server.url}createItem", data={"name": name, "mode": mode}, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (302, f"/job/{name}/configure")
    job = session.get(f"{server.url}job/{name}/api/json").json()
    assert (job["_class"], job["color"], job["buildable"]) == (mode, "notbuilt", True)
    assert session.post(f"{server.url}job/{name}/build?delay=0sec").status_code == 201
    refused = session.post(f"{server.url}createItem", data={"name": f"{name}-2", "mode": "org.example.Unknown"})
    assert refused.status_code == 400 and "hudson.model.FreeStyleProject" in refused.headers["X-Error"]


@pytest.mark.parametrize(
    ("delay", "status"),
    [("0sec", 201), ("0", 201), ("5s", 201), ("2000ms", 400), ("1min", 400), ("x", 400), ("-1", 400)],
)
def test_a_delay_is_seconds_or_refused(server: Server, name: str, delay: str, status: int) -> None:
    session = server.session()
    session.post(f"{server.url}createItem", params={"name": name}, data=shell("true"))
    answer = session.post(f"{server.url}job/{name}/build", params={"delay": delay})
    assert answer.status_code == status
    assert status == 201 or "expected seconds" in answer.headers["X-Error"]


def test_xml_and_python_spellings(server: Server, name: str) -> None:
    session = server.session()
    session.post(f"{server.url}createItem", params={"name": name}, data=shell("true"))
    base = f"{server.url}job/{name}/api/"
    assert session.get(f"{base}python?tree=name,disabled,lastBuild").text.endswith('"lastBuild":None,"disabled":False}')
    assert session.get(f"{base}xml?xpath=/freeStyleProject/name/text()").text == name
    assert session.get(f"{base}xml?xpath=//nope").status_code == 404
    # The line that scripts with curl send as a header.
    line = session.get(f'{server.url}crumbIssuer/api/xml?xpath=concat(//crumbRequestField,":",//crumb)')
    assert line.text == f"Jenkins-Crumb:{session.get(f'{server.url}crumbIssuer/api/json').json()['crumb']}"
    assert line.headers["content-type"].startswith("text/plain")
    assert session.get(f"{base}json?tree=builds[number]{{0,1}},name").json()["builds"] == []
    assert session.head(f"{base}json").status_code == 200
