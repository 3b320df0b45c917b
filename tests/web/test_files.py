"""Files that the server hands out or takes away: never another one than is meant, and never whole in memory."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pytest
import requests

from tests.runner.conftest import shell
from tests.web.conftest import Server, ended

ARCHIVE = "<hudson.tasks.ArtifactArchiver><artifacts>**</artifacts></hudson.tasks.ArtifactArchiver>"
SECRET = "hidden outside of the home"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "secret").write_text(SECRET)
    (folder / "deep" / "secret").write_text(SECRET)
    return folder


def built(server: Server, name: str, command: str = "echo x > a.txt", publishers: str = ARCHIVE) -> Path:
    client = server.client()
    client.create_job(name, shell(command, publishers=publishers).decode())
    client.build_job(name)
    ended(client, name)
    return server.home / "jobs" / name / "builds" / "1"


def test_a_zip_of_artifacts_has_nothing_that_a_link_leads_to(server: Server, name: str, outside: Path) -> None:
    folder = built(server, name)
    (folder / "archive" / "soft").symlink_to(outside / "secret")
    (folder / "archive" / "dir").symlink_to(outside / "deep")
    answer = server.session().get(f"{server.url}job/{name}/1/artifact/*zip*/archive.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["archive/a.txt"] and packed.read("archive/a.txt") == b"x\n"


def test_a_zip_of_artifacts_never_has_what_a_swapped_name_leads_to(server: Server, name: str, outside: Path) -> None:
    folder, session = built(server, name), server.session()
    place = folder / "archive" / "swapped"
    content = b"own" * 1000

    def swap() -> None:
        place.unlink(missing_ok=True)
        place.symlink_to(outside / "secret")
        place.unlink()
        place.write_bytes(content)

    import threading

    over = threading.Event()

    def keep_swapping() -> None:
        while not over.is_set():
            swap()

    thread = threading.Thread(target=keep_swapping)
    thread.start()
    try:
        for _ in range(150):
            answer = session.get(f"{server.url}job/{name}/1/artifact/*zip*/archive.zip")
            with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
                assert not any(SECRET.encode() in packed.read(member) for member in packed.namelist())
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("link", ["log", "folder"])
def test_a_log_that_is_a_link_is_not_followed(server: Server, name: str, outside: Path, link: str) -> None:
    folder, session = built(server, name), server.session()
    if link == "log":
        (folder / "log").unlink()
        (folder / "log").symlink_to(outside / "secret")
    else:
        (outside / "log").write_text(SECRET)
        folder.rename(folder.with_name("aside"))
        folder.symlink_to(outside)
    for path in ("consoleText", "logText/progressiveText", "logText/progressiveHtml"):
        answer = session.get(f"{server.url}job/{name}/1/{path}")
        assert answer.status_code in (200, 404) and SECRET not in answer.text


@pytest.mark.parametrize("place", ["config.xml", "scm-polling.log"])
def test_other_files_of_a_job_that_are_links_are_not_followed(
    server: Server, name: str, outside: Path, place: str
) -> None:
    folder, session = built(server, name).parents[1], server.session()
    (folder / place).unlink(missing_ok=True)
    (folder / place).symlink_to(outside / "secret")
    for path in ("config.xml", "scmPollLog", "scmPollLog/pollingLog"):
        assert SECRET not in session.get(f"{server.url}job/{name}/{path}").text


def test_emptying_a_workspace_that_is_a_link_takes_nothing_away(server: Server, name: str, outside: Path) -> None:
    built(server, name, command="true", publishers="")
    workspace = server.home / "workspace" / name
    workspace.rmdir()
    workspace.symlink_to(outside)  # by hand: no build in a sandbox can do that
    answer = server.session().post(f"{server.url}job/{name}/doWipeOutWorkspace")
    assert answer.status_code == 400 and "link" in answer.headers["X-Error"]
    assert (outside / "secret").read_text() == SECRET
    wrapper = "<buildWrappers><hudson.plugins.ws__cleanup.PreBuildCleanup/></buildWrappers>"
    client = server.client()
    client.reconfig_job(name, shell("true", more=wrapper).decode())
    client.build_job(name)
    assert ended(client, name, 2)["result"] == "FAILURE"
    assert (outside / "deep" / "secret").read_text() == SECRET


@pytest.mark.root
def test_a_workspace_that_cannot_be_emptied_is_told(server: Server, name: str) -> None:
    built(server, name, command="mkdir taken; touch left", publishers="")
    workspace = server.home / "workspace" / name
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(workspace / "taken")], check=True)
    try:
        answer = server.session().post(f"{server.url}job/{name}/doWipeOutWorkspace")
    finally:
        subprocess.run(["umount", str(workspace / "taken")], check=True)
    assert answer.status_code == 400 and f"{workspace}/taken cannot be removed" in answer.headers["X-Error"]
    assert [path.name for path in workspace.iterdir()] == ["taken"]


def test_names_behind_a_link_to_what_is_private_are_not_told(server: Server, name: str) -> None:
    """The server may read more than a build: its own secrets, and what else is closed to others."""
    command = f"echo x > a.txt; ln -s {server.home} home; ln -s {server.home}/secrets keys; ln -s {server.home}/x gone"
    built(server, name, command)
    console = server.session().get(f"{server.url}job/{name}/1/consoleText").text
    for link in ("home", "keys", "gone"):
        assert f"WARNING: '{link}' is a link out of the workspace and is left out" in console
    assert console.count("WARNING") == 3 and "session.key" not in console


def test_links_without_number_fill_no_console(server: Server, name: str) -> None:
    """As one link to the whole system does, which refused a hundred thousand names."""
    built(server, name, "echo x > a.txt; set +x; for n in $(seq 150); do ln -s /etc/passwd link$n; done")
    console = server.session().get(f"{server.url}job/{name}/1/consoleText").text
    assert console.count("WARNING: 'link") == 100 and "WARNING: 50 more are left out" in console


DEEP = """python3 - <<'END'
import os
for _ in range(LEVELS):
    os.mkdir("a")
    os.chdir("a")
open("file", "w").close()
END"""


def test_a_tree_deeper_than_calls_go_is_archived_shown_and_removed(server: Server, name: str) -> None:
    folder, session = built(server, name, DEEP.replace("LEVELS", "1200")), server.session()
    job = f"{server.url}job/{name}"
    answer = session.get(f"{job}/1/api/json?tree=result,artifacts[fileName]").json()
    assert answer["result"] == "SUCCESS" and [artifact["fileName"] for artifact in answer["artifacts"]] == ["file"]
    assert session.get(f"{job}/1/artifact/{'a/' * 1200}file").status_code == 200
    assert session.get(f"{job}/1/artifact/*zip*/archive.zip").status_code == 200
    assert session.post(f"{job}/doWipeOutWorkspace").ok
    assert list((server.home / "workspace" / name).iterdir()) == []
    assert session.post(f"{job}/1/doDelete").ok and not folder.exists()


def test_a_tree_deeper_than_paths_go_is_told_and_removed(server: Server, name: str) -> None:
    built(server, name, "echo x > a.txt\n" + DEEP.replace("LEVELS", "3000"))
    session, job = server.session(), f"{server.url}job/{name}"
    assert session.get(f"{job}/1/artifact/a.txt").status_code == 200
    assert "a folder that cannot be read (File name too long)" in session.get(f"{job}/1/consoleText").text
    assert session.post(f"{job}/doWipeOutWorkspace").ok
    assert list((server.home / "workspace" / name).iterdir()) == []


def test_a_hard_link_that_a_build_made_is_a_file(server: Server, name: str) -> None:
    built(server, name, command="echo x > a.txt; ln a.txt b.txt")
    session = server.session()
    for file in ("a.txt", "b.txt"):
        assert session.get(f"{server.url}job/{name}/1/artifact/{file}").content == b"x\n"


def resident(server: Server) -> int:
    """The server's memory at its peak, in bytes."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_consoles_artifacts_and_zips_of_any_size_are_answered_in_little_memory(fresh: Server) -> None:
    folder, session = built(fresh, "big"), fresh.session()
    size = 600 << 20
    for place in (folder / "log", folder / "archive" / "big.bin"):
        with place.open("r+b" if place.exists() else "wb") as stream:
            stream.truncate(size)
    before = resident(fresh)
    base = f"{fresh.url}job/big/1/"
    for path in ("consoleText", "artifact/big.bin", "artifact/*zip*/archive.zip"):
        with session.get(base + path, stream=True) as answer:
            received = sum(len(block) for block in answer.iter_content(1 << 20))
        assert received == size or path.endswith(".zip"), path
    tail = session.get(f"{base}artifact/big.bin", headers={"Range": "bytes=-5"})
    assert (tail.status_code, tail.content) == (206, b"\0" * 5)
    assert resident(fresh) - before < 60 << 20


def test_forms_of_nothing_but_escapes_or_parts_are_read_in_little_memory(fresh: Server) -> None:
    """9 MB of them from anybody with a login took 700 MB, and the others waited."""
    fresh.client().create_job("asks", shell("true", more=PARAMETER).decode())
    session, before = fresh.session(), resident(fresh)
    head = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"A=" + b"%41" * 2_900_000, b'json={"parameter":[' + b"{}," * 2_000_000 + b"{}]}"):
        address = f"{fresh.url}job/asks/buildWithParameters"
        assert session.post(address, data=body, headers=head).status_code == 400
    assert resident(fresh) - before < 120 << 20


@pytest.mark.parametrize("letters", ["a+b c%&=", "é漢🎉" * 40_000, "%" * 70_000, "x" * 65_535 + "%é"])
def test_a_form_of_any_size_means_what_was_written(server: Server, name: str, letters: str) -> None:
    session, address = server.session(), f"{server.url}job/{name}"
    server.client().create_job(name, "<project/>")
    server.client().build_job(name)
    ended(server.client(), name)
    assert session.post(f"{address}/1/submitDescription", data={"description": letters}).ok
    assert session.get(f"{address}/1/api/json?tree=description").json()["description"] == letters


def test_a_progressive_console_comes_in_pieces_that_fit_together(fresh: Server) -> None:
    folder, session = built(fresh, "talks", command="true"), fresh.session()
    text = "".join(f"{number} åäö 漢字\n" for number in range(200_000)).encode()
    (folder / "log").write_bytes(text)
    received, start, more = b"", 0, "true"
    while more:
        answer = session.get(f"{fresh.url}job/talks/1/logText/progressiveText?start={start}")
        assert len(answer.content) <= 1 << 20
        received += answer.content
        start, more = int(answer.headers["X-Text-Size"]), answer.headers.get("X-More-Data", "")
        answer.content.decode()
    assert received == text


def test_notes_of_a_real_jenkins_are_left_out_wherever_a_block_ends(fresh: Server) -> None:
    folder, session = built(fresh, "noted", command="true"), fresh.session()
    note = b"\x1b[8mha:" + b"A" * 3000 + b"\x1b[0m"
    line = b"x" * 1021 + note + b"\x1b[31mred\x1b[0m\n"
    (folder / "log").write_bytes(line * 800)
    assert session.get(f"{fresh.url}job/noted/1/consoleText").content == line.replace(note, b"") * 800


def test_bytes_that_are_no_text_make_no_page_fail(server: Server, name: str) -> None:
    session = server.session()
    built(server, name, command="printf x > \"$(printf 'caf\\351 \\377.txt')\"")
    session.post(
        f"{server.url}job/{name}/1/submitDescription",
        data=b"description=caf%E9%FF",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    html = {"Accept": "text/html"}
    for path in ("", f"job/{name}/", f"job/{name}/1/", f"job/{name}/1/api/json", f"job/{name}/1/api/xml"):
        assert session.get(server.url + path, headers=html).status_code == 200, path
    assert session.get(f"{server.url}job/{name}/1/artifact/caf%E9%20%FF.txt").content == b"x"
    packed = session.get(f"{server.url}job/{name}/1/artifact/*zip*/archive.zip")
    assert len(zipfile.ZipFile(io.BytesIO(packed.content)).namelist()) == 1


PARAMETER = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions><hudson.model.StringParameterDefinition>"
    "<name>A</name><defaultValue/></hudson.model.StringParameterDefinition></parameterDefinitions>"
    "</hudson.model.ParametersDefinitionProperty></properties>"
)


def test_a_parameter_of_bytes_that_are_no_text_reaches_the_build_and_breaks_no_page(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    client.create_job(name, shell('printf %s "$A" | od -An -tx1', more=PARAMETER).decode())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        session.post(f"{server.url}job/{name}/buildWithParameters", data=b"A=%E9%FF", headers=form).status_code == 201
    )
    assert ended(client, name)["result"] == "SUCCESS"
    assert "e9 ff" in client.get_build_console_output(name, 1)
    html = {"Accept": "text/html"}
    for path in (f"job/{name}/1/", f"job/{name}/", f"job/{name}/1/api/json", "queue/", "queue/api/json"):
        assert session.get(server.url + path, headers=html).status_code == 200, path


FILE = PARAMETER.replace("StringParameter", "FileParameter").replace("<defaultValue/>", "")


@pytest.mark.parametrize("form", ["by name", "of a Jenkins"])
def test_an_uploaded_file_is_in_the_workspace_of_its_build(server: Server, name: str, form: str) -> None:
    client, session = server.client(), server.session()
    client.create_job(name, shell("od -An -tx1 A; echo named $A", more=FILE).decode())
    assert 'type="file"' in session.get(f"{server.url}job/{name}/build", headers={"Accept": "text/html"}).text
    part, data = "A", {}
    if form == "of a Jenkins":
        part, data = "file0", {"json": '{"parameter": {"name": "A", "file": "file0"}}'}
    files = {part: ("my key.bin", b"\x00\xff")}
    answer = session.post(f"{server.url}job/{name}/buildWithParameters", data=data, files=files)
    assert answer.status_code == 201
    assert ended(client, name)["result"] == "SUCCESS"
    console = client.get_build_console_output(name, 1)
    assert "00 ff" in console and "named my key.bin" in console


def test_an_accepted_file_survives_a_kill_of_the_server(fresh: Server, name: str) -> None:
    fresh.client().create_job(name, shell("cat A", more=FILE, quiet=3).decode())
    fresh.session().post(f"{fresh.url}job/{name}/buildWithParameters", files={"A": ("a", b"kept all the same")})
    fresh.kill()
    fresh.start()
    assert ended(fresh.client(), name)["result"] == "SUCCESS"
    assert "kept all the same" in fresh.client().get_build_console_output(name, 1)


def test_a_form_that_breaks_off_starts_nothing(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    string = "<hudson.model.StringParameterDefinition><name>TO</name><defaultValue>integration</defaultValue>"
    declared = f"<hudson.model.ParametersDefinitionProperty><parameterDefinitions>{string}"
    declared += "</hudson.model.StringParameterDefinition></parameterDefinitions>"
    declared += "</hudson.model.ParametersDefinitionProperty>"
    client.create_job(name, shell("echo to=$TO", more=f"<properties>{declared}</properties>").decode())
    part = b'--B\r\nContent-Disposition: form-data; name="TO"\r\n\r\nstaging'
    kind = {"content-type": 'multipart/form-data; boundary="B"'}
    for end, status in ((b"", 400), (b"\r\n--B", 400), (b"\r\n--B--", 201), (b"\r\n--B--\r\nafter", 201)):
        answer = session.post(
            f"{server.url}job/{name}/buildWithParameters", data=part + end, headers=kind, allow_redirects=False
        )
        assert answer.status_code in (status, 303 if status == 201 else status), (end, answer.text)
    ended(client, name)
    console = client.get_build_console_output(name, 1)
    assert "to=staging" in console


@pytest.mark.parametrize("place", ["../A", "/tmp/A", "a/../../A"])
def test_a_file_parameter_that_would_lie_outside_is_refused(server: Server, name: str, place: str) -> None:
    server.client().create_job(name, shell("true", more=FILE.replace("<name>A<", f"<name>{place}<")).decode())
    files = {place: ("a", b"x")}
    answer = server.session().post(f"{server.url}job/{name}/buildWithParameters", files=files)
    assert answer.status_code == 400 and "outside the workspace" in answer.text


@pytest.mark.parametrize(
    "cookie", [b"JSESSIONID=\xe9\xff", b"JSESSIONID=.9e99.x.\xe9", b"JSESSIONID=61.1e9999.x.y", b"\xff"]
)
def test_a_cookie_of_bytes_that_are_no_text_is_no_login(server: Server, cookie: bytes) -> None:
    from tests.web.test_security import raw

    request = b"GET /api/json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: " + cookie + b"\r\n\r\n"
    assert raw(server, request).split(b" ", 2)[1] == b"403"


def test_a_crumb_of_bytes_that_are_no_text_is_no_crumb(server: Server, name: str) -> None:
    answer = requests.post(
        f"{server.url}createView",
        data=b"Jenkins-Crumb=%E9%FF",
        auth=("admin", server.password("admin")),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 403


@pytest.mark.timeout(60)
def test_a_pattern_of_a_view_stops_nobody(server: Server, name: str) -> None:
    session = server.session()
    for number in range(3):
        session.post(f"{server.url}createItem?name={name}-{'a' * 60}{number}", data=shell("true"))
    view = "<listView><name>v</name><jobNames><string>{}</string></jobNames><includeRegex>{}</includeRegex></listView>"
    listed = f"{name}-{'a' * 60}1"
    answer = session.post(f"{server.url}createView?name={name}", data=view.format(listed, "([a-z0-9-]+)+[A-Z]"))
    assert answer.status_code == 200
    for path in (f"view/{name}/api/json", f"view/{name}/", "api/json?tree=views[name,jobs[name]]"):
        answer = session.get(server.url + path, headers={"Accept": "text/html"}, timeout=10)
        assert answer.status_code == 200 and listed in answer.text
