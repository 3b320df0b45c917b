"""docs/how-to/trust.md, typed along: from then on what people decide counts only when it is signed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.worlds import Shop

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "trust.md"
CONFIG = """\
repositories: {releases: {driver: directory, path: /srv/releases}}
components: {auth: {repository: releases, group: com.example}}
environments: {integration: {follow: latest}}
"""


def test_the_page_turns_signing_on(tmp_path: Path) -> None:
    shop = Shop.opened(tmp_path / "shop", CONFIG.encode())
    shop.publish("auth", "1.0.0")
    shop.veto("auth", "1.0.0")
    subprocess.run(["git", "clone", "-q", shop.bare, tmp_path / "delivery"], check=True)
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) if "ssh-keygen" in block)
    program = f"{sys.executable} -m sluicegate"
    script = (
        f"set -eux\nsluicegate() {{ {program} \"$@\"; }}\ncd delivery\n{block}"
        "sluicegate unveto auth=1.0.0 && exit 9 || [ $? = 2 ]\n"
        "SLUICEGATE_SIGNING_KEY=../signing-key sluicegate unveto auth=1.0.0\n"
    )  # fmt: skip
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "records are not signed" not in done.stdout
    assert "SLUICEGATE_SIGNING_KEY names no key" in done.stderr
    assert [record.what for record in shop.story("auth", "1.0.0", "veto", "unveto")] == ["veto", "unveto"]
    assert shop.story("auth", "1.0.0", "unveto")[0].signature
    shop.close()
