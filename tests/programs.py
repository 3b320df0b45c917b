"""Hosts that are changed by programs or playbooks of somebody else, for the deployers `command` and `ansible`.

What a host has is a file for each component in its folder; its service answers with what stands in that of `auth`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sluicegate.model.config import Config, DriverSpec
from sluicegate.model.settings import Plain
from tests.parts import CONFIG, Replying, settings, web_server, write

ON_HOST = """
import json, pathlib, sys
wish = json.load(sys.stdin)
if sys.argv[1] == "survey":
    there = {name: pathlib.Path(name + ".version") for name in wish["components"]}
    print(json.dumps({name: file.read_text() for name, file in there.items() if file.exists()}))
for name, version in wish["versions"].items() if sys.argv[1] == "apply" else ():
    pathlib.Path(name + ".version").write_text(version)
for name in wish["remove"] if sys.argv[1] == "apply" else ():
    pathlib.Path(name + ".version").unlink(missing_ok=True)
"""

ONCE = """
import json, os, subprocess, sys
asked = json.load(sys.stdin)
folders = json.load(open(sys.argv[2]))
answers = {}
for host, wish in asked["hosts"].items():
    words = [sys.executable, __file__.replace("once", "on-host"), sys.argv[1]]
    given = json.dumps({**asked, **wish})
    if not os.path.isdir(folders[host]):
        answers[host] = "unreachable: nobody there"
        continue
    done = subprocess.run(words, input=given, capture_output=True, text=True, cwd=folders[host], check=True)
    answers[host] = json.loads(done.stdout or "{}")
print(json.dumps(answers))
"""

DEPLOY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: write versions
      ansible.builtin.raw: >-
        cd {{ sluicegate.folder | quote }}
        {%- for it in sluicegate_versions | dict2items %} && printf %s {{ it.value }} > {{ it.key }}.version{% endfor %}
        {%- for name in sluicegate_remove %} && rm -f {{ name }}.version{% endfor %}
"""

SURVEY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: read versions
      ansible.builtin.raw: cd {{ sluicegate.folder | quote }} && tail -n +1 -v -- *.version
      register: files
      failed_when: false
      changed_when: false
    - name: tell versions
      ansible.builtin.set_fact:
        sluicegate_installed: "{{ dict(files.stdout | regex_findall('==> (.*)[.]version <==\\\\s+([^=\\\\s]+)')) }}"
"""


def programs(folder: Path) -> Path:
    """The programs and playbooks in a folder of the machine that deploys."""
    return write(folder, {"on-host.py": ON_HOST, "once.py": ONCE, "deploy.yml": DEPLOY, "survey.yml": SURVEY})


def on_host(folder: Path, **more: Plain) -> dict[str, Plain]:
    """The settings of `command`, for a program that each host has."""
    words = (sys.executable, str(folder / "on-host.py"))
    return {"survey": (*words, "survey"), "apply": (*words, "apply"), "timeout": "0.3 s", **more}


def once(folder: Path, folders: Mapping[str, Path], **more: Plain) -> dict[str, Plain]:
    """The settings of `command`, for one program for all hosts, which are folders here."""
    (folder / "folders.json").write_text(json.dumps({name: str(place) for name, place in folders.items()}))
    words, last = (sys.executable, str(folder / "once.py")), str(folder / "folders.json")
    return {"survey": (*words, "survey", last), "apply": (*words, "apply", last), "runs": "once", "timeout": "0.3 s",
            **more}  # fmt: skip


def playbooks(folder: Path, **more: Plain) -> dict[str, Plain]:
    """The settings of `ansible`."""
    return {"playbook": str(folder / "deploy.yml"), "survey": str(folder / "survey.yml"), "timeout": "0.3 s", **more}


def with_hosts(folders: Mapping[str, Path], groups: Mapping[str, tuple[str, ...]] | None = None) -> Config:
    """The configuration with local hosts, each a folder."""
    hosts = {
        name: DriverSpec(driver="local", settings=settings(folder=str(folder))) for name, folder in folders.items()
    }
    return replace(CONFIG, hosts=hosts, groups=groups or {"apps": tuple(hosts)})


@contextmanager
def service(folder: Path, silent: set[str]) -> Iterator[int]:
    """What answers with what stands in auth.version of the folder, unless that is one of `silent`; gives its port."""

    class Service(Replying):
        def do_GET(self) -> None:
            file = folder / "auth.version"
            version = file.read_text() if file.exists() else ""
            self.reply(b"starting" if version in silent else version.encode())

    with web_server(Service) as port:
        yield port
