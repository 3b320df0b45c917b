"""constraints.txt: a tested release of each library that setup.cfg asks for."""

import configparser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def required() -> list[Requirement]:
    """Every requirement of setup.cfg, of the base install and of all extras, but the references to its own extras."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    blocks = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    wanted = [Requirement(line) for block in blocks for line in block.split("\n") if line]
    return [requirement for requirement in wanted if requirement.name != "sluicegate"]


def test_constraints_name_one_release_that_fits_for_each_library_of_setup_cfg() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    releases = {canonicalize_name(name): release for name, release in tested.items()}
    misfits = [
        f"{wanted}: {release}"
        for wanted in required()
        for release in [releases.get(canonicalize_name(wanted.name))]
        if release is None or not wanted.specifier.contains(release, prereleases=True)
    ]
    assert misfits == []
