"""A list that is kept says what it would say if it were made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from sluicegate.runner.changes import CHANGES
from sluicegate.runner.item import Item
from sluicegate.runner.results import Result
from sluicegate.runner.rights import Right, Rule
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.runner.users import Login
from sluicegate.web import lists, tree
from sluicegate.web.call import Call
from sluicegate.web.routes import Routes
from sluicegate.web.selection import parse
from tests.runner.conftest import ADMIN, shell, until

BUILDS = "[number,result,building,duration,timestamp,url,keepLog]"
TREE = (
    "jobs[name,fullName,fullDisplayName,url,color,displayName,description,buildable,disabled"
    f",lastBuild{BUILDS},lastSuccessfulBuild[number],lastFailedBuild[number],firstBuild[id]"
    f",jobs[name,color,url,lastBuild{BUILDS}]]"
)
ALL = (Rule(who="user admin", right=Right.ADMINISTER, place=""),)


def asked(
    path: str = "api/json", wanted: str = TREE, rules: tuple[Rule, ...] = ALL, base: str = "http://here/"
) -> Call:
    call = Call(
        method="GET",
        segments=tuple(path.split("/")),
        query={"tree": wanted},
        headers=Headers({}),
        body=b"",
        base=base,
        login=Login(user="admin"),
    )
    call.rules = rules
    return call


def is_over(job: Item, number: int) -> bool:
    record = job.history.get(number)
    return record is not None and record.result is not None


def test_a_kept_list_is_what_would_be_made_anew_after_every_change(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "home", executors=1)
    triggers = Triggers(runner)
    routes = Routes(runner, triggers)
    go = tmp_path / "go"

    def check() -> None:
        for path in ("api/json", "job/team/api/json"):
            if path == "api/json" or runner.items.get("team"):
                anew = bytes(Routes(runner, triggers).answer(asked(path)).body)
                assert [bytes(routes.answer(asked(path)).body) for _ in range(2)] == [anew, anew]

    items = runner.items
    runner.start()
    try:
        items.create("", "team", b"<com.cloudbees.hudson.plugins.folder.Folder/>")
        check()
        job = items.create("team", "job", shell(f"while [ ! -e {go} ]; do sleep 0.02; done; exit 1"))
        check()
        items.update(job, job.text().replace(b"<project>", b"<project><description>d</description>"))
        check()
        runner.trigger(job, ADMIN, {}, 0)
        until(lambda: job.history.running)
        check()
        until(lambda: (job.folder / "builds" / "1" / "log").exists())
        check()
        go.touch()
        until(lambda: is_over(job, 1))
        check()
        items.update(job, shell("true"))
        runner.trigger(job, ADMIN, {}, 0)
        until(lambda: is_over(job, 2))
        check()
        record = job.history.get(2)
        assert record is not None
        job.history.keep(record, True)
        check()
        lost = replace(record, number=3, result=None, folder=job.history.builds / "3")
        job.history.begin(lost)
        check()
        job.history.forget_running(lost, Result.FAILURE)
        check()
        items.switch(job, True)
        check()
        job.history.delete(2)
        check()
        items.create("", "other", shell("true"))
        check()
        items.rename(items.needed("other"), "renamed")
        check()
        runner.rename(items.by_name["team"], "crew")
        check()
        runner.delete(items.by_name["crew"])
        check()
    finally:
        runner.stop()


def test_a_list_that_is_asked_again_is_not_made_again_and_is_of_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(tmp_path / "home", executors=1)
    routes = Routes(runner, Triggers(runner))
    for name in ("open", "closed"):
        runner.items.create("", name, shell("true"))
    made: list[object] = []
    real = tree.Picture.chosen
    monkeypatch.setattr(tree.Picture, "chosen", lambda *rest: made.append(rest) or real(*rest))
    whole = bytes(routes.answer(asked()).body)
    count = len(made)
    assert count and bytes(routes.answer(asked()).body) == whole and len(made) == count
    part = bytes(routes.answer(asked(rules=(Rule(who="user eve", right=Right.READ, place="open"),))).body)
    assert b"closed" in whole and b"closed" not in part and b"open" in part
    assert b"http://there/" in bytes(routes.answer(asked(base="http://there/")).body)
    runner.stop()


def test_what_changes_while_a_list_is_made_is_not_kept_out_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(tmp_path / "home", executors=1)
    routes = Routes(runner, Triggers(runner))
    job = runner.items.create("", "job", shell("true"))
    real = tree.Picture.chosen

    def slowly(*rest: object) -> object:
        row = real(*rest)  # type: ignore[arg-type]
        if not job.config.disabled:
            runner.items.switch(job, True)
        return row

    with monkeypatch.context() as patches:
        patches.setattr(tree.Picture, "chosen", slowly)
        routes.answer(asked())
    assert b'"disabled":true' in bytes(routes.answer(asked()).body)
    runner.stop()


@pytest.mark.parametrize(
    "wanted",
    [
        "jobs[name,inQueue]",
        "jobs[*]",
        "jobs[lastBuild[actions[*]]]",
        "jobs[lastBuild[displayName]]",
        "jobs[name],views[name]",
        "jobs[builds[number]]",
        "jobs[nextBuildNumber]",
        "*",
        "name",
    ],
)
def test_what_changes_by_time_or_by_disk_is_not_kept(wanted: str) -> None:
    assert not lists.is_steady(parse(wanted))


def test_a_build_that_cannot_be_read_is_looked_for_each_time(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "home", executors=1)
    routes = Routes(runner, Triggers(runner))
    job = runner.items.create("", "job", shell("true"))
    place = job.folder / "builds" / "1"
    place.mkdir(parents=True)
    mark = CHANGES.mark
    assert b'"lastBuild":null' in bytes(routes.answer(asked()).body) and CHANGES.mark is not mark
    (place / "build.xml").write_text("<build><result>SUCCESS</result></build>")
    assert b'"lastBuild":null' not in bytes(routes.answer(asked()).body)
    runner.stop()
