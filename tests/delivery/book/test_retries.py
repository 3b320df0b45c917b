"""A job step that runs again writes nothing twice; what happens again is written again."""

from __future__ import annotations

from sluicegate.delivery.moves import pinning
from sluicegate.delivery.moves.evidence import TestRun as Run
from sluicegate.delivery.moves.evidence import record_tests
from sluicegate.model.values import Actor
from tests.worlds import Shop

GIT_USER = Actor(user="olle", source="git:olle <olle@example.com>")


def test_each_step_of_the_way_run_again_in_the_same_build_leaves_everything_as_it_is(shop: Shop) -> None:
    for number, step in enumerate(
        (
            lambda: shop.publish("auth", "1.0.0"),
            shop.sync,
            lambda: shop.tested("auth", "1.0.0", build=17),
            lambda: shop.approve("auth", "1.0.0"),
            lambda: shop.promote(auth="1.0.0"),
            lambda: shop.sync("staging"),
            lambda: shop.tested("auth", "1.0.0", "staging", build=17),
            lambda: shop.approve("auth", "1.0.0", "production"),
            shop.swap,
            lambda: shop.veto("auth", "1.0.0"),
            lambda: pinning.hold(shop.by("anna"), "auth", "staging", until=None, why="the fair"),
        )
    ):
        step()
        shop.suites = 0
        step()
        tips = shop.tips
        shop.suites = 0
        step()
        assert shop.tips == tips, f"step {number} wrote twice"


def test_a_pin_that_comes_back_is_recorded_again_though_everything_about_it_is_the_same(live: Shop) -> None:
    from sluicegate.delivery.moves.promote import promote

    for version in ("2.0.0", "3.0.0"):
        live.to_integration(auth=version)
        live.approve("auth", version)
    olle = live.opened_by(GIT_USER)
    for version in ("2.0.0", "3.0.0") * 2:
        live.pass_time()
        promote(olle, {"auth": version}, "staging", downgrade=["auth"])
    olle.store.close()
    for version in ("2.0.0", "3.0.0"):
        assert len([r for r in live.story("auth", version, "pinned") if r.env == "staging"]) == 2


def test_the_same_report_recorded_again_is_one_run_and_another_report_is_another(live: Shop) -> None:
    olle = live.opened_by(GIT_USER)
    for digest in "aaba":
        live.pass_time()
        run = Run(passed=20, failed=0, skipped=0, digest=digest * 64)
        record_tests(olle, "auth", "1.0.0", "integration", "smoke", run)
    olle.store.close()
    runs = [r for r in live.story("auth", "1.0.0", "tests") if r.suite == "smoke"]
    assert [r.by.source[:7] for r in runs] == ["junit:a", "junit:b", "junit:a"]
