"""`run` on trees of jobs: where jobs stand, which can run here, and what is given to all builds."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.cli.main import run
from tests.cli.test_shapes import ANSWERS, misfit

Said = tuple[int, str, str]
Ran = Callable[..., Said]
XML = (
    b"<project><builders><hudson.tasks.Shell><command>echo from xml</command></hudson.tasks.Shell></builders></project>"
)
BAD = b"<project><builders><com.example.Strange/><com.example.Other/></builders></project>"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ran:
    """Runs a command in an empty folder; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Said:
        capfd.readouterr()
        try:
            code = run([*words])
        except SystemExit as ended:  # with a build's result
            code = int(str(ended.code))
        return code, *capfd.readouterr()

    return call


def write(path: str, text: str) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def test_jobs_stand_in_yaml_and_in_config_xml_of_every_layout(ran: Ran) -> None:
    write("tree/jobs.yaml", "- job: {name: from-yaml}")
    for path in ("plain/config.xml", "named.xml", "rendered-1.2", "home/jobs/team/jobs/inner/config.xml"):
        write(f"tree/{path}", f"<?xml version='1.1' encoding='UTF-8'?>\n{XML.decode()}")
    write("tree/maven/pom.xml", '<project xmlns="http://maven.apache.org/POM/4.0.0"/>')
    write("tree/ant/build.xml", '<project name="x" default="y"/>')
    write("tree/view.xml", "<hudson.model.ListView/>")
    write("tree/home/jobs/team/jobs/inner/builds/1/build.xml", "<project/>")
    for root in ("hudson", "user", "slave"):
        write(f"tree/home/{root}/config.xml", f"<?xml version='1.1'?>\n<{root}/>")
    code, out, _ = ran("run", "tree", "--list")
    names = ["from-yaml", "home/jobs/team/jobs/inner", "named", "plain", "rendered-1.2"]
    assert (code, sorted(out.split())) == (0, names)
    assert sorted(ran("run", "tree/home:tree/named.xml", "--list")[1].split()) == ["named", "team/inner"]
    assert "from xml" in ran("run", "tree", "plain")[1]


def test_subfolders_are_read_with_r_and_said_without(ran: Ran) -> None:
    write("tree/top.yaml", "- job: {name: top}")
    write("tree/team/inner.yaml", "- job: {name: inner, builders: [nosuchmacro]}")
    write("tree/old/older.yaml", "- job: {name: older}")
    code, _, err = ran("run", "tree", "inner", "--plan")
    assert code == 2 and "its subfolders hold 2 YAML files: give -r" in err
    assert ran("run", "tree", "-r", "-x", "old", "--list")[1].split() == ["top", "inner"]
    for command in (("jobs", "check", "-r", "tree"), ("run", "-r", "tree", "inner", "--plan")):
        code, _, err = ran(*command)
        assert code == 2 and "team/inner.yaml:1" in err
    write("jenkins_jobs.ini", "[job_builder]\nrecursive=True\nexclude=old\n")
    assert ran("run", "tree", "--list")[1].split() == ["top", "inner"]


def test_the_ini_of_the_folder_or_of_conf_is_obeyed(ran: Ran) -> None:
    write("jobs/a.yaml", "- job: {name: first, builders: &common [{shell: 'echo common'}]}")
    write("jobs/b.yaml", "- job: {name: second, builders: *common}")
    assert ran("jobs", "check", "jobs")[0] == 2
    write("other.ini", "[job_builder]\nretain_anchors=True\n")
    assert ran("jobs", "check", "jobs", "--conf", "other.ini")[1] == "all is well: 2 jobs\n"
    Path("other.ini").rename("jenkins_jobs.ini")
    assert ran("jobs", "check", "jobs")[1] == "all is well: 2 jobs\n"
    write("jobs/a2.yaml", "- job: {name: [\n")
    code, _, err = ran("run", "jobs", "second")
    assert code == 0 and "a2.yaml:2:1" in err


def test_standard_input_is_yaml_or_xml(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"- job: {name: x, builders: [{shell: 'echo from yaml'}]}", XML):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        code, out, _ = ran("run", "-")
        assert code == 0 and f"from {'xml' if content is XML else 'yaml'}" in out


def test_a_mistake_in_another_job_does_not_keep_a_job_from_running(ran: Ran) -> None:
    write("jobs.yaml", "- job: {name: a, builders: [{shell: 'echo good'}]}\n- job: {name: b, triggers: [zuul]}\n")
    assert ran("run", "jobs.yaml", "a")[0] == 0
    code, _, err = ran("run", "jobs.yaml", "b")
    assert code == 2 and "jobs.yaml:2:3" in err and "zuul" in err


def test_a_plan_of_many_tells_each_job_and_what_stands_in_the_way(ran: Ran) -> None:
    remote = "<hudson.plugins.git.UserRemoteConfig><url>$GIT_BASE/x</url></hudson.plugins.git.UserRemoteConfig>"
    git = f'<scm class="hudson.plugins.git.GitSCM"><userRemoteConfigs>{remote}</userRemoteConfigs></scm>'
    write("tree/good.xml", XML.decode().replace("<builders>", f"<assignedNode>arm64</assignedNode>{git}<builders>"))
    write("tree/bad.xml", BAD.decode())
    write("tree/worse.xml", BAD.decode().replace("<com.example.Other/>", ""))
    write("tree/broken/config.xml", "<project>&nosuch;</project>")
    write("tree/empty/config.xml", "")
    write("tree/cut/config.xml", "<proj")
    code, out, _ = ran("run", "tree", "--plan", "--json")
    rows = {row["job"]: row for row in map(json.loads, out.splitlines())}
    assert [misfit(row, ANSWERS["run --plan"]) for row in rows.values()] == [""] * len(rows)
    assert code == 0 and [name for name in rows if rows[name]["runnable"]] == ["good"]
    assert len(rows["bad"]["reasons"]) == 2 and "<com.example.Strange>" in rows["bad"]["reasons"][0]
    assert all("not well-formed" in rows[name]["reasons"][0] for name in ("broken", "empty", "cut"))
    assert [word in " ".join(rows["good"]["notices"]) for word in ("'arm64'", "--env GIT_BASE=VALUE")] == [True, True]
    assert "GIT_BASE" not in ran("run", "tree", "good", "--plan", "--json", "--env", "GIT_BASE=x")[1]
    code, out, _ = ran("run", "tree", "--plan")
    assert code == 0 and "1 of 6 jobs can run here (17%)" in out
    assert any(line.split()[:2] == ["2", "1"] and "com.example.Strange" in line for line in out.splitlines())
    assert ran("run", "tree", "bad", "--plan")[0] == 2


def test_a_plan_says_what_did_not_render_and_keeps_going_when_told(ran: Ran) -> None:
    write("jobs.yaml", "- job: {name: a}\n- job: {name: b, triggers: [zuul]}\n")
    code, out, err = ran("run", "jobs.yaml", "--plan", "--json")
    assert code == 2 and json.loads(out)["job"] == "a" and "not rendered: " in err
    assert ran("run", "jobs.yaml", "--plan", "--json", "--keep-going")[0] == 0


def test_several_jobs_run_one_after_the_other_until_one_fails(ran: Ran) -> None:
    steps = {"a-1": "echo one", "a-2": "exit 1", "a-3": "echo three", "b": "echo never"}
    write(
        "jobs.yaml", "".join(f"- job: {{name: {name}, builders: [{{shell: '{do}'}}]}}\n" for name, do in steps.items())
    )
    code, out, _ = ran("run", "jobs.yaml", "a-*")
    assert code == 1 and "\none\n" in out and "\nthree\n" not in out
    code, out, _ = ran("run", "jobs.yaml", "a-*", "--keep-going")
    assert code == 1 and "\nthree\n" in out and "never" not in out


def test_jobs_that_a_job_starts_are_taken_from_the_tree(ran: Ran) -> None:
    call = "[{trigger-builds: [{project: below, block: true}]}]"
    below = (
        "- job: {name: below, publishers: [{trigger: {project: last}}]}\n- job: {name: last}\n- job: {name: other}\n"
    )
    write("jobs.yaml", f"- job: {{name: top, builders: {call}}}\n{below}")
    code, out, _ = ran("run", "jobs.yaml", "top")
    assert code == 0 and "below #1 completed" in out and "last #1 completed" in out and "other" not in out


def test_variables_files_passwords_and_credentials_are_given_to_a_run(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_MINE", "s3cret-token")
    write("extra/key.txt", "file secret")
    write(
        "settings.yaml",
        "env: {GREETING: hello, VERSION: 1.10}\nfiles: {motd: {text: managed}}\ntools: {jdk: {j17: /opt/j17}}\n",
    )
    write(
        "credentials.yaml",
        "token: {env: TOKEN_OF_MINE}\nlogin: {user: bob, password: sesame}\nfile: {content: {file: extra/key.txt}}\n",
    )
    write(
        "jobs.yaml",
        "- job:\n    name: a\n    jdk: j17\n    wrappers:\n"
        "      - credentials-binding: [{text: {credential-id: token, variable: TOKEN}},"
        " {username-password-separated: {credential-id: login, username: WHO, password: PASS}},"
        " {file: {credential-id: file, variable: KEY}}]\n"
        "      - config-file-provider: {files: [{file-id: motd, variable: MOTD}]}\n"
        "    builders: [{shell: 'echo $GREETING $VERSION $MORE $JAVA_HOME $WHO; cat $MOTD $KEY; echo $TOKEN | rev'}]\n",
    )
    words = ("--settings", "settings.yaml", "--credentials", "credentials.yaml", "--env", "MORE=a=b")
    code, out, err = ran("run", "jobs.yaml", *words)
    assert code == 0, out + err
    assert "\nhello 1.10 a=b /opt/j17 bob\n" in out and "managed" in out and "nekot-terc3s" in out
    assert "s3cret-token" not in out and "sesame" not in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("enw: {A: b}\n", "settings.yaml:1: unknown key 'enw'"),
        ("env:\n  A: [b]\n", "settings.yaml:2: A: expected a text"),
        ("tools:\n  cobol: {}\n", "settings.yaml:2: unknown key 'cobol'"),
        ("passwords:\n  A: {env: NOT_SET_ANYWHERE}\n", "settings.yaml:2: the variable NOT_SET_ANYWHERE is not set"),
        ("files:\n  a: {file: nowhere}\n", "settings.yaml:2: nowhere cannot be read"),
        ("env: []\n", "settings.yaml:1: env: expected a mapping"),
    ],
)
def test_mistakes_in_settings_are_named_with_their_line(ran: Ran, content: str, message: str) -> None:
    write("settings.yaml", content)
    write("jobs.yaml", "- job: {name: a}")
    code, _, err = ran("run", "jobs.yaml", "--settings", "settings.yaml")
    assert code == 2 and message in err


def test_a_workspace_that_is_given_is_used_and_kept(ran: Ran, tmp_path: Path) -> None:
    write("jobs.yaml", "- job: {name: a, builders: [{shell: 'pwd; echo x >> here; wc -l here'}]}")
    for lines in (1, 2):
        code, out, _ = ran("run", "jobs.yaml", "--workspace", "work")
        assert code == 0 and f"\n{tmp_path / 'work'}\n" in out and f"{lines} here" in out
    write("mine/precious", "x")
    code, _, err = ran("run", "jobs.yaml", "--workspace", "mine")
    assert code == 2 and "is not empty, and a job may remove everything" in err
    assert Path("mine/precious").exists()


def test_a_job_works_where_it_says(ran: Ran, tmp_path: Path) -> None:
    write("jobs.yaml", f"- job: {{name: a, workspace: '{tmp_path}/own/$JOB_NAME', builders: [{{shell: pwd}}]}}")
    assert f"\n{tmp_path}/own/a\n" in ran("run", "jobs.yaml")[1]


def test_output_comes_while_the_job_runs(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("- job: {name: a, builders: [{shell: 'echo early; read line < go'}]}")
    os.mkfifo(tmp_path / "go")
    script = tmp_path / "jobs.yaml"
    script.write_text(script.read_text().replace("< go", f"< {tmp_path}/go"))
    argv = [sys.executable, "-m", "sluicegate", "run", str(script)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        while "early" not in (line := running.stdout.readline()) or line.startswith("+"):
            assert line
        (tmp_path / "go").write_text("go\n")
        assert running.wait(60) == 0
