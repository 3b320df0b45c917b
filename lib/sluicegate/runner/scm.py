"""Git as Jenkins' git plugin does it: checkout into the workspace, variables, change log, and polling."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree.ElementTree import Element

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.records import Record
from sluicegate.runner.steps.cleanup import empty
from sluicegate.runner.vault import Credential
from sluicegate.tools import process, xml

GIT = "hudson.plugins.git.GitSCM"
NONE = "hudson.scm.NullSCM"
EXTENSIONS = "hudson.plugins.git.extensions.impl."
IMPL = {
    "WipeWorkspace",
    "CleanBeforeCheckout",
    "CleanCheckout",
    "RelativeTargetDirectory",
    "CloneOption",
    "CheckoutOption",
    "LocalBranch",
    "PruneStaleBranch",
    "PruneStaleTag",
    "SubmoduleOption",
    "BuildChooserSetting",
    "DisableRemotePoll",
    "IgnoreNotifyCommit",
    "ScmName",
    "UserIdentity",
    "PerBuildTag",
    "AuthorInChangelog",
    "ChangelogToBranch",
}
SAFE = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "LC_ALL": "C.UTF-8"}
CHANGES = "%H%x00%an%x00%ae%x00%at%x00%s"
MINUTE = 60.0
PATIENCE = 10
"""Minutes that one git command may take where the job says nothing, as in Jenkins' git plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """What a GitSCM element asks for."""

    url: str
    remote: str
    refspec: str
    credentials: str
    branches: tuple[str, ...]
    options: Mapping[str, Element]

    def has(self, option: str) -> bool:
        return option in self.options

    @property
    def subfolder(self) -> str:
        return xml.text(self.options.get("RelativeTargetDirectory"), "relativeTargetDir").strip()


def read(element: Element | None) -> Git | None:
    """The Git of an `<scm>` element, None without one. Raises UsageError for what is not understood."""
    if element is None or element.get("class", NONE) == NONE:
        return None
    name = element.get("class", "")
    if name != GIT:
        raise UsageError(f'this runner does not know the source code management <scm class="{name}">')
    remotes = list(element.iterfind("userRemoteConfigs/hudson.plugins.git.UserRemoteConfig"))
    if len(remotes) != 1:
        raise UsageError(f"<scm>: expected one remote repository, found {len(remotes)}")
    options = {one.tag.removeprefix(EXTENSIONS): one for one in element.iterfind("extensions/*")}
    for option in options:
        if option not in IMPL:
            raise UsageError(f"this runner does not know the Git extension <{option}>")
    branches = tuple(
        xml.text(one, "name").strip() for one in element.iterfind("branches/hudson.plugins.git.BranchSpec")
    )
    remote = xml.text(remotes[0], "name").strip() or "origin"
    return Git(
        url=xml.text(remotes[0], "url").strip(),
        remote=remote,
        refspec=xml.text(remotes[0], "refspec").strip() or f"+refs/heads/*:refs/remotes/{remote}/*",
        credentials=xml.text(remotes[0], "credentialsId").strip(),
        branches=branches or ("**",),
        options=options,
    )


@contextmanager
def _authentication(credential: Credential | None) -> Iterator[dict[str, str]]:
    """Variables that let git log in: a helper script that prints the words from the environment."""
    if credential is None:
        yield dict(SAFE)
        return
    with tempfile.TemporaryDirectory(prefix="git-askpass") as folder:
        script = Path(folder) / "askpass"
        script.write_text('#!/bin/sh\ncase "$1" in Username*) echo "$SG_USER" ;; *) echo "$SG_PASSWORD" ;; esac\n')
        script.chmod(stat.S_IRWXU)
        yield {**SAFE, "GIT_ASKPASS": str(script), "SG_USER": credential.user, "SG_PASSWORD": credential.secret}


def checkout(build: Build, git: Git) -> None:
    """Bring the workspace to the wanted commit and set GIT_COMMIT, GIT_BRANCH, GIT_URL and their like."""
    url = build.expand(git.url)
    if url.startswith("-") or not url:
        raise StepFailed(f"the repository URL '{url}' cannot be used")
    folder = build.workspace / git.subfolder if git.subfolder else build.workspace
    if not folder.resolve().is_relative_to(build.workspace.resolve()):
        raise StepFailed(f"the folder '{git.subfolder}' lies outside the workspace")
    folder.mkdir(parents=True, exist_ok=True)
    if git.has("WipeWorkspace"):
        empty(folder)
    credential = build.services.credential(git.credentials) if git.credentials else None
    if credential is not None:
        build.mask([credential.secret])
    with _authentication(credential) as env:
        _fetch(build, git, url, folder, env)
        commit, branch = _choose(build, git, folder, env)
        _check_out(build, git, folder, commit, branch, env)
    previous = _revision(build.services.previous(build))
    build.env |= {"GIT_COMMIT": commit, "GIT_BRANCH": branch, "GIT_URL": url}
    if previous:
        build.env["GIT_PREVIOUS_COMMIT"] = previous
    _record(build, git, url, folder, commit, branch, previous)


def _git(build: Build, folder: Path, env: Mapping[str, str], *words: str, minutes: int = PATIENCE) -> None:
    """Run git within the build, so that abort and time-outs reach it."""
    build.say(f" > git {' '.join(words)}")
    if build.launch(["git", *words], cwd=folder, env=env, quiet=True, within=minutes * MINUTE) != 0:
        raise StepFailed(f"git {words[0]} failed")


def _fetch(build: Build, git: Git, url: str, folder: Path, env: Mapping[str, str]) -> None:
    build.say(f"Fetching changes from the remote Git repository {url}")
    if not (folder / ".git").is_dir():
        _git(build, folder, env, "init", "--quiet", ".")
    option = git.options.get("CloneOption")
    words = ["fetch", "--quiet", "--force", "--no-tags" if xml.flag(option, "noTags") else "--tags"]
    if xml.flag(option, "shallow"):
        words.append(f"--depth={max(1, xml.number(option, 'depth', 1))}")
    if git.has("PruneStaleBranch"):
        words.append("--prune")
    refspecs = build.expand(git.refspec).split()
    minutes = xml.number(option, "timeout", 0) or PATIENCE
    _git(build, folder, env, *words, "--", url, *refspecs, minutes=minutes)


def _choose(build: Build, git: Git, folder: Path, env: Mapping[str, str]) -> tuple[str, str]:
    """The commit to build and the name that leads to it (DefaultBuildChooser, much simplified)."""
    for spec in (build.expand(one) for one in git.branches):
        plain = re.sub(rf"^(refs/heads/|refs/remotes/{re.escape(git.remote)}/|{re.escape(git.remote)}/|\*/)", "", spec)
        for name in _candidates(git, folder, plain):
            done = process.run(
                ["git", "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"],
                cwd=folder,
                env=env,
                check=False,
            )
            if done.status == 0:
                return done.text.strip(), name.removeprefix("refs/remotes/").removeprefix("refs/tags/")
    raise StepFailed(f"Couldn't find any revision to build: no branch matches {', '.join(git.branches)}")


def _candidates(git: Git, folder: Path, plain: str) -> list[str]:
    if not any(mark in plain for mark in "*?["):
        return [
            f"refs/remotes/{git.remote}/{plain}",
            plain if plain.startswith("refs/") else f"refs/tags/{plain}",
            plain,
        ]
    listed = process.run(
        ["git", "for-each-ref", "--sort=-committerdate", "--format=%(refname)", f"refs/remotes/{git.remote}/"],
        cwd=folder,
    )
    prefix = f"refs/remotes/{git.remote}/"
    return [name for name in listed.text.split() if fnmatchcase(name.removeprefix(prefix), plain.replace("**", "*"))]


def _check_out(build: Build, git: Git, folder: Path, commit: str, branch: str, env: Mapping[str, str]) -> None:
    build.say(f"Checking out Revision {commit} ({branch})")
    if git.has("CleanBeforeCheckout"):
        _git(build, folder, env, "clean", "-fdx", "--quiet")
    local = xml.text(git.options.get("LocalBranch"), "localBranch").strip()
    if local in ("**",) or (git.has("LocalBranch") and not local):
        local = branch.partition("/")[2] or branch
    where = ["-B", local] if local else ["--detach"]
    _git(build, folder, env, "checkout", "--quiet", "--force", *where, commit)
    if local:
        build.env["GIT_LOCAL_BRANCH"] = local
    if git.has("SubmoduleOption") and not xml.flag(git.options["SubmoduleOption"], "disableSubmodules"):
        more = ["--recursive"] if xml.flag(git.options["SubmoduleOption"], "recursiveSubmodules") else []
        _git(build, folder, env, "submodule", "update", "--init", "--force", *more)
    if git.has("CleanCheckout"):
        _git(build, folder, env, "clean", "-fdx", "--quiet")


def _record(build: Build, git: Git, url: str, folder: Path, commit: str, branch: str, previous: str) -> None:
    """BuildData into build.xml, and the commits since the previous build into changelog.xml."""
    words = [
        "git",
        "log",
        "--max-count=200",
        f"--format={CHANGES}",
        f"{previous}..{commit}" if previous else f"-1{commit}",
    ]
    lines: list[str] = []
    if previous and previous != commit:
        done = process.run([*words, "--"], cwd=folder, env=SAFE, check=False)
        lines = done.text.splitlines() if done.status == 0 else []
    entries = "".join(_entry(line.split("\0")) for line in lines)
    (build.record.folder / "changelog.xml").write_text(f"<log>{entries}</log>", encoding="utf-8", errors="replace")
    build.record.extra.append(
        '<hudson.plugins.git.util.BuildData plugin="git"><lastBuild>'
        f"<revision>{xml.tag('sha1', commit).strip()}{xml.tag('branch', branch).strip()}</revision>"
        f"<hudsonBuildNumber>{build.record.number}</hudsonBuildNumber></lastBuild>"
        f"<remoteUrls>{xml.tag('string', url).strip()}</remoteUrls></hudson.plugins.git.util.BuildData>"
    )


def _entry(fields: list[str]) -> str:
    if len(fields) != 5:
        return ""
    names = ("commit", "author", "email", "time", "message")
    return f"<entry>{''.join(xml.tag(n, v).strip() for n, v in zip(names, fields, strict=True))}</entry>"


def changes(record: Record) -> list[dict[str, str]]:
    """The commits that a build was the first to have: commit, author, email, time, message."""
    try:
        root = xml.parse((record.folder / "changelog.xml").read_bytes(), source="changelog.xml")
    except (OSError, UsageError):
        return []
    return [{field.tag: field.text or "" for field in entry} for entry in root.iterfind("entry")]


def _revision(record: Record | None) -> str:
    """The commit that a build had, empty when it had none."""
    for text in record.extra if record is not None else ():
        if "hudson.plugins.git.util.BuildData" in text and (
            found := re.search(r"<sha1>([0-9a-f]{40,64})</sha1>", text)
        ):
            return found[1]
    return ""


def changed(git: Git, last: Record | None, credential: Credential | None) -> str:
    """What is new in the repository since the last build, as a sentence; empty when nothing is."""
    if "$" in git.url or git.url.startswith("-"):
        raise UsageError(f"the repository URL '{git.url}' cannot be polled")
    with _authentication(credential) as env:
        listed = process.run(["git", "ls-remote", "--heads", "--", git.url], env=env, timeout=60)
    rows = [line.split("\t", 1) for line in listed.text.splitlines() if "\t" in line]
    heads = {name: commit for commit, name in rows}
    built = _revision(last)
    for spec in git.branches:
        plain = re.sub(rf"^(refs/heads/|{re.escape(git.remote)}/|\*/)", "", spec).replace("**", "*")
        tips = {commit for name, commit in heads.items() if fnmatchcase(name.removeprefix("refs/heads/"), plain)}
        if tips and built not in tips:
            return f"{spec} is at {sorted(tips)[0][:12]}, the last build had {built[:12] or 'nothing'}"
    return ""


def same_repository(one: str, other: str) -> bool:
    """Whether two URLs mean one repository (GitStatus.looselyMatches): user, `.git` and a slash at the end aside."""

    def plain(url: str) -> str:
        text = url.strip().removeprefix("file://")
        scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!//)(.*)", text)
        text = f"ssh://{scp[1]}/{scp[2].lstrip('/')}" if scp else re.sub(r"//[^@/]+@", "//", text)
        return os.path.normpath(text.removesuffix("/").removesuffix(".git")) if text else ""

    return bool(plain(one)) and plain(one) == plain(other)


def _strict(fields: Fields) -> Git | None:
    fields.harmless("userRemoteConfigs", "branches", "extensions")  # `read` takes these apart by itself.
    fields.harmless("configVersion", "browser", "gitTool", "submoduleCfg", "doGenerateSubmoduleConfigurations")
    # What the git plugin wrote before its version 2, and jenkins-job-builder still writes.
    fields.harmless("disableSubmodules", "recursiveSubmodules", "remotePoll", "reference", "scmName", "skipTag")
    fields.harmless("gitConfigName", "gitConfigEmail")
    return read(fields.element)


ELEMENTS = (
    Entry(tag=GIT, plugin="git", kind="scm", make=_strict),
    Entry(tag=NONE, plugin="core", kind="scm", ignores="the job checks nothing out"),
)


__all__ = ["Git", "SluicegateError", "changed", "changes", "checkout", "read", "same_repository"]
