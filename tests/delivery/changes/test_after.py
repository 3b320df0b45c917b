"""What an installation starts: the suites of what has changed."""

from __future__ import annotations

import platform
import time
from pathlib import Path

from tests.worlds import CONFIG, Shop


def starting(shop: Shop, command: str) -> None:
    """Integration starts this command after each deploy, and nothing else."""
    after = b'{regression: {command: ["true", "{component}"]}}'
    assert after in CONFIG
    shop.edited("sluicegate.yaml", CONFIG.replace(after, f"{{suite: {{command: [sh, -c, {command}]}}}}".encode()))


def test_a_suite_is_started_for_what_has_changed_with_what_it_needs_to_know(shop: Shop) -> None:
    out = shop.root / "started"
    starting(shop, f'"echo {{component}} $SLUICEGATE_VERSION $AUTH_URL >> {out}"')
    shop.publish("auth", "1.0.0")
    shop.publish("portal", "1.0.0")
    assert not shop.sync(wait=1).failed
    assert out.read_text().splitlines() == [
        "auth 1.0.0 http://int1.invalid/auth", "portal 1.0.0 http://int1.invalid/auth",
    ]  # fmt: skip
    shop.publish("portal", "1.1.0")
    shop.sync(wait=1)
    assert out.read_text().splitlines()[2:] == ["portal 1.1.0 http://int1.invalid/auth"]
    assert [r.suite for r in shop.story("auth", "1.0.0", "started")] == ["suite"]


def test_a_suite_that_fails_is_told_and_the_deploy_stands(shop: Shop) -> None:
    starting(shop, "exit 1")
    shop.publish("auth", "1.0.0")
    assert [str(failure) for failure in shop.sync(wait=1).failed] == ["suite of auth=1.0.0"]
    assert shop.running("int1") == {"auth": "1.0.0"}


def test_what_is_not_waited_for_writes_to_a_log_that_its_evidence_names(shop: Shop) -> None:
    starting(shop, '"echo said by {component}"')
    shop.publish("auth", "1.0.0")
    shop.sync()
    (record,) = [r for r in shop.state.story("auth", "1.0.0") if r.what == "started"]
    machine, _, log = record.log.partition(":")
    assert machine == platform.node()
    assert Path(log).is_relative_to(Path.home() / ".local" / "state" / "sluicegate")
    for _ in range(500):
        if log_text := Path(log).read_text():
            break
        time.sleep(0.02)
    assert log_text == "said by auth\n"


def test_what_differs_from_production_is_tested_again_in_each_new_set(live: Shop) -> None:
    """Production's gates want the versions tested together: auth did not change, and what runs beside it did."""
    live.to_staging(auth="2.0.0")
    live.to_staging(portal="2.0.0")
    sets = [record.set for record in live.story("auth", "2.0.0", "started") if record.env == "staging"]
    assert len(sets) == len(set(sets)) == 2
