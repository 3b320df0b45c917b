"""The templates' jobs may lie in a folder of Jenkins."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.errors import UsageError
from sluicegate.jjb import render
from tests.parts import make_unlistable

PROJECT = """
- job: {name: pipeline, project-type: folder}
- project:
    {name: p, %s delivery-repo: "ssh://git/d.git", git: "ssh://git/a.git", component: auth, environment: integration,
     suite: regression, components: [auth], environments: [integration], roles: [qa],
     jobs: [sluicegate-build, sluicegate-suite, sluicegate-sync, sluicegate-approve, sluicegate-veto]}
"""


def test_a_folder_goes_before_each_name_and_none_before_it(tmp_path: Path) -> None:
    names = {"auth-build", "auth-regression", "integration-sync", "approve", "veto"}
    for folder, prefix in (("folder: pipeline/,", "pipeline/"), ("", "")):
        source = tmp_path / "jobs.yaml"
        source.write_text(PROJECT % folder)
        assert set(render.tree([source]).names) == {"pipeline", *(prefix + name for name in names)}


def test_a_folder_of_jobs_that_cannot_be_read_is_not_one_without_jobs(tmp_path: Path) -> None:
    """`--delete-old` would delete them."""
    (tmp_path / "jobs.yaml").write_text("- job: {name: one}\n")
    make_unlistable(tmp_path)
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        render.tree([tmp_path])
