"""YAML of a stranger runs no code while it is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sluicegate.errors import ConfigError
from sluicegate.jjb import render

JOB = "- job:\n    name: j\n    builders:\n      - shell: {}\n"


@pytest.mark.parametrize(
    "attack",
    [
        "!!python/object/apply:os.system ['touch {mark}']",
        "!!python/object/new:os.system ['touch {mark}']",
        "!!python/object/apply:subprocess.check_output [['touch', '{mark}']]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/tuple [a]",
        """!j2: '{{{{ "".__class__.__mro__[1].__subclasses__() }}}}'""",
        """!j2: '{{{{ self.__init__.__globals__ }}}}'""",
        """!j2: '{{{{ cycler.__init__.__globals__.os.system("touch {mark}") }}}}'""",
    ],
)
def test_yaml_that_would_run_code_is_a_mistake(tmp_path: Path, attack: str) -> None:
    mark, source = tmp_path / "mark", tmp_path / "job.yaml"
    source.write_text(JOB.format(attack.format(mark=mark)))
    with pytest.raises(ConfigError) as caught:
        render.render([source])
    assert not mark.exists()
    assert "refused" in caught.value.message or "unsafe" in caught.value.message, caught.value.message


def test_plain_jinja_still_works(tmp_path: Path) -> None:
    source = tmp_path / "job.yaml"
    source.write_text(JOB.format("!j2: '{% for n in range(3) %}echo {{ n }};{% endfor %}'"))
    assert b"echo 0;echo 1;echo 2;" in render.render([source])["j"]


def test_other_loaders_of_the_process_keep_their_tags(tmp_path: Path) -> None:
    source = tmp_path / "job.yaml"
    source.write_text(JOB.format("echo"))
    render.render([source])
    assert yaml.load("!!python/tuple [a]", Loader=yaml.UnsafeLoader) == ("a",)
