"""The runner: a home with its queue, executors and triggers. The web part and the command line both drive this.

Longer than a module should be: a build's way from the queue to its end is one story under one lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sluicegate.errors import Conflict, SluicegateError, UsageError
from sluicegate.runner import defaults, environment, hindrances, leftqueue, logins, names, properties, sequence
from sluicegate.runner.accepted import Accepted
from sluicegate.runner.build import Build
from sluicegate.runner.causes import Cause
from sluicegate.runner.confinement.errand import Errand, errand
from sluicegate.runner.confinement.pen import Confinement, clear_rooms, rooms
from sluicegate.runner.confinement.unconfined import Unconfined
from sluicegate.runner.home import Home, Workspaces
from sluicegate.runner.item import Item
from sluicegate.runner.items import Items
from sluicegate.runner.parameters import Definition, Given, Parameter, Upload, chosen
from sluicegate.runner.provisions import Provisions
from sluicegate.runner.queue import Queue
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.records import Record, now_ms
from sluicegate.runner.recovery import adopt, mark, new_record, recover
from sluicegate.runner.results import Result
from sluicegate.runner.rights import Rights
from sluicegate.runner.settings import Settings, Shared
from sluicegate.runner.unsaved import UnsavedBuilds
from sluicegate.runner.uploads import Uploads
from sluicegate.runner.users import ADMIN, Users
from sluicegate.runner.vault import Vault
from sluicegate.runner.worker import Worker
from sluicegate.tools import files, xml

DELETE_PATIENCE = 15.0
FILES_OF_A_BUILD = 32
"""Open files that a build needs of the server while it starts, with some to spare."""
SERVER_STOPS = "Aborted because the server stops"


class Runner:
    """Everything of one home. `url` ends with a slash, or is empty when there is no server."""

    def __init__(
        self,
        home: Path,
        *,
        executors: int = 2,
        url: str = "",
        own_secrets: bool = False,
        settings: Settings | None = None,
    ) -> None:
        self.confinement: Confinement = Unconfined()
        self.home = Home(home)
        # Hold the home before anything in it is read.
        self.home.hold(url)
        self.url = url
        self.vault = Vault(self.home.path / "secrets")
        self.users = Users(self.home.path, self.vault)
        self.logins = logins.read(self.home.path)
        self.users.outside = self.logins.outside
        self.rights = Rights(self.home.path, ADMIN, self.users.all())
        # Whose secrets builds may have, that is a run, whose home goes away with it.
        self.accepted = None if own_secrets else Accepted(self.home.path)
        self.items = Items(self.home.path, self.accepted)
        self.queue = Queue(self.home.path)
        self.workspaces = Workspaces(self.home.path)
        self.uploads = Uploads(self.home.path)
        self.cookie = self.vault.word("server.cookie")[:16]
        self.executors: list[Record | None] = [None] * executors
        self.offline = ""
        self.own_secrets = own_secrets
        self.pass_env: tuple[str, ...] = ()
        self.shared_settings = Shared(self.home.path)
        self._given_settings = settings
        self.echo: Callable[[Record], Callable[[bytes], None] | None] = lambda _: None
        self.on_end: Callable[[Record], None] = lambda _: None
        # Builds at work, and what they are to be told.
        self._running: dict[tuple[str, int], Build] = {}
        self._stopped_early: dict[tuple[str, int], str] = {}
        self._stopping_builds = threading.Lock()
        self._unsaved = UnsavedBuilds(self.items, self.queue)
        self._lending = threading.Lock()
        self._stopping = False
        self.provisions = Provisions(
            items=self.items,
            queue=self.queue,
            workspaces=self.workspaces,
            confined=lambda: self.confinement.holds,
            vault=self.vault,
            settings=lambda: self.settings,
            trigger=self.trigger,
            lend=self._another_executor,
            abort=self.abort,
            keep=self.keep,
            users_rights=self.rights.rules,
            groups=self.users.groups,
        )
        self.keepers = (self.accepted.worker,) if self.accepted is not None else ()
        self.workers = [Worker(f"executor {n}", partial(self._execute, n)) for n in range(executors)]
        # What a crash, or a Jenkins that had this home before, has left.
        recover(self.items, self.queue, self.cookie)
        adopt(self.home.path, self.items, self.queue)
        clear_rooms(self.home.path)

    # -- life --
    def start(self) -> None:
        """Start the executors, and what looks after them."""
        for worker in (*self.workers, *self.keepers):
            worker.start()

    def stop(self) -> None:
        """Abort what runs, keep what waits, and give the home back."""
        with self._stopping_builds:
            self._stopping = True
            for build in self._running.values():
                build.interrupt(SERVER_STOPS)
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            while worker.alive:
                self.queue.wake()
                worker.join(0.05)
        self._unsaved.save()
        with contextlib.suppress(OSError):  # a full disk: for us all of it waits in the journal
            leftqueue.leave(self.home.path, self.queue.items(), self.queue.next_id, self._class_of)
        self.queue.close()
        if self.accepted is not None:
            self.accepted.close()
        self.confinement.close()
        self.home.release()

    def _class_of(self, job: str) -> str:
        item = self.items.job(job)
        return item.config.job_class if item is not None else "hudson.model.FreeStyleProject"

    # -- triggers --
    def trigger(
        self,
        item: Item,
        causes: tuple[Cause, ...],
        values: Mapping[str, Given] | None = None,
        delay: float | None = None,
        actions: tuple[str, ...] = (),
    ) -> QueueItem:
        """Accept a build that carries these actions (XML of build.xml); it is on disk when this returns.

        Raises UsageError for values that cannot be.
        """
        config = item.config
        parameters = tuple(self._sealed(parameter) for parameter in chosen(self.offered(item), values or {}))
        wait = config.quiet_period if delay is None else delay
        return self.queue.add(item.full_name, causes, parameters, wait, actions)

    def keep(self, stream: BinaryIO, name: str) -> Upload:
        """Store a file that will be given as a parameter."""
        self.uploads.sweep(parameter for item in self.queue.items() for parameter in item.parameters)
        return self.uploads.keep(stream, name)

    def offered(self, item: Item) -> tuple[Definition, ...]:
        """The parameters of a job, with the values that its next build has where none are given."""
        return defaults.offered(item, self.items)

    def _sealed(self, parameter: Parameter) -> Parameter:
        return replace(parameter, value=self.vault.seal(parameter.text)) if parameter.secret else parameter

    def delete(self, item: Item) -> None:
        """Remove a job or folder, after its builds were aborted. Raises Conflict when one does not end."""
        prefix = f"{item.full_name}/"
        doomed = [job for job in self.items.jobs() if f"{job.full_name}/".startswith(prefix)]
        for job in doomed:
            self.queue.cancel_job(job.full_name)
            for record in list(job.history.running.values()):
                self.abort(record, "Aborted because the job is deleted")
        end = time.monotonic() + DELETE_PATIENCE
        # A build that still runs would write its record into the folder that is gone.
        while any(job.history.running for job in doomed):
            if time.monotonic() > end:
                raise Conflict(f"{item.full_name} is still building; try again when that build has ended")
            time.sleep(0.02)
        self.items.delete(item)
        for job in doomed:
            self.queue.cancel_job(job.full_name)

    def abort(self, record: Record, by: str) -> bool:
        """Stop a running build, also one that is only about to begin; False when it does not run."""
        key = record.job, record.number
        with self._stopping_builds:
            item = self.items.job(record.job)
            if item is None or record.number not in item.history.running:
                return False
            if (build := self._running.get(key)) is not None:
                build.interrupt(by)
            else:
                self._stopped_early.setdefault(key, by)
            return True

    def _begin(self, build: Build) -> None:
        """From now on a stop reaches the build; one that came before it was there reaches it here."""
        key = build.record.job, build.record.number
        with self._stopping_builds:
            self._running[key] = build
            if by := self._stopped_early.pop(key, SERVER_STOPS if self._stopping else ""):
                build.interrupt(by)

    def _end(self, record: Record) -> None:
        with self._stopping_builds:
            for builds in (self._running, self._stopped_early):
                builds.pop((record.job, record.number), None)

    def why(self, item: QueueItem) -> tuple[str, str]:
        """The state of a waiting item (Waiting, Blocked or Buildable) and the sentence for people."""
        if item.trouble:
            return "Waiting", f"It could not be started and is tried again soon: {item.trouble}"
        left = item.due - time.monotonic()
        if left > 0:
            return "Waiting", f"In the quiet period. Expires in {left:.2g} sec"
        job = self.items.job(item.job)
        if job is not None and (reason := hindrances.reason(item, self.items, self.queue.items())):
            return "Blocked", reason
        return "Buildable", "Waiting for next available executor"

    def rename(self, item: Item, new: str) -> Item:
        """Give a job or folder another name; what waits for it, or below it, waits on.

        Raises Malformed for a name that cannot be, and Conflict while something of it builds.
        """
        old = item.full_name
        with self.queue.changed:  # nothing of it starts meanwhile
            below = [job for job in self.items.jobs() if f"{job.full_name}/".startswith(f"{old}/")]
            if busy := next((job for job in below if job.history.running), None):
                raise Conflict(f"{busy.full_name} is building; {old} cannot be renamed now")
            renamed = self.items.rename(item, new)
            self.queue.rename({job.full_name: renamed.full_name + job.full_name.removeprefix(old) for job in below})
            return renamed

    # -- executors --
    def _execute(self, number: int) -> None:
        """One round of an executor: start what may start now, or wait a little."""
        self._unsaved.save()
        if self.queue.interrupted:  # there was no room when the server started
            with self._stopping_builds:
                mark(self.items, self.queue)
        item = self.queue.take(self)
        if item is None:
            return
        try:
            self._build(number, item)
        except Exception as problem:  # the executor must live on whatever a build does
            self._unsaved.add(item, problem)
        finally:
            record, self.executors[number] = self.executors[number], None
            if record is not None:
                self._end(record)
            try:
                if item not in self._unsaved:
                    self.queue.end(item)
            finally:  # also where the disk does not take it: after a restart the build is known by its record
                if record is not None:
                    self.on_end(record)

    # -- what the queue asks before it starts something (Starter) --
    def allowed(self, waiting: QueueItem) -> bool:
        if self._stopping or self.offline:
            return False
        item = self.items.job(waiting.job)
        return item is not None and not hindrances.reason(waiting, self.items, self.queue.items())

    def reserve(self, waiting: QueueItem) -> int:
        files.must_be_free(FILES_OF_A_BUILD)  # it waits rather than fails
        return self.items.needed(waiting.job).history.take_number()

    def occupy(self, waiting: QueueItem) -> None:
        assert waiting.number is not None
        item = self.items.needed(waiting.job)
        item.history.occupy(new_record(item, waiting, waiting.number))

    def _build(self, executor: int, waiting: QueueItem) -> None:
        item = self.items.job(waiting.job)
        if item is None or waiting.number is None:
            return
        record = item.history.running[waiting.number]
        self.executors[executor] = record
        # A workspace and a pen; where they cannot be had, the build says so in its own log, and does nothing.
        refusal = ""
        try:
            custom = self._custom_workspace(item, record)
            workspace = self.workspaces.take(item.full_name, custom, strict=self.confinement.holds)
        except SluicegateError as problem:
            refusal, workspace = problem.message, self.workspaces.take(item.full_name)
        try:
            pen = self.confinement.pen(item.full_name, workspace)
        except (SluicegateError, OSError) as problem:
            refusal, pen = refusal or f"the build cannot be confined: {problem}", Unconfined().pen("", workspace)
        # From here on it is on disk, and a crash finds it.
        record.workspace = str(workspace)
        item.history.begin(record)
        try:
            self.uploads.hand_over(record.parameters, record.folder)
        except OSError as problem:
            refusal = refusal or f"a file that was given as a parameter is not there any more: {problem}"
        # The variables: the server's, then the parameters, then Jenkins' own, which nobody overrides.
        standard = environment.standard(
            record, home=self.home.path, url=self.url, cookie=self.cookie, executor=executor, workspace=workspace
        )
        parameter_values = {
            parameter.name: self._plain(parameter) for parameter in record.parameters if parameter.name not in standard
        }
        parameter_values |= defaults.of_runs(record.parameters, self.items, self.url)
        env = self.environment() | parameter_values | standard
        env |= environment.java(self.settings.tool("jdk", item.config.jdk), env)
        build = Build(
            record=record,
            config=item.config,
            workspace=workspace,
            env=env,
            parameter_values=parameter_values,
            marks=environment.characteristic(record, self.cookie),
            services=self.provisions,
            pen=pen,
            rooms=rooms(self.home.path),
            echo=self.echo(record),
        )
        # Secrets are masked before the first line is written.
        build.refusal = refusal
        build.mask(self._plain(parameter) for parameter in record.parameters if parameter.secret)
        self._begin(build)
        try:
            sequence.perform(build)
            self._finish(item, build)
        finally:
            build.close()
            self.workspaces.give_back(workspace)

    def environment(self) -> dict[str, str]:
        """What the commands of every job get, whatever the job says."""
        return environment.inherited(all_of_them=self.own_secrets, also=self.pass_env) | dict(self.settings.env)

    def errand(self, item: Item) -> contextlib.AbstractContextManager[Errand]:
        """Commands for a job outside its builds, kept from the server as its builds are."""
        return errand(self.confinement, self.home.path, item.full_name)

    def _custom_workspace(self, item: Item, record: Record) -> str:
        """The folder that the job wants instead of its own, empty when it wants none."""
        variables = dict(self.settings.env) | {
            parameter.name: self._plain(parameter) for parameter in record.parameters
        }
        variables |= environment.characteristic(record, self.cookie)
        wanted = properties.expand(xml.text(item.config.root, "customWorkspace"), variables).strip()
        if not (wanted and self.confinement.holds):
            return wanted
        if objection := self._objection(item, place := Path(os.path.realpath(self.home.path / wanted))):
            raise UsageError(f"the workspace {wanted} {objection}")
        return str(place)

    def _objection(self, item: Item, place: Path) -> str:
        """What speaks against a custom workspace: it has something of the server or of another job in it, or some build
        could put a link in its place, or in the place of another one."""
        home, root = self.home.path, self.workspaces.root
        if not place.is_relative_to(root) or place == root:
            if place.is_relative_to(home) or home.is_relative_to(place):
                return f"is the server's own: name a folder in {root}"
            objection = self.confinement.objection(item.full_name, place)
            return f"cannot be: {objection}" if objection else ""
        name = str(place.relative_to(root))
        if name == item.full_name or place.parent == self.workspaces.of_cells(names.folder_of(item.full_name)):
            return ""
        for other in list(self.items.by_name):
            if f"{name}/".startswith(f"{other}/") or f"{other}/".startswith(f"{name}/"):
                return f"belongs to {'the folder' if self.items.by_name[other].is_folder else 'the job'} {other}"
        return "" if names.is_plain(name) else f"lies in a folder that builds may change: name one right in {root}"

    def _finish(self, item: Item, build: Build) -> None:
        """Start what comes after, write the last line, and save the result."""
        record = build.record
        downstream = [child for child in self.items.downstream(item) if build.result <= child.threshold]
        for child in downstream:
            job = self.items.job(child.name)
            state = "is disabled. Triggering skipped" if job is not None and not job.buildable else ""
            build.say(f"{child.name} {state}" if state else f"Triggering a new build of {child.name}")
        follow_ups = build.after
        for follow_up in follow_ups:
            follow_up()
        if build.result is Result.ABORTED:
            record.extra.append(
                "<jenkins.model.InterruptedBuildAction><causes/></jenkins.model.InterruptedBuildAction>"
            )
        build.say(f"Finished: {build.result.name}")
        record.duration = build.milliseconds
        item.history.finish(record, build.result)
        # Only now: a downstream build may ask for this one's result at once.
        for child in downstream:
            with contextlib.suppress(SluicegateError):
                self.provisions.start_downstream(build, child.name, {})
        item.history.discard(item.config.retention, now_ms())

    @property
    def settings(self) -> Settings:
        """What all builds share: what this runner was given, else the home's."""
        return self._given_settings or self.shared_settings.now()

    @property
    def busy(self) -> bool:
        """Whether anything waits or is built."""
        return bool(self.queue.items() or self._running)

    def _plain(self, parameter: Parameter) -> str:
        return self.vault.open(parameter.text) if parameter.secret else parameter.text

    @contextlib.contextmanager
    def _another_executor(self) -> Iterator[None]:
        """One more, while a build only waits for another: with none free, both would wait for ever."""
        with self._lending:
            # The place of one that was lent before and has ended, else a new one.
            number = next((n for n, worker in enumerate(self.workers) if not worker.alive), len(self.workers))
            worker = Worker(f"executor {number}", partial(self._execute, number))
            self.workers[number:] = [worker, *self.workers[number + 1 :]]
            self.executors[number:] = [None, *self.executors[number + 1 :]]
            worker.start()
        try:
            yield
        finally:
            worker.stop()
            self.queue.wake()
