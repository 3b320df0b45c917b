"""Builds in bubblewrap: their own processes, and a view of the machine in which what is the server's does not exist.

Inside, the system is read-only, and so is what the server needs to run. The Jenkins home is empty but for the workspace
and the tools; the user's home is one that all builds share (HOME/build-home); folders for temporary files are the
build's own. Processes that a step leaves behind live on until the build ends, as outside.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import sluicegate
from sluicegate.errors import SluicegateError
from sluicegate.runner import processes
from sluicegate.runner.confinement.pen import Start, rooms
from sluicegate.tools import files, process
from sluicegate.tools.scratch import take_away

PROGRAM = "bwrap"
PATIENCE = 30.0
BUILD_HOME = "build-home"
PUBLIC = (".gitconfig", ".config/git/config", ".ssh/known_hosts")
"""What of the user's home is seen all the same, where the home of builds has none: who commits, whom to trust."""

PRIVATE = ("/run/user", "/run/screen", "/run/credentials")
"""Folders of the system with what belongs to our user: sockets, and the secrets that systemd hands to a service."""
ROOTS = (
    ", but all else on this machine that root alone may read: start the server as a user of its own, or --run-as one"
)


def hindrance() -> str:
    """Why no sandbox can be made here; empty when one can."""
    program = shutil.which(PROGRAM)
    if program is None:
        return "bubblewrap is not installed"
    words = [program, "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    try:
        tried = process.run(words, check=False, timeout=PATIENCE)
    except SluicegateError as problem:
        return problem.message
    return f"bubblewrap cannot work here: {tried.error_text}" if tried.status else ""


class Sandbox:
    """Makes the sandboxes of a server's builds. `writable` are folders of the machine that every build may change."""

    holds = True

    def __init__(self, home: Path, writable: Sequence[Path] = (), private: Sequence[Path] = ()) -> None:
        """`private` are files outside the home that only the server is to read, as the key of its certificate."""
        self.home = home
        self.private = tuple(private)
        self.writable = tuple(path.resolve() for path in writable)
        self.program = str(shutil.which(PROGRAM))
        self.build_home = files.ensure_folder(home / BUILD_HOME, mode=0o700)
        self.user_home = _user_home()
        seen = PUBLIC if self.user_home is not None else ()
        self.public = [(Path(str(self.user_home), name), self.build_home / name) for name in seen]

    def words(self) -> str:
        words = "Builds run in a sandbox (bubblewrap) that has nothing of the server's secrets and of other jobs in it"
        return words + (ROOTS if os.geteuid() == 0 else "")

    def objection(self, job: str, place: Path) -> str:
        """What builds may change is named: a folder in it could be swapped for a link, and the rest is the server's."""
        return "" if place in self.writable else "--builds-write does not name it"

    def pen(self, job: str, workspace: Path) -> SandboxPen:
        return SandboxPen(self, workspace)

    def close(self) -> None:
        """Nothing is held."""


def _user_home() -> Path | None:
    """The home of the user that we run as, None where there is none that could be replaced."""
    with suppress(KeyError, RuntimeError):
        home = Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir).resolve()
        if home.is_dir() and home != Path("/"):
            return home
    return None


def _ours() -> list[Path]:
    """The folders that a build needs to call `sluicegate`, and the programs on our PATH."""
    package = Path(sluicegate.__file__).resolve().parent
    places = [Path(sys.prefix), Path(sys.base_prefix), package, (package / "templates").resolve()]
    places += [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place.startswith("/")]
    return [place for place in places if place.is_dir()]


class SandboxPen:
    """The sandboxes of one build: each command has its own processes, all have the same view."""

    same_user = True
    wrapped = True

    def __init__(self, sandbox: Sandbox, workspace: Path) -> None:
        self.sandbox = sandbox
        self.workspace = workspace
        self.shown: list[Path] = []
        self.beside = files.ensure_folder(workspace.with_name(f"{workspace.name}@tmp"), mode=0o700)
        self._temporary = Path(tempfile.mkdtemp(dir=rooms(sandbox.home)))
        self._lasting = self._lasting_mounts()
        self._reports: list[int] = []
        self._inits: list[int] = []

    def variables(self) -> Mapping[str, str]:
        return {}

    def show(self, folder: Path) -> None:
        self.shown.append(folder)

    def outside(self, home: Path) -> Path | None:
        return self.sandbox.build_home if home.resolve() == self.sandbox.user_home else home

    def give(self, descriptor: int) -> None:
        """It is the same user's."""

    @contextmanager
    def starting(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[Start]:
        if any("=" in name for name in env):
            raise ValueError("illegal environment variable name")
        if shutil.which(argv[0], path=env.get("PATH", os.defpath)) is None and not (cwd / argv[0]).exists():
            raise FileNotFoundError(f"no such program: {argv[0]}")
        view = [word for mount in self._view() for word in mount]
        words = [*view, "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL", "--chdir", str(cwd), "--clearenv"]
        for name, value in env.items():
            words += ["--setenv", name, value]
        # What follows a NUL would be options of bubblewrap's, and the build its master.
        if any("\0" in word for word in words):
            raise ValueError("embedded null byte")
        # By a descriptor: arguments can be read by everybody, and what is in our own environment acts outside too.
        options = os.memfd_create("sandbox", os.MFD_CLOEXEC)
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            with os.fdopen(os.dup(options), "wb") as stream:
                stream.write(b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words))
            os.lseek(options, 0, os.SEEK_SET)
            self._reports.append(reading)
            call = [self.sandbox.program, "--args", str(options), "--info-fd", str(writing), "--", *argv]
            yield Start(argv=call, env={}, descriptors=(options, writing))
        finally:
            os.close(options)
            os.close(writing)

    def _view(self) -> Iterator[tuple[str, ...]]:
        """bubblewrap's options for what is seen: outer folders first, for what is in them is mounted over them."""
        home, user_home = self.sandbox.home, self.sandbox.user_home
        yield ("--ro-bind", "/", "/")
        yield ("--dev", "/dev")
        yield ("--proc", "/proc")
        mounts = dict(self._lasting)
        for place, own in self.sandbox.public:
            if place.is_file() and not own.exists():
                mounts[place] = ("--ro-bind", str(place), str(place))
        for place in (*self.sandbox.writable, self.workspace, self.beside, *self.shown):
            if place.exists():
                mounts[place] = ("--bind", str(place), str(place))
        for _, mount in sorted(mounts.items(), key=lambda pair: len(pair[0].parts)):
            yield mount
        if user_home != home:
            yield ("--remount-ro", str(home))

    def _lasting_mounts(self) -> dict[Path, tuple[str, ...]]:
        """What is the same for all commands of a build."""
        home, user_home = self.sandbox.home, self.sandbox.user_home
        mounts: dict[Path, tuple[str, ...]] = {}
        for place in map(Path, PRIVATE):
            if place.is_dir():
                mounts[place] = ("--tmpfs", str(place))
        for number, place in enumerate(_temporaries()):
            mounts[place] = ("--bind", str(files.ensure_folder(self._temporary / str(number), mode=0o700)), str(place))
        if user_home is not None:
            mounts[user_home] = ("--bind", str(self.sandbox.build_home), str(user_home))
        hidden = [*mounts, home]
        for place in _ours():
            if any(place.is_relative_to(hidden_place) for hidden_place in hidden) and place not in mounts:
                mounts[place] = ("--ro-bind", str(place), str(place))
        for file in (path.resolve() for path in self.sandbox.private):
            if file.is_file() and not any(file.is_relative_to(hidden_place) for hidden_place in hidden):
                mounts[file] = ("--ro-bind", "/dev/null", str(file))
        if user_home != home:
            mounts[home] = ("--tmpfs", str(home))
        if (home / "tools").is_dir():
            mounts[home / "tools"] = ("--ro-bind", str(home / "tools"), str(home / "tools"))
        return mounts

    def members(self) -> set[int]:
        """All processes of the sandboxes that still run, but for the first one of each, which ends with the others."""
        self._hear()
        self._inits = [pid for pid in self._inits if _is_init(pid)]
        if not self._inits:
            return set()
        spaces = {_space(pid) for pid in self._inits} - {""}
        return {pid for pid in processes.pids() if pid not in self._inits and _space(pid) in spaces}

    def _hear(self) -> None:
        """Take the numbers that bubblewrap has reported."""
        for report in list(self._reports):
            with suppress(BlockingIOError, ValueError, KeyError, TypeError):
                report_bytes = os.read(report, 4096)
                self._reports.remove(report)
                os.close(report)
                self._inits.append(int(json.loads(report_bytes)["child-pid"]))

    def close(self) -> None:
        for report in self._reports:
            os.close(report)
        self._reports.clear()
        with suppress(OSError):  # else the next start of the server takes it away
            take_away(self._temporary)


def _temporaries() -> list[Path]:
    """The folders for temporary files of this machine."""
    places = (Path("/tmp"), Path("/var/tmp"), Path(tempfile.gettempdir()))
    return [place for place in dict.fromkeys(path.resolve() for path in places) if place.is_dir()]


def _space(pid: int) -> str:
    """The name of a process's own set of process numbers."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _is_init(pid: int) -> bool:
    """Whether this is the first process of a sandbox of ours, and not another one that has got its number."""
    try:
        with open(f"/proc/{pid}/status") as stream:
            lines = [line.split() for line in stream]
    except OSError:
        return False
    return any(line[:1] == ["NSpid:"] and len(line) > 2 and line[-1] == "1" for line in lines)
