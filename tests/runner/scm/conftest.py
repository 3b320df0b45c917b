"""Bare repositories to check out, and jobs that do so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

IMPL = "hudson.plugins.git.extensions.impl."
PERSON = {
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "Merge Bot",
    "GIT_COMMITTER_EMAIL": "bot@example.com",
}


class Repo:
    """A bare repository with a clone beside it, from which commits are pushed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.bare, self.clone = folder / f"{name}.git", folder / f"{name}-work"
        self.minute = 0
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True)
        subprocess.run(["git", "clone", "-q", str(self.bare), str(self.clone)], check=True, capture_output=True)
        self.git("checkout", "-q", "-b", "main")

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def git(self, *words: str) -> str:
        """Run git in the clone; every commit is a minute later than the one before."""
        self.minute += 1
        when = f"2026-11-20T{10 + self.minute // 60:02d}:{self.minute % 60:02d}:00+01:00"
        env = {**os.environ, **PERSON, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        done = subprocess.run(["git", *words], cwd=self.clone, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, subject: str, *, to: str = "main", files: dict[str, str] | None = None) -> str:
        """Commit files (else none) on top of what is checked out, push it to a branch or reference, give its hash."""
        for path, text in (files or {}).items():
            target = self.clone / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        self.git("push", "-q", "--force", "origin", f"HEAD:{to if to.startswith('refs/') else f'refs/heads/{to}'}")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, start: str = "main") -> None:
        self.git("checkout", "-q", "-B", name, start)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    app = Repo(tmp_path, "app")
    app.commit("one", files={"a.txt": "1\n"})
    return app


@pytest.fixture
def library(tmp_path: Path) -> Repo:
    lib = Repo(tmp_path, "lib")
    lib.commit("lib", files={"lib.txt": "lib\n"})
    return lib


Job = Callable[..., bytes]


def remote(url: str, *, refspec: str = "", name: str = "") -> str:
    """One `<hudson.plugins.git.UserRemoteConfig>`."""
    fields = {"name": name, "refspec": refspec, "url": url}
    body = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in fields.items() if text)
    return f"<hudson.plugins.git.UserRemoteConfig>{body}</hudson.plugins.git.UserRemoteConfig>"


def scm(remotes: str, branches: tuple[str, ...] = ("*/main",), extensions: str = "", more: str = "") -> str:
    """The inside of a GitSCM element."""
    specs = "".join(
        f"<hudson.plugins.git.BranchSpec><name>{escape(branch)}</name></hudson.plugins.git.BranchSpec>"
        for branch in branches
    )
    return (
        f"<configVersion>2</configVersion><userRemoteConfigs>{remotes}</userRemoteConfigs><branches>{specs}</branches>"
        f"<extensions>{extensions}</extensions>{more}"
    )


def extension(name: str, inside: str = "", /, **children: object) -> str:
    """One extension with its children as text, or as XML."""
    body = inside + "".join(f"<{key}>{escape(str(text))}</{key}>" for key, text in children.items())
    return f"<{IMPL}{name}>{body}</{IMPL}{name}>"


def job(inside: str, *, script: str = "true", more: str = "", properties: str = "") -> bytes:
    """A freestyle job that checks one repository out and runs a script."""
    return project(
        f'<scm class="hudson.plugins.git.GitSCM">{inside}</scm>', script=script, more=more, properties=properties
    )


def project(source: str, *, script: str = "true", more: str = "", properties: str = "") -> bytes:
    return (
        f"<project><quietPeriod>0</quietPeriod><properties>{properties}</properties>{source}{more}<builders>"
        f"<hudson.tasks.Shell><command>{escape(script)}</command></hudson.tasks.Shell></builders></project>"
    ).encode()


def parameter(name: str, default: str) -> str:
    """A property with one string parameter."""
    return (
        "<hudson.model.ParametersDefinitionProperty><parameterDefinitions><hudson.model.StringParameterDefinition>"
        f"<name>{name}</name><defaultValue>{escape(default)}</defaultValue></hudson.model.StringParameterDefinition>"
        "</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"
    )
