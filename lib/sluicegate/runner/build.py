"""One running build: its log, environment, commands, result and interruption. Steps work through it.

Longer than a module should be: all that happens to one build while it runs shares its log and its interruption.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import BinaryIO, Protocol
from xml.etree.ElementTree import Element

from sluicegate.errors import SluicegateError
from sluicegate.runner import launch, processes, properties
from sluicegate.runner.causes import Cause
from sluicegate.runner.configfiles import ConfigFile
from sluicegate.runner.confinement.pen import Pen
from sluicegate.runner.ground import Ground
from sluicegate.runner.item import Item
from sluicegate.runner.jobxml import JobConfig
from sluicegate.runner.launch import Limits
from sluicegate.runner.masking import Mask
from sluicegate.runner.parameters import Given, Upload
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.vault import Credential
from sluicegate.tools import process
from sluicegate.tools.descriptors import readable
from sluicegate.tools.scratch import scratch

SLOW_BUILD = 60.0
LONGEST_ROOM = 80
LONGEST_LOG = 1 << 30
"""Bytes of output that a build may keep: a loop that prints must not fill the disk of everybody."""


class StepFailed(SluicegateError):
    """A step cannot go on, nor the steps after it; the build has this result, with the message in its log."""

    def __init__(self, message: str, *, result: Result = Result.FAILURE) -> None:
        super().__init__(message)
        self.result = result


class Interrupted(SluicegateError):
    """The build was aborted, or a time-out stopped it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A job that waits in the queue, or is built already."""

    job: str
    queue_id: int


class Services(Protocol):
    """What a build may ask of the runner around it."""

    def job(self, build: Build, name: str) -> Item:
        """A job by its name, relative to the folder of this one's. Raises NotFound when there is none."""

    def may_read(self, build: Build, item: Item) -> bool:
        """Whether all who have started this build may read a job. Raises SluicegateError where nobody can tell."""

    def cells(self, item: Item) -> Sequence[Item]:
        """The cells of a matrix that were ever built; none of another job."""

    def workspace_of(self, item: Item) -> Path:
        """The folder of a job's last build."""

    def confines(self) -> bool:
        """Whether builds are kept from what is the server's and from one another."""

    def folder_of_cells(self, build: Build) -> Path:
        """Where the cells of a matrix work whose builds are confined."""

    def credential(self, name: str) -> Credential:
        """A stored credential. Raises NotFound when there is none."""

    def config_file(self, name: str) -> ConfigFile:
        """A managed file. Raises NotFound when there is none."""

    def tool(self, kind: str, name: str) -> Path | None:
        """The folder of the installation of a tool (maven, ant, gradle, ...) by its name; None when there is none."""

    def passwords(self) -> Mapping[str, str]:
        """The passwords that every build may have: variable -> value."""

    def shared(self) -> Mapping[str, str]:
        """The variables that the administrator has set for all builds."""

    def unseal(self, sealed: str) -> str:
        """The text of a sealed value; what no key of ours opens is taken as it is (hudson.util.Secret.fromString)."""

    def start_downstream(
        self, build: Build, name: str, values: Mapping[str, Given], actions: tuple[str, ...] = ()
    ) -> Started:
        """Start another job, whose build carries these actions.

        Raises NotFound when there is none of this name, and Conflict when it is disabled.
        """

    def keep(self, stream: BinaryIO, name: str) -> Upload:
        """Store a file that a started job is given as a parameter."""

    def start_cell(self, build: Build, cell: Mapping[str, str], config: Element) -> Started:
        """Start the build of one cell of a matrix, with the parameters and the number of this build."""

    def wait(self, build: Build, started: Started) -> Record | None:
        """Wait for a job that was started; its record, None when it left the queue without a build."""

    def wait_any(self, build: Build, several: Sequence[Started]) -> tuple[Started, Record | None]:
        """Wait for the first of them that ends, with its record as `wait` gives it."""

    def stop(self, started: Started, by: str) -> None:
        """Abort a job that was started, or take it out of the queue."""

    def previous(self, build: Build) -> Record | None:
        """The job's build before this one that ended."""

    def earlier(self, build: Build) -> Iterator[Record]:
        """The job's builds before this one that ended, newest first."""

    def start_again(self, build: Build, cause: Cause, delay: float = 0) -> None:
        """Start another build of this job, with this one's parameters, `delay` seconds from now."""

    def estimate(self, build: Build, count: int) -> float | None:
        """The average duration of up to `count` good builds in seconds."""


class Build:
    """A build between its start and its end. Only the executor's thread changes it, but for `interrupt`."""

    def __init__(
        self,
        *,
        record: Record,
        config: JobConfig,
        workspace: Path,
        env: dict[str, str],
        parameter_values: Mapping[str, str],
        marks: dict[str, str],
        services: Services,
        pen: Pen,
        rooms: Path,
        echo: Callable[[bytes], None] | None = None,
    ) -> None:
        self.record = record
        self.config = config
        self.workspace = workspace
        self.env = env
        self.parameter_values = dict(parameter_values)
        self.marks = marks
        self.services = services
        self.pen = pen
        self.ground = Ground(workspace, pen.give, self.check)
        self.rooms = rooms
        self.refusal = ""
        self.result = Result.SUCCESS
        self.limits = Limits()
        self._stack = contextlib.ExitStack()
        self._room = LONGEST_LOG
        self.on_limit: Callable[[str], None] = lambda _: None
        self.after: list[Callable[[], None]] = []
        self.interrupted_by = ""
        self._echo = echo
        self._mask = Mask()
        self._lock = threading.Lock()
        self._stop_reading, self._stop_writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._log = os.open(record.log, flags, 0o644)
        self._leaders: list[int] = []
        self._first_pid = processes.newest_pid()
        self._started = time.monotonic()

    @property
    def milliseconds(self) -> int:
        """How long it has run; at least 1, and whatever happens to the machine's clock."""
        return max(1, int((time.monotonic() - self._started) * 1000))

    # -- log --
    def say(self, line: str) -> None:
        """Write one line of our own."""
        self._emit(self._mask.flush())
        self._emit(self._mask.text(line).encode("utf-8", "replace") + b"\n")

    def write(self, block: bytes) -> None:
        """Write output of a command; secrets are masked, and what is beyond LONGEST_LOG is left out."""
        masked = self._mask.feed(block)
        self._room -= len(masked)
        if self._room >= 0:
            self._emit(masked)
        elif self._room + len(masked) >= 0:
            self._emit(masked[: self._room])
            self._emit(f"\nThe output is longer than {LONGEST_LOG} bytes: the rest is left out\n".encode())

    def _emit(self, block: bytes) -> None:
        while block:
            block = block[self._write_some(block) :]

    def _write_some(self, block: bytes) -> int:
        written = os.write(self._log, block)
        if self._echo is not None:
            self._echo(block[:written])
        return written

    def mask(self, secrets: Iterable[str]) -> None:
        """Hide these texts from now on."""
        self._mask.add(secrets)

    def masked(self, text: str) -> str:
        return self._mask.text(text)

    def entitle(self, *, name: str | None = None, description: str | None = None) -> None:
        """What pages and the API show of this build, secrets masked; None leaves what there is."""
        record = self.record
        record.display_name = record.display_name if name is None else self.masked(name)
        record.description = record.description if description is None else self.masked(description)

    def lines(self) -> Iterator[str]:
        """The log so far (`Record.lines`)."""
        self._emit(self._mask.flush())
        return self.record.lines()

    # -- result --
    def worsen(self, result: Result) -> None:
        self.result = max(self.result, result)

    def expand(self, text: str) -> str:
        """Replace the build's variables in a configured text.

        What was given to the build, or to all builds, may name variables in its turn, as a parameter `$BASE/x.git`
        (EnvVars.resolve); what a step has set is taken as it is. Scripts see every value as it was given.
        """
        variables = self.variables
        names = {*self.parameter_values, *self.services.shared()}
        return properties.expand(text, properties.resolved(variables, names) if "$" in text else variables)

    @property
    def variables(self) -> dict[str, str]:
        """What a command sees: a parameter wins over what a step set (AbstractBuild.getBuildVariables)."""
        return {**self.env, **self.parameter_values}

    @contextlib.contextmanager
    def variables_set(self, values: Mapping[str, str]) -> Iterator[None]:
        """Variables for the steps within."""
        before = {name: self.env.get(name) for name in values}
        self.env.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                self.env.pop(name, None)
                if value is not None:
                    self.env[name] = value

    @contextlib.contextmanager
    def scratch(self, *, short: bool = False) -> Iterator[Path]:
        """A folder that no other build may read, gone afterwards; it must be shown before a command uses it.

        With `short` its path is, for a socket in it: these have at most 107 bytes.
        """
        if short and len(str(self.rooms)) > LONGEST_ROOM and self.pen.same_user:
            with scratch() as folder:
                yield folder
            return
        with tempfile.TemporaryDirectory(dir=self.rooms, ignore_cleanup_errors=True) as name:
            yield Path(name)

    def scratch_to_the_end(self) -> Path:
        """The same, gone when the build has ended."""
        return self._stack.enter_context(self.scratch())

    def show(self, folder: Path) -> None:
        """Let the commands of the build use a folder that `scratch` has made, with all that is in it now."""
        self.pen.show(folder)

    @property
    def temporary(self) -> Path:
        """The folder beside the workspace, WORKSPACE_TMP."""
        return self.workspace.with_name(f"{self.workspace.name}@tmp")

    # -- interruption --
    def interrupt(self, by: str) -> None:
        """Abort the build from another thread."""
        with self._lock:
            self.interrupted_by = by
            if self._stop_writing >= 0:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._stop_writing, b"x")

    def check(self) -> None:
        """Raise when the build was aborted: for steps that run no command."""
        with contextlib.suppress(BlockingIOError):
            if os.read(self._stop_reading, 1):
                raise Interrupted(self.interrupted_by)

    def rest(self, seconds: float) -> None:
        """Wait. Raises Interrupted at once when the build is aborted, or its time is over."""
        end = time.monotonic() + seconds
        limit = self.limits.deadline
        until = end if limit is None else min(end, limit)
        readable(self._stop_reading, until - time.monotonic())
        self.check()
        if limit is not None and time.monotonic() >= limit:
            self._stopped("deadline")

    # -- commands --
    def launch(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        quiet: bool = False,
        within: float = inf,
    ) -> int:
        """Run a command to its end with its output in the log; its exit status.

        Raises Interrupted on an abort or a time-out of the build, StepFailed when the program cannot be started or
        does not end `within` so many seconds.
        """
        self.check()
        folder = cwd or self.workspace
        # The earlier one of two ends: that of this command, and that of the build.
        own, of_build = time.monotonic() + within, inf if self.limits.deadline is None else self.limits.deadline
        deadline = None if min(own, of_build) == inf else min(own, of_build)
        if not quiet:
            self.say(f"[{folder.name}] $ {' '.join(argv)}")
        try:
            ended = launch.run(
                argv,
                cwd=folder,
                env={**self.variables, **(env or {}), **self.pen.variables()},
                pen=self.pen,
                write=self.write,
                stop=self._stop_reading,
                limits=Limits(deadline=deadline, silence=self.limits.silence),
                kill=self._kill,
            )
        except (OSError, ValueError) as problem:
            raise StepFailed(f"cannot start '{argv[0]}': {problem}") from problem
        # What it left: the last bytes of the log, and processes to be ended with the build.
        self._emit(self._mask.flush())
        self._leaders.append(ended.pid)
        # Why it ended, if not by itself.
        if ended.why == "deadline" and own < of_build:
            raise StepFailed(f"'{' '.join(argv[:2])}' did not end within {within / 60:g} minutes")
        if ended.why:
            self._stopped(ended.why)
        if ended.leaked:
            self.say(
                "Process leaked file descriptors: a background process still holds the output; going on without it"
            )
        return ended.status

    def ask(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes | None = None, timeout: float
    ) -> process.Completed:
        """Run a command that ends at once, with nothing of it in the log (`launch.ask`)."""
        return launch.ask(self.pen, argv, cwd=cwd, env=env, stdin=stdin, timeout=timeout)

    def _kill(self, leader: int) -> None:
        spared = [leader] if self.pen.wrapped else []
        processes.kill([leader], self.marks, members=self.pen.members, spared=spared)

    def _stopped(self, why: str) -> None:
        if why == "stopped":
            self.check()
        self.on_limit(why)
        raise Interrupted(f"time-out ({why})")

    def kill_leftovers(self) -> None:
        """End what the steps left behind, but for processes that took another BUILD_ID (ProcessTree.killAll)."""
        newest = processes.newest_pid()
        # Numbers are given in rising order: in a short build nothing older can be ours. A wrap, or a long build: all.
        quick = newest >= self._first_pid and time.monotonic() - self._started < SLOW_BUILD
        between = (self._first_pid, newest) if quick else (0, 0)
        if self._leaders and (
            processes.strays(self.pen.members(), self.marks) or processes.carriers(self.marks, *between)
        ):
            count = processes.kill([], self.marks, members=self.pen.members)
            self.say(f"Killed {count} process{'es' if count != 1 else ''} that the build left behind")

    def close(self) -> None:
        """Flush the log and give the descriptors back."""
        self._emit(self._mask.flush())
        with self._lock:
            for descriptor in (self._stop_reading, self._stop_writing, self._log):
                os.close(descriptor)
            self._stop_writing = -1
        self._stack.close()
        self.pen.close()
