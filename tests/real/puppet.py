"""Puppet itself for tests, as any user: folders of its own, and a control repository with our module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.tools import process
from sluicegate.tools.process import Completed
from tests.parts import write
from tests.real.needs import needs

MODULE = Path(__file__).parents[2] / "puppet"
HIERA_OF_ASSIGNED = """\
version: 5
hierarchy:
  - name: what sluicegate assigned to this host
    datadir: {data}
    path: "sluicegate/%{{trusted.certname}}.yaml"
"""
HIERA = f"""\
{HIERA_OF_ASSIGNED}\
  - name: common
    datadir: {{code}}/data
    path: common.yaml
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A site: `code` with its manifest and Hiera, `data/sluicegate` for what is assigned. `stamp` is below `folder`."""

    folder: Path

    @classmethod
    def written(cls, folder: Path, site: str = "include sluicegate\n") -> Control:
        needs("puppet")
        control = cls(folder=folder)
        write(
            control.code,
            {
                "manifests/site.pp": site,
                "hiera.yaml": HIERA.format(data=control.data, code=control.code),
                "data/common.yaml": f"sluicegate::stamp: {folder}/stamp\n",
                "environment.conf": f"modulepath = modules:{MODULE}\n",
            },
        )
        control.assigned.mkdir(parents=True)
        return control

    @property
    def code(self) -> Path:
        return self.folder / "environments/production"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def assigned(self) -> Path:
        return self.data / "sluicegate"

    @property
    def site(self) -> Path:
        return self.code / "manifests/site.pp"

    def options(self, certname: str) -> tuple[str, ...]:
        """What a run of `puppet apply` needs to be about this site, and a host of it."""
        return (
            "--confdir", f"{self.folder}/conf-{certname}", "--vardir", f"{self.folder}/var-{certname}",
            "--certname", certname, "--environmentpath", f"{self.folder}/environments",
        )  # fmt: skip

    def apply(self, certname: str, more: Sequence[str] = ()) -> Completed:
        """A run that nobody kicked."""
        words = ["puppet", "apply", "--detailed-exitcodes", "--color", "false", *self.options(certname), *more, "--"]
        return process.run([*words, self.site], check=False)
