"""Deployer driver `command`: programs of the organisation's own, on each host or once for all of them.

They read a JSON object on their standard input; what a host has is a JSON object on standard output.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from sluicegate.deployers.proof import Proof, mark, marked
from sluicegate.deployers.together import Said, Together, Work, counting, files_of, versions_in
from sluicegate.errors import Malformed, RemoteUnavailable, SluicegateError, TimedOut
from sluicegate.model.config import Config
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import NOT_STARTED, Outcome
from sluicegate.model.settings import Settings
from sluicegate.model.values import Installed, Json
from sluicegate.ports import Host, Wanted
from sluicegate.tools import process
from sluicegate.tools.process import Completed

VERSIONS = "{versions}"
"""The word that becomes one for each component: `auth=1.4.2`, and `auth=` for one that goes away."""
LINES = 6
ITS_OWN = "its words are its own; look there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Argument lists; `check` may be empty. `limit` is what one of them may take."""

    environment: str
    components: Sequence[str]
    survey: tuple[str, ...]
    apply: tuple[str, ...]
    check: tuple[str, ...]
    limit: timedelta

    @property
    def seconds(self) -> float:
        return self.limit.total_seconds()

    def words(self, program: Sequence[str], wanted: Wanted, host: str = "") -> list[str]:
        changes = [f"{name}={release.version if release else ''}" for name, release in wanted.items()]
        filled: list[str] = []
        for word in program:
            plain = word.replace("{environment}", self.environment).replace("{host}", host)
            filled += changes if word == VERSIONS else [plain]
        return filled

    def wish(self, wanted: Wanted) -> dict[str, Json]:
        """What a program is to bring about, as it reads it."""
        return {
            "versions": {name: release.version for name, release in wanted.items() if release},
            "files": {name: files_of(release) for name, release in wanted.items() if release},
            "remove": [name for name, release in wanted.items() if release is None],
        }

    def request(self, **more: Json) -> bytes:
        common = {"environment": self.environment, "components": list(self.components)}
        return json.dumps(common | more, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDeployer:
    """The programs run on each host, as the user that logs in there or as root."""

    programs: Programs
    proof: Proof
    root: bool
    carries: ClassVar[bool] = False

    @classmethod
    def configure(
        cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]
    ) -> CommandDeployer | CommandForAll:
        """Read `survey`, `apply`, `check`, `runs` (`on-host` or `once`), `root`, `limit` and `timeout`."""
        settings.only("survey", "apply", "check", "runs", "root", "limit", "timeout")
        for key in ("survey", "apply"):
            if not settings.texts(key):
                raise settings.fail(f"'{key}' is missing: the program with its arguments, as a list")
        once = settings.choice("runs", ("on-host", "once"), "on-host") == "once"
        programs = Programs(
            environment=name, components=[*config.components], survey=settings.texts("survey"),
            apply=settings.texts("apply"), check=settings.texts("check"), limit=settings.span("limit", "30 min"),
        )  # fmt: skip
        _refuse_words(programs, settings, once=once)
        proof = Proof(
            config=config, seconds=settings.span("timeout", "30 s").total_seconds(),
            asking=lambda component: " ".join(programs.survey), log=lambda component: "see its log there",
        )  # fmt: skip
        if once:
            if "root" in settings.values:
                raise settings.fail(
                    "'root' is for a program on the hosts; this one runs here, as whoever calls", "root"
                )
            return CommandForAll(programs=programs, proof=proof)
        return cls(programs=programs, proof=proof, root=settings.flag("root"))

    def survey(self, host: Host) -> Mapping[str, Installed]:
        return counting(self._standing(host), marked(host))

    def inspect(self, release: Release) -> tuple[str, ...]:
        """Nothing: what is published gets to the hosts past us."""
        return ()

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        """What `check` says where it does not end with 0."""
        if not self.programs.check:
            return ()
        done = self._run(host, self.programs.check, wanted)
        return () if done.status == 0 else (f"{host.name}: {_last_words(done)}",)

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        try:
            mark(host, wanted)
            self._must(host, self.programs.apply, wanted)
            return self.proof.of(host, wanted, self._standing(host))
        except SluicegateError as problem:
            return dict.fromkeys(wanted, Outcome.of(problem))

    def _standing(self, host: Host) -> dict[str, Installed]:
        done = self._must(host, self.programs.survey, {})
        try:
            return versions_in(_parsed(done), self.programs.components)
        except ValueError as problem:
            raise _odd(f"{host.name}: {self.programs.survey[0]}", problem) from problem

    def _must(self, host: Host, program: Sequence[str], wanted: Wanted) -> Completed:
        done = self._run(host, program, wanted)
        if done.status != 0:
            raise SluicegateError(
                f"the host '{host.name}': {program[0]} ended with status {done.status}: {_last_words(done)}",
                hint=ITS_OWN,
            )
        return done

    def _run(self, host: Host, program: Sequence[str], wanted: Wanted) -> Completed:
        words = self.programs.words(program, wanted, host.name)
        request = self.programs.request(host=host.name, **self.programs.wish(wanted))
        return host.run(words, stdin=request, timeout=self.programs.seconds, root=self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandForAll(Together):
    """Each program runs here, once for all hosts of a batch, and answers for every one of them.

    The answer is an object, host -> an object where all is well (of `survey`: component -> version), else a text that
    says why not. What it begins with tells the ending: `unreachable:`, `timed out:` or `not started`.
    """

    programs: Programs
    proof: Proof

    @classmethod
    def configure(
        cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]
    ) -> CommandDeployer | CommandForAll:
        """What `runs` says."""
        return CommandDeployer.configure(name, settings, config, hosts)

    def ask(self, hosts: Sequence[Host]) -> Mapping[str, Said]:
        return self._run(self.programs.survey, [(host, {}) for host in hosts], self._standing)

    def attempt(self, work: Work) -> Mapping[str, Said]:
        if not self.programs.check:
            return {host.name: Said() for host, _ in work}
        return self._run(self.programs.check, work, _nothing)

    def change(self, work: Work) -> Mapping[str, Said]:
        changed = self._run(self.programs.apply, work, _nothing)
        well = [host for host, _ in work if changed[host.name] == Said()]
        return {**changed, **(self.ask(well) if well else {})}

    def _standing(self, answer: Json) -> dict[str, Installed]:
        return versions_in(answer, self.programs.components)

    def _run(
        self, program: Sequence[str], work: Work, reading: Callable[[Json], Mapping[str, Installed]]
    ) -> dict[str, Said]:
        names = [host.name for host, _ in work]
        wishes = {host.name: self.programs.wish(wanted) for host, wanted in work}
        words = self.programs.words(program, _common(work))
        try:
            done = process.run(
                words, stdin=self.programs.request(hosts=wishes), timeout=self.programs.seconds, check=False,
                bound=True,
            )  # fmt: skip
        except TimedOut as problem:
            return dict.fromkeys(names, Said(outcome=Outcome.of(problem)))
        return _said(done, names, reading)


def _said(
    done: Completed, names: Collection[str], reading: Callable[[Json], Mapping[str, Installed]]
) -> dict[str, Said]:
    """What the answer says of each host; where it says all is well and the status does not, nothing is believed."""
    what = os.path.basename(done.argv[0])
    ended = SluicegateError(f"{what} ended with status {done.status}: {_last_words(done)}", hint=ITS_OWN)
    try:
        answer = _parsed(done)
        if not isinstance(answer, dict):
            raise ValueError(f"expected an object with an answer for each host, not {str(answer)[:60]!r}")
    except ValueError as problem:
        failure = ended if done.status != 0 else _odd(what, problem)
        return dict.fromkeys(names, Said(outcome=Outcome.of(failure)))
    # A bad status without a word on any host is everybody's failure.
    blamed = any(isinstance(answer.get(name), str) for name in names)
    statements = {}
    for name in names:
        about = answer.get(name)
        try:
            if isinstance(about, str):
                statements[name] = Said(outcome=_told(name, about))
            elif done.status != 0 and (about is None or not blamed):
                statements[name] = Said(outcome=Outcome.of(ended))
            else:
                statements[name] = Said(installed=reading(about))
        except ValueError as problem:
            statements[name] = Said(outcome=Outcome.of(_odd(f"{name}: {what}", problem)))
    return statements


def _told(host: str, text: str) -> Outcome:
    if text.startswith("not started"):
        return NOT_STARTED
    kinds = {"unreachable": RemoteUnavailable, "timed out": TimedOut}
    kind = next((kinds[word] for word in kinds if text.startswith(f"{word}:")), SluicegateError)
    return Outcome.of(kind(f"the host '{host}': {text}", hint=ITS_OWN))


def _nothing(answer: Json) -> dict[str, Installed]:
    """Well, and nothing said of what is installed."""
    if not isinstance(answer, dict):
        raise ValueError(f"expected {{}} where all is well, or a text that says why not, not {str(answer)[:60]!r}")
    return {}


def _common(work: Work) -> dict[str, Release | None]:
    """What all hosts of a run shall have: what goes away anywhere, then the versions."""
    every: dict[str, Release | None] = {}
    for _, wanted in work:
        every |= {name: release for name, release in wanted.items() if name not in every or release}
    return every


def _parsed(done: Completed) -> Json:
    try:
        return json.loads(done.stdout)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"expected JSON, not {done.text.strip()[:60]!r}") from problem


def _odd(what: str, problem: ValueError) -> Malformed:
    return Malformed(f"{what} printed what is no answer: {problem}", hint="docs/how-to/deployers.md has the form")


def _last_words(done: Completed) -> str:
    lines = [line.strip() for line in (done.error_text or done.text).splitlines() if line.strip()]
    return "; ".join(lines[-LINES:]) or "it printed nothing"


def _refuse_words(programs: Programs, settings: Settings, *, once: bool) -> None:
    """A placeholder that stays as it is would reach the program as a word of its own."""
    for program in (programs.survey, programs.apply, programs.check):
        for word in program:
            if once and "{host}" in word:
                raise settings.fail("'{host}' is for a program that runs on each host; with 'runs: once' it reads them")
            if VERSIONS in word and (word != VERSIONS or program == programs.survey):
                raise settings.fail(f"'{word}': {VERSIONS} stands alone, and in 'apply' and 'check' only")
