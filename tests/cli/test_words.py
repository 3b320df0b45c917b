"""Words of the command line: --to and --in, --json of every command, and what the shell completes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sluicegate.cli.json_option import SILENT
from sluicegate.cli.main import MODULES, commands, run

CONFIG = """\
repositories: {{releases: {{driver: directory, path: {root}}}}}
components:
  auth: {{repository: releases, group: com.example}}
  portal: {{repository: releases, group: com.example}}
environments: {{integration: {{}}, staging: {{from: integration}}}}
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A delivery repo with auth 1.0.0 and 1.1.0."""
    root = tmp_path_factory.mktemp("words")
    (root / "sluicegate.yaml").write_text(CONFIG.format(root=root / "releases"))
    (root / "auth.tar.gz").write_text("auth")
    folder = str(root / "delivery.git")
    assert run(["init", folder, "--bare", "--config", str(root / "sluicegate.yaml")]) == 0
    for version in ("1.0.0", "1.1.0"):
        assert run(["-C", folder, "publish", f"auth={version}", str(root / "auth.tar.gz")]) == 0
    return folder


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, object]:
    capsys.readouterr()
    code = run(words)
    return code, json.loads(capsys.readouterr().out)


def leaves(command: click.Command) -> list[click.Command]:
    if isinstance(command, click.Group):
        return [leaf for below in command.commands.values() for leaf in leaves(below)]
    return [command]


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(SILENT)))
def test_every_command_that_acts_or_answers_takes_json(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    for leaf in leaves(command):
        assert leaf.name in SILENT or any("--json" in option.opts for option in leaf.params), leaf.name


@pytest.mark.parametrize("word", ["--to", "--in"])
@pytest.mark.parametrize(
    "words", [("pin", "auth=1.0.0"), ("hold", "auth"), ("veto", "auth=1.0.0"), ("explain", "auth=1.0.0")]
)
def test_an_environment_is_named_by_either_word(
    repo: str, capsys: pytest.CaptureFixture[str], word: str, words: tuple[str, ...]
) -> None:
    assert run(["-C", repo, "pin", "auth=1.0.0", "--in", "integration"]) == 0
    assert run(["-C", repo, *words, word, "integration"]) == 0, capsys.readouterr().err


def test_what_a_command_says_is_json_where_it_has_no_shape_of_its_own(
    repo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = answered(capsys, "-C", repo, "veto", "auth=1.1.0", "--dry-run", "--json")
    assert answer == (0, {"command": "veto", "exit_code": 0, "lines": ["would do: auth=1.1.0 is vetoed"]})


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("pin", "auth=9", "--in", "integration"), 2, "auth has no version '9' (newest: "),
        (("status", "--color"), 2, "No such option '--color'."),
        (("show", "auth=9"), 2, "auth has no version '9' (newest: "),
    ],
)
def test_errors_are_json_too(
    repo: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    ended, answer = answered(capsys, "-C", repo, *words, "--json")
    assert isinstance(answer, dict)
    assert (ended, answer["exit_code"], answer["command"]) == (code, code, words[0])
    assert answer["error"]["message"].startswith(message)


def test_what_a_started_program_prints_does_not_spoil_the_json(repo: str) -> None:
    config = "import subprocess, click; from sluicegate.cli import main, evidence\n"
    config += "evidence._veto = lambda *words, **more: subprocess.run(['echo', 'noise'])\n"
    config += "import sys; sys.exit(main.run(sys.argv[1:]))"
    words = [sys.executable, "-c", config, "-C", repo, "veto", "auth=1.0.0", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["exit_code"] == 0
    assert done.stderr == "noise\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sluicegate pro", ["promote"]),
        ("sluicegate -C {repo} status --js", ["--json"]),
        ("sluicegate -C {repo} pin auth --in st", ["staging"]),
        ("sluicegate -C {repo} promote a", ["auth"]),
        ("sluicegate -C {repo} show auth = 1.1", ["1.1.0"]),
        ("sluicegate -C {repo} show auth =", ["1.0.0", "1.1.0"]),
        ("sluicegate -C {repo} sync in", ["integration"]),
        ("sluicegate -C /nowhere sync in", []),
    ],
)
def test_bash_completes_what_the_repository_knows(repo: str, words: str, expected: list[str]) -> None:
    script = (
        "source <(sluicegate completion bash)\n"
        f"COMP_WORDS=({words.format(repo=repo)}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n"
        "_sluicegate_completion sluicegate; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == expected, done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(["completion", shell]) == 0
    assert f"{shell}_complete" in capsys.readouterr().out


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("", *MODULES):
        assert run([*name.split(), "--help"]) == 0
    wide = [line for line in capsys.readouterr().out.splitlines() if len(line) > 80 and "Example:" not in line]
    assert wide == []


def test_an_error_about_what_others_wrote_commands_no_terminal(
    repo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = tmp_path / "other.git"
    subprocess.run(["git", "clone", "-q", "--bare", repo, hostile], check=True)
    subprocess.run(["git", "clone", "-q", hostile, tmp_path / "work"], check=True)
    (tmp_path / "work" / "environments" / "staging.yaml").write_text('auth: "1.0.0\\e[2J\\u202e"\n')
    subprocess.run(["git", "-C", tmp_path / "work", "commit", "-qam", "by hand"], check=True)
    subprocess.run(["git", "-C", tmp_path / "work", "push", "-q"], check=True)
    for words in (["deploy", "staging", "--dry-run"], ["explain", "auth", "--to", "staging"], ["check"], ["status"]):
        run(["-C", str(hostile), *words])
        said = "".join(capsys.readouterr())
        assert "\x1b" not in said and "\u202e" not in said
        assert words[0] == "explain" or "\\x1b[2J" in said
