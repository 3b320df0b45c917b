"""Who may do what: `<home>/rights.yaml`, read again when it is changed. Rules only give; they add up.

- {who: admin, may: administer}
- {who: authenticated, may: build}
- {group: qa, members: [anna, erik]}
- {who: "@qa", may: configure, in: team}
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import yaml

from sluicegate.errors import ConfigError, UsageError
from sluicegate.tools import files

FILE = "rights.yaml"
AUTHENTICATED, ANONYMOUS = "authenticated", "anonymous"
HEAD = """\
# Who may do what on this server: read < build < configure < administer; each right has those before it in it.
# `who` is a user, an "@group", authenticated (whoever logged in) or anonymous; `in` names a folder or a job, and all
# below it. A rule without `in` counts everywhere. Changes count at once.
"""


class Right(IntEnum):
    """What somebody may do; each right contains the lower ones."""

    NONE = 0
    READ = 1
    BUILD = 2
    CONFIGURE = 3
    ADMINISTER = 4


GIVEN = {right.name.lower(): right for right in Right if right}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line: somebody's right, everywhere or in one folder or job and below it."""

    who: str
    right: Right
    place: str

    def covers(self, full_name: str) -> bool:
        return not self.place or full_name == self.place or full_name.startswith(f"{self.place}/")

    def lies_in(self, full_name: str) -> bool:
        """Whether the place is somewhere below: its folders must be seen on the way there."""
        return not full_name or self.place.startswith(f"{full_name}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The whole file. `groups` are the groups of each user."""

    rules: tuple[Rule, ...]
    groups: dict[str, frozenset[str]]

    def of(self, user: str | None, also: Collection[str] = ()) -> tuple[Rule, ...]:
        """The rules that count for a user who is in the groups `also`, or for somebody without a login (None)."""
        names = {ANONYMOUS} if user is None else {ANONYMOUS, AUTHENTICATED, f"user {user}"}
        names |= {f"@{group}" for group in (*self.groups.get(user, ()), *also)} if user is not None else set()
        return tuple(rule for rule in self.rules if rule.who in names)


def parse(text: str, source: str = FILE) -> Rules:
    """Read the file. Raises ConfigError with every mistake."""
    try:
        rows = yaml.safe_load(text) or []
    except (yaml.YAMLError, RecursionError) as problem:
        raise ConfigError([f"{source}: no YAML: {problem}"]) from problem
    mistakes: list[str] = []
    rules: list[Rule] = []
    groups: dict[str, set[str]] = {}
    # A row is a group with its members, or a right of somebody.
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], start=1):
        if not isinstance(row, dict):
            mistakes.append(f"{source}: entry {number} is no mapping such as {{who: anna, may: build}}")
        elif set(row) == {"group", "members"} and isinstance(row["members"], list):
            for member in row["members"]:
                groups.setdefault(str(member), set()).add(str(row["group"]))
        elif "who" in row and set(row) <= {"who", "may", "in"} and str(row.get("may")) in GIVEN:
            who = str(row["who"])
            fixed = who in (AUTHENTICATED, ANONYMOUS) or who.startswith("@")
            place = str(row.get("in", "")).strip("/")
            rules.append(Rule(who=who if fixed else f"user {who}", right=GIVEN[str(row["may"])], place=place))
        else:
            mistakes.append(
                f"{source}: entry {number} is neither {{who, may: {' | '.join(GIVEN)}, in}} nor {{group, members}}"
            )
    if mistakes:
        raise ConfigError(mistakes)
    return Rules(rules=tuple(rules), groups={user: frozenset(names) for user, names in groups.items()})


class Rights:
    """The rules of a home."""

    def __init__(self, home: Path, admin: str, before: Sequence[str]) -> None:
        """Make the file where there is none; users of a home `before` there were rights stay administrators."""
        self.path = home / FILE
        self.newly_made_for = tuple(before) if not self.path.exists() else ()
        if not self.path.exists():
            owners = dict.fromkeys([admin, *before])
            lines = [f"- {{who: {_word(name)}, may: administer}}\n" for name in owners]
            files.replace(self.path, (HEAD + "".join(lines) + "- {who: authenticated, may: build}\n").encode())
        self._lock = threading.Lock()
        self._stamp = self.path.stat().st_mtime_ns
        self._rules = parse(self.path.read_text(), str(self.path))

    def rules(self) -> Rules:
        """The rules as they are now; a file that cannot be read leaves those from before in force."""
        with self._lock:
            try:
                stamp = self.path.stat().st_mtime_ns
                if stamp != self._stamp:
                    self._stamp = stamp
                    self._rules = parse(self.path.read_text(), str(self.path))
            except (OSError, ValueError, ConfigError) as problem:
                logging.getLogger(__name__).error("%s; the rules from before stay in force", problem)
            return self._rules

    def give(self, user: str, right: str) -> None:
        """Add a rule for a user, unless he has that right everywhere already. Raises UsageError for other words."""
        if right not in GIVEN:
            raise UsageError(f"'{right}' is no right; expected one of {', '.join(GIVEN)}")
        if any(not rule.place and rule.right >= GIVEN[right] for rule in self.rules().of(user)):
            return
        text = self.path.read_text()
        line = f"- {{who: {_word(user)}, may: {right}}}\n"
        files.replace(self.path, (text + ("" if text.endswith("\n") or not text else "\n") + line).encode())


def _word(text: str) -> str:
    """A user's name as a YAML scalar, whatever it looks like."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def allowed(rules: Sequence[Rule], full_name: str) -> Right:
    """The highest right that the rules give on an item; "" is the whole server."""
    return max((rule.right for rule in rules if rule.covers(full_name)), default=Right.NONE)


def seen(rules: Sequence[Rule], full_name: str) -> bool:
    """Whether an item may be looked at: because of a right on it, or as the way to one below."""
    return any(rule.covers(full_name) or rule.lies_in(full_name) for rule in rules)
