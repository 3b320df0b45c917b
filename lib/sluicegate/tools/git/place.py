"""Which Git repository a location means: a path or a URL; and where what is read of it is kept."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from sluicegate.errors import UnknownName, UsageError
from sluicegate.model.frozen import frozen
from sluicegate.tools.git.command import git
from sluicegate.tools.lock import locked

LINE = "sluicegate-line"
"""In a Git folder: where the writers of a repository on this machine wait for their turn."""


@frozen
class Place:
    """`remote` is where changes are pushed, `local` the objects read here, `own` whose settings say who works."""

    remote: str
    local: Path
    own: Path


def resolve(location: str, cache: Path, *, clones: tuple[Path, ...] = ()) -> Place:
    """A URL, a bare repository, one without an origin; a clone with a work tree stands for its origin.

    `clones` are those whose origins led here.
    """
    if location.startswith("-") or "::" in location.split("/")[0]:
        raise UsageError(f"'{location}' is not taken as a delivery repo: give a path or an https, ssh or git URL")
    if _is_url(location, Path()):
        mirror = _mirror(location, cache)
        return Place(remote=location, local=mirror, own=mirror)
    folder = Path(location).resolve()
    if not os.path.isdir(folder):  # unlike Path's, it takes a name that is too long
        raise UnknownName(f"there is no folder {folder}", hint="name the delivery repo with -C or SLUICEGATE_REPO")
    if plain := _without_remotes(folder):
        return Place(remote=str(plain), local=plain, own=plain)
    questions = ("--is-bare-repository", "--absolute-git-dir")
    done = git("rev-parse", *questions, folder=folder, check=False)
    refuse_untrusted(done.error_text, str(folder))
    if done.status != 0:
        raise UnknownName(
            f"{folder} is not a Git repository, so not a delivery repo",
            hint="name one with -C or SLUICEGATE_REPO, or make one: sluicegate init DIR",
        )
    bare, _, git_folder = done.text.strip().partition("\n")
    own = Path(git_folder)
    origin = git("config", "--get", "remote.origin.url", folder=folder, check=False).text.strip()
    if bare == "true" or not origin:
        return Place(remote=str(own), local=own, own=own)
    if own in clones:
        raise UsageError(
            f"the origin of {folder} leads back to itself", hint=f"git -C {folder} remote set-url origin URL"
        )
    place = origin if _is_url(origin, folder) else str((folder / origin).resolve())
    further = resolve(place, cache, clones=(*clones, own))
    return Place(remote=further.remote, local=further.local, own=own)


def refuse_untrusted(error_text: str, place: str) -> None:
    """Raise UsageError when Git reads nothing because the repository is another user's."""
    if named := re.search(r"detected dubious ownership in repository at '(.*)'", error_text):
        raise UsageError(
            f"{place} belongs to somebody else, so Git does not read it",
            hint=f"let its owner run this, or trust it: git config --global --add safe.directory {named[1]}",
        )


def git_folder(remote: str) -> Path | None:
    """The Git folder on this machine that a path or a `file://` URL means, as Git finds it; None for one elsewhere."""
    path = remote
    if match := re.match(r"file://(?:localhost)?(/.*)", remote):
        from urllib.parse import unquote

        path = unquote(match[1])
    elif not remote.startswith("/"):
        return None
    for folder in (Path(f"{path}{ending}") for ending in ("/.git", "", ".git/.git", ".git")):
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            return folder
    return None


def shared_line(folder: Path) -> tuple[Path, int]:
    """Where all writers of a repository on this machine, by its Git folder, stand in line, and the mode of files there.

    Whoever may write to the repository may stand there. Raises OSError where the folder cannot be made.
    """
    line, mode = folder / LINE, stat.S_IMODE(folder.stat().st_mode)
    with suppress(FileExistsError):
        line.mkdir()
        line.chmod(mode)
    return line, mode & 0o666 | 0o600


def work_tree(location: str) -> Path | None:
    """The folder with the files of the repository that a folder is in; None for a bare one, a URL, and for none."""
    top = git("rev-parse", "--show-toplevel", folder=location, check=False).text.strip()
    return Path(top) if top else None


def _is_url(location: str, folder: Path) -> bool:
    """As Git tells them: scheme://, or HOST:PATH with no slash before the colon, unless it is a path that is there."""
    return bool(re.match(r"[a-z+]+://|[^/]+:", location)) and not os.path.exists(folder / location)


def _without_remotes(folder: Path) -> Path | None:
    """The Git folder of a repository of ours whose settings name no remote, found without starting Git.

    None means: ask Git. Somebody else's repository is left to Git's own rules (safe.directory).
    """
    git_folder = folder / ".git" if (folder / ".git").exists() else folder
    try:
        settings = (git_folder / "config").read_bytes()
        ours = {path.stat().st_uid for path in (folder, git_folder)} == {os.geteuid()}
    except OSError:
        return None
    whole = (git_folder / "HEAD").is_file() and (git_folder / "objects").is_dir() and (git_folder / "refs").is_dir()
    return (
        git_folder if whole and ours and not re.search(rb"remote|include|worktree", settings, re.IGNORECASE) else None
    )


def _mirror(url: str, cache: Path) -> Path:
    """The private bare repository in the cache that mirrors a URL."""
    folder = cache / f"{cache_name(url)}.git"
    if not (folder / "HEAD").exists():
        with locked(folder.with_suffix(".fetch")):
            if not folder.exists():  # nobody else has made it meanwhile
                make_mirror(folder)
    return folder


def make_mirror(folder: Path, *, object_format: str = "") -> None:
    """Make an empty mirror, also in place of one whose ids are made otherwise than those of its repository."""
    import shutil

    making = folder.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)  # of one who was killed
    form = [f"--object-format={object_format}"] if object_format else []
    git("init", "--quiet", "--bare", *form, "--", making)
    if folder.exists():
        shutil.rmtree(folder)
    making.rename(folder)


def cache_path() -> Path:
    """Where our locks, mirrors and memories are; without a home at a place that anybody could have taken before us."""
    base = os.environ.get("XDG_CACHE_HOME") or (f"{os.environ['HOME']}/.cache" if os.environ.get("HOME") else "")
    return Path(base) / "sluicegate" if base else _homeless()


def _homeless() -> Path:
    return Path(os.environ.get("TMPDIR") or "/tmp", f"sluicegate-cache-{os.getuid()}")


def cache_name(remote: str) -> str:
    """What all that we keep in the cache about a repository is called, but for the ending."""
    import hashlib

    return hashlib.sha256(remote.encode()).hexdigest()[:24]


def cache_folder() -> Path:
    """Our folder for locks and mirrors, made where it is not there."""
    folder = cache_path()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(
            f"the cache folder {folder} cannot be made: {problem.strerror}", hint="name another one: XDG_CACHE_HOME"
        ) from problem
    if folder == _homeless() and folder.lstat().st_uid != os.getuid():
        raise UsageError(f"the cache folder {folder} is somebody else's", hint="name another one: XDG_CACHE_HOME")
    return folder


def restoring(remote: str, local: Path) -> str:
    """What helps when an object of the repository is damaged or missing."""
    if str(local) != remote:  # a mirror is made anew from the repository that it is of
        return f"rm -r {local}; then run the same again"
    return (
        f"git -C {local} fsck --full names the file; remove it, then bring it back from a clone that has it: "
        f"git -C {local} fetch --refetch CLONE 'refs/heads/*:refs/restored/*'"
    )


def shown(remote: str) -> str:
    """A remote as it may be shown: without a password."""
    return re.sub(r"(://[^/:@]*):[^/@]*@", r"\1:****@", remote)
