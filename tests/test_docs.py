"""The docs tell of every command, every key and every driver."""

from __future__ import annotations

import inspect
import pkgutil
import re
from pathlib import Path

import click
import pytest

from sluicegate import ports
from sluicegate.cli.main import MODULES, commands
from sluicegate.wiring import OURS

ROOT = Path(__file__).parent.parent
COMMANDS_PAGE = ROOT / "docs" / "reference" / "commands.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CONFIGURATION_PAGE = ROOT / "docs" / "reference" / "configuration.md"


def helps(command: click.Command, path: str) -> list[tuple[str, str]]:
    """Each command below with what its --help prints."""
    names = ["-h", "--help"]
    context = click.Context(command, info_name=path, max_content_width=80, terminal_width=80, help_option_names=names)
    pages = [(path, command.get_help(context))]
    if isinstance(command, click.Group) and path != "sluicegate":
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            pages += helps(below, f"{path} {name}")
    return pages


def commands_page() -> str:
    parts = ["# Commands\nWhat `--help` prints, written by `pytest tests/test_docs.py --update-golden`.\n"]
    for path, text in helps(commands, "sluicegate"):
        parts.append(f"## {path}\n```\n{text}\n```\n")
    for name in MODULES:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        parts += [f"## {path}\n```\n{text}\n```\n" for path, text in helps(command, f"sluicegate {name}")]
    return "\n".join(parts)


def test_the_commands_page_is_what_help_prints(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        COMMANDS_PAGE.write_text(commands_page())
    assert COMMANDS_PAGE.read_text() == commands_page(), "pytest tests/test_docs.py --update-golden, then read the diff"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_command_has_an_example_in_its_help(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    texts = [text for _, text in helps(command, f"sluicegate {name}")]
    assert any("Example: sluicegate" in text for text in texts)


@pytest.mark.parametrize("family", sorted(OURS))
def test_every_driver_with_its_settings_is_in_the_docs(family: str) -> None:
    page = CONFIGURATION_PAGE.read_text()
    for name, place in OURS[family].items():
        rows = [line for line in page.splitlines() if line.startswith(f"| {family} | `{name}` |")]
        assert len(rows) == 1, f"{family}: {name}"
        driver = pkgutil.resolve_name(f"sluicegate.{place}")
        source = Path(inspect.getsourcefile(driver) or "").read_text()
        for keys in re.findall(r"settings\.only\(([^)]*)\)", source):
            for key in re.findall(r'"([^"]+)"', keys):
                assert re.search(rf"`{re.escape(key)}\b", rows[0]), f"{family} {name}: {key}"


def test_every_key_of_the_configuration_is_in_the_docs() -> None:
    page = CONFIGURATION_PAGE.read_text()
    source = "\n".join(path.read_text() for path in sorted((ROOT / "lib" / "sluicegate" / "config").glob("*.py")))
    known = re.search(r"SECTIONS = \((.*?)\)", source, re.DOTALL)
    assert known is not None
    for keys in (known[1], *re.findall(r"\.only\(([^)]*)\)", source)):
        for key in re.findall(r'"([^"]+)"', keys):
            assert re.search(rf"`{re.escape(key)}\b", page) or f"{key}:" in page, key


@pytest.mark.parametrize(
    "port",
    [
        ports.Repository,
        ports.Host,
        ports.Deployer,
        ports.Engine,
        ports.Balancer,
        ports.Pool,
        ports.Directory,
        ports.Reporter,
    ],
)
def test_the_guide_to_drivers_names_every_member_of_a_port(port: type) -> None:
    page = (ROOT / "docs" / "adding-a-driver.md").read_text()
    members = [name for name in vars(port) if not name.startswith("_") and name != "configure"]
    assert [name for name in members if f"`{name}`" not in page] == []


def test_the_table_of_changes_leads_to_files_that_exist() -> None:
    section = CONTRIBUTING.read_text().partition("## Where would I change ...\n")[2].partition("\n## ")[0]
    _, _, *rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    assert len(rows) >= 20
    for question, answer in rows:
        paths = re.findall(r"`([\w./]+[./][\w./]*)`", answer)
        assert paths, question
        assert [path for path in paths if not (ROOT / path).exists()] == [], question
