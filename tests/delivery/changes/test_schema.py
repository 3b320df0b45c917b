"""Schema changes: expand before the hosts, verify after them, contract once nobody needs what it takes away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.config import read_config
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.changes.hosts import bring_in, take_out
from sluicegate.errors import ConfigError, GateRefused, PartlyDone, SluicegateError, TimedOut
from sluicegate.model.evidence import Migrated
from tests.worlds import CONFIG, Shop

STEP = """\
#!/bin/sh
echo "$1 $SLUICEGATE_COMPONENT $SLUICEGATE_VERSION $SLUICEGATE_ENVIRONMENT $(ls "$SLUICEGATE_FILES")" >> {log}
if [ -e {root}/$1-fails ]; then echo "no such column" >&2; exit 3; fi
if [ -e {root}/$1-hangs ]; then exec sleep 60; fi
"""


class Base:
    """The organisation whose auth has a schema; `calls` are the steps that were run, with what they found."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, root / "log"
        program = root / "step.sh"
        program.write_text(STEP.format(log=self.log, root=root))
        program.chmod(0o755)
        steps = ", ".join(f"{step}: [{program}, {step}]" for step in ("expand", "verify", "contract"))
        text = CONFIG.decode().replace(
            "  auth:   {repository: releases,", f"  auth:   {{schema: {{{steps}, timeout: 2 s}}, repository: releases,"
        )
        self.shop = Shop.opened(root / "shop", text.encode())

    def calls(self) -> list[str]:
        text = self.log.read_text() if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        return [" ".join(line.split()[:4]) for line in text.splitlines()]

    def steps(self, environment: str) -> list[tuple[str, str]]:
        return [(r.step, r.version) for r in self.shop.chronicle(environment) if isinstance(r, Migrated)]

    def due(self, environment: str) -> dict[str, str]:
        (column,) = [column for column in status(self.shop.state).columns if column.name == environment]
        due: dict[str, str] = column.json()["schema_due"]
        return due

    def mark(self, name: str, *, there: bool = True) -> None:
        (self.root / name).touch() if there else (self.root / name).unlink()


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    opened = Base(tmp_path)
    with opened.shop:
        opened.shop.to_integration(auth="1.0.0", portal="1.0.0")
        opened.calls()
        yield opened


def test_in_place_all_three_are_run_once_in_order_and_recorded_with_their_time(base: Base) -> None:
    base.shop.to_integration(auth="2.0.0")
    assert base.calls() == [f"{step} auth 2.0.0 integration" for step in ("expand", "verify", "contract")]
    records = [r for r in base.shop.chronicle("integration") if isinstance(r, Migrated) and r.version == "2.0.0"]
    assert [(r.step, r.seconds is not None) for r in records] == [
        ("expand", True),
        ("verify", True),
        ("contract", True),
    ]
    base.shop.sync()
    base.shop.to_integration(portal="2.0.0")
    assert (base.calls(), base.due("integration")) == ([], {})


def test_each_finds_the_files_of_the_version(base: Base) -> None:
    base.shop.to_integration(auth="2.0.0")
    assert base.log.read_text().splitlines()[0] == "expand auth 2.0.0 integration auth-2.0.0.tar.gz"


def test_a_failed_expand_changes_no_host_and_is_run_again(base: Base) -> None:
    base.mark("expand-fails")
    base.shop.publish("auth", "2.0.0")
    with pytest.raises(SluicegateError, match=r"schema of auth 2.0.0: expand ended with status 3: no such column"):
        base.shop.sync()
    assert base.shop.running("int1")["auth"] == "1.0.0" and base.steps("integration")[-1] == ("contract", "1.0.0")
    base.mark("expand-fails", there=False)
    base.shop.sync()
    assert base.steps("integration")[-3:] == [(step, "2.0.0") for step in ("expand", "verify", "contract")]


def test_a_failed_verify_is_partly_done_and_the_next_deploy_looks_again(base: Base) -> None:
    base.mark("verify-fails")
    base.shop.publish("auth", "2.0.0")
    with pytest.raises(PartlyDone, match="verify ended with status 3"):
        base.shop.sync()
    base.calls()
    base.mark("verify-fails", there=False)
    base.shop.deploy("integration")
    assert base.calls() == ["verify auth 2.0.0 integration", "contract auth 2.0.0 integration"]


def test_a_step_has_an_end(base: Base) -> None:
    base.mark("expand-hangs")
    base.shop.publish("auth", "2.0.0")
    with pytest.raises(TimedOut, match="expand was not ready after 0:00:02"):
        base.shop.sync()


def test_contract_waits_for_a_host_that_is_out_and_status_says_so(base: Base) -> None:
    shop = base.shop
    shop.promote("training", auth="1.0.0", portal="1.0.0")
    shop.deploy("training")
    shop.to_integration(auth="2.0.0")
    shop.promote("training", auth="2.0.0")
    take_out(shop.by("olle"), "room2", "a new disk")
    base.calls()
    shop.deploy("training")
    assert base.calls() == ["expand auth 2.0.0 training", "verify auth 2.0.0 training"]
    assert base.due("training") == {"auth": "2.0.0"}
    shop.rollback("training", "auth", dry_run=True)
    bring_in(shop.by("olle"), "room2")
    assert base.calls() == []
    shop.deploy("training")
    assert base.calls() == ["contract auth 2.0.0 training"]
    assert base.due("training") == {}
    with pytest.raises(GateRefused, match=r"auth=1\.0\.0 needs what the schema of 2.0.0 has no more"):
        shop.rollback("training", "auth")


def test_the_warm_side_keeps_contract_from_being_run_and_the_way_back_open(base: Base) -> None:
    shop = base.shop
    for component in ("auth", "portal"):
        shop.approve(component, "1.0.0")
    shop.promote(auth="1.0.0", portal="1.0.0")
    shop.sync("staging")
    shop.accepted(auth="1.0.0", portal="1.0.0")
    shop.swap()
    base.calls()
    shop.to_staging(auth="2.0.0")
    assert [call for call in base.calls() if "staging" in call] == [
        "expand auth 2.0.0 staging",
        "verify auth 2.0.0 staging",
    ]
    shop.accepted(auth="2.0.0")
    shop.swap()
    assert base.due("production") == {"auth": "2.0.0"}
    shop.swap(back=True, dry_run=True)
    shop.to_staging(portal="3.0.0")
    assert [call for call in base.calls() if "staging" in call] == ["contract auth 2.0.0 staging"]
    shop.accepted(portal="3.0.0")
    shop.swap()
    with pytest.raises(GateRefused, match=r"auth=1\.0\.0 needs what"):
        shop.rollback("production", "auth")


def test_a_dry_run_says_what_would_be_run_and_runs_nothing(base: Base) -> None:
    base.shop.publish("auth", "2.0.0")
    plan = base.shop.sync(dry_run=True).plan
    assert (plan.schema, base.calls()) == (("schema of auth 2.0.0: expand",), [])


@pytest.mark.parametrize(
    ("schema", "message"),
    [("{verify: [x]}", "'schema' has no 'expand'"), ("{expand: []}", "'expand' of 'schema' is empty"),
     ("{expand: [x], contrakt: [y]}", "unknown key 'contrakt'"),
     ("{expand: [x], timeout: soon}", "not a span of time")],
)  # fmt: skip
def test_wrong_settings_are_named(schema: str, message: str) -> None:
    text = CONFIG.decode().replace("  auth:   {", f"  auth:   {{schema: {schema}, ")
    with pytest.raises(ConfigError, match=message):
        read_config(text.encode())


def test_a_job_is_started_and_followed(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sluicegate.delivery.changes import migrating
    from sluicegate.model.config import After

    text = 'jenkins: {url: "https://ci.example.com", user: bot, token: {env: T}}\n' + CONFIG.decode()
    monkeypatch.setenv("T", "secret")
    words, more = migrating._command(
        read_config(text.encode()), After(name="expand", job="db-expand"), "auth", "2.0.0", "staging", tmp_path
    )
    assert words[2:] == (
        "sluicegate",
        "trigger",
        "db-expand",
        "-p",
        "COMPONENT=auth",
        "-p",
        "VERSION=2.0.0",
        "-p",
        "ENVIRONMENT=staging",
    )
    assert (more["JENKINS_URL"], more["JENKINS_USER"], more["JENKINS_TOKEN"]) == (
        "https://ci.example.com",
        "bot",
        "secret",
    )
