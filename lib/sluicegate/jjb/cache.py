"""Keeps what was rendered, so that a tree in which nothing has changed need not be rendered again.

An entry belongs to the names of its sources, its options and every package of this Python; it holds as long as every
file that was opened while it was rendered has the same content, and the same files are found. It lies below the folder
of caches (`rendered/`), readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import sysconfig
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from sluicegate.jjb import sources
from sluicegate.jjb.sources import Options
from sluicegate.jjb.trees import Tree
from sluicegate.tools import files
from sluicegate.tools.git.place import cache_folder

FORM = 1
"""Of the entries; another number, and older ones are not read."""
KEPT = 8
"""Entries that are kept, the newest."""
_watching: list[set[str]] = []
_hooked: list[bool] = []


def lookup(folder: Path, paths: Sequence[Path]) -> Tree | None:
    """What was rendered of these sources, with nothing changed since; None when it has to be rendered."""
    try:
        entry = json.loads((folder / "index.json").read_bytes())
        blob = (folder / "jobs").read_bytes()
        inputs = sources.find(paths, Options(**entry["options"]))
        same = (
            entry["form"] == FORM
            and [str(path) for path in inputs.yaml] == entry["yaml"]
            and {name: str(path) for name, path in inputs.xml.items()} == entry["xml"]
            and all(_digest(name) == digest for name, digest in entry["files"].items())
            and not any(os.path.lexists(name) for name in entry["absent"])
        )
        if not same:
            return None
        renderers = {name: partial(_stored, blob, begin, end) for name, begin, end in entry["jobs"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # Damaged, or of another form: it is made anew.
    os.utime(folder / "index.json")
    return Tree(renderers=renderers, hint=entry["hint"])


def _stored(blob: bytes, begin: int, end: int, _pretty: bool) -> bytes:
    return zlib.decompress(blob[begin:end])


@contextlib.contextmanager
def recorded() -> Iterator[set[str]]:
    """The names of all files that are opened within, but for those of installed packages."""
    if not _hooked:
        sys.addaudithook(_heard)  # It cannot be taken away again: it only listens while somebody records.
        _hooked.append(True)
    names: set[str] = set()
    _watching.append(names)
    try:
        yield names
    finally:
        _watching.remove(names)


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], str) and "w" not in str(arguments[1]):
        for names in _watching:
            names.add(os.path.abspath(arguments[0]))


def store(
    folder: Path, paths: Sequence[Path], tree: Tree, contents: Mapping[str, bytes], opened: Iterable[str]
) -> None:
    """Keep what a tree was rendered to without a mistake. A full disk, or a home without a cache, is no trouble."""
    settled = tree.settled or Options()
    inputs = sources.find(paths, settled)
    used = sorted({*map(_source_of, opened), *map(str, inputs.yaml), *map(str, inputs.xml.values())})
    standard = f"{sysconfig.get_path('stdlib')}/"
    own = (name for name in used if not _installed(name, standard))
    digests = {name: digest for name in own if (digest := _digest(name))}
    blob, jobs = bytearray(), []
    for name, content in contents.items():
        begin = len(blob)
        blob += zlib.compress(content, 1)
        jobs.append((name, begin, len(blob)))
    entry = {
        "form": FORM,
        "options": {**asdict(settled), "conf": str(settled.conf) if settled.conf else None},
        "yaml": [str(path) for path in inputs.yaml],
        "xml": {name: str(path) for name, path in inputs.xml.items()},
        "files": digests,
        "absent": _shadows(digests, tree.include_path),
        "jobs": jobs,
        "hint": tree.hint,
    }
    with contextlib.suppress(OSError):
        files.ensure_folder(folder, mode=0o700)
        files.replace(folder / "jobs", bytes(blob), durable=False, mode=0o600)
        files.replace(folder / "index.json", json.dumps(entry).encode(), durable=False, mode=0o600)
        _drop_old(folder.parent)


def _shadows(digests: dict[str, str], include_path: Sequence[str]) -> list[str]:
    """Files that would be included instead of those that were, if they were there."""
    folders = [os.path.abspath(folder) for folder in include_path]
    shadows = set()
    for name in digests:
        for folder in folders:
            if name.startswith(f"{folder}/"):
                relative = name.removeprefix(f"{folder}/")
                shadows |= {path for other_folder in folders if (path := f"{other_folder}/{relative}") not in digests}
    return sorted(path for path in shadows if not os.path.lexists(path))


def entry_of(paths: Sequence[Path], options: Options) -> Path:
    """Where the entry of these sources lies: by the working folder, the options and every installed package."""
    own = options.conf or Path("jenkins_jobs.ini")
    packages = [
        sorted(entry for entry in os.listdir(place) if entry.endswith((".dist-info", ".egg-info", ".pth")))
        for place in sys.path
        if os.path.isdir(place) and "/_vendor" not in place  # what setuptools adds of its own
    ]
    words = [
        [str(path) for path in paths],
        os.getcwd(),
        [options.recursive, options.exclude, str(options.conf), options.allow_empty_variables],
        _digest(str(own)),
        packages,
        [_digest(str(path)) for path in sorted(Path(__file__).parent.glob("*.py"))],
        sorted(os.listdir(Path(__file__).parent.parent / "templates")),
        sys.version,
    ]
    return cache_folder() / "rendered" / hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def _source_of(name: str) -> str:
    """The module that a compiled file was made of."""
    folder, _, file = name.rpartition("/")
    if not folder.endswith("/__pycache__"):
        return f"{folder}/{file}"
    return f"{folder.removesuffix('/__pycache__')}/{file.partition('.')[0]}.py"


def _installed(name: str, standard: str) -> bool:
    """Whether a file belongs to Python (`standard` is its library) or a package, named in the key; or to no disk."""
    of_a_package = "/site-packages/" in name or "/dist-packages/" in name
    return name.startswith((standard, "/proc/", "/sys/")) or of_a_package or not os.path.isfile(name)


def _digest(name: str) -> str:
    try:
        with open(name, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _drop_old(folder: Path) -> None:
    entries = sorted(folder.glob("*/index.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for index in entries[KEPT:]:
        for path in (index, index.with_name("jobs")):
            path.unlink(missing_ok=True)
        index.parent.rmdir()
