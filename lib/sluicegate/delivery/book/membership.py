"""Who is in a role: who is named in it, and who a directory says is in one of its groups, asked once a snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate.errors import RemoteUnavailable, SluicegateError
from sluicegate.model.config import Config, Group, Role
from sluicegate.ports import Drivers


class Membership:
    """The roles of one configuration. A directory is asked only about people whom a role does not name itself."""

    def __init__(self, config: Config, drivers: Drivers) -> None:
        self.config = config
        self.drivers = drivers
        self._answers: dict[tuple[Group, str], bool | SluicegateError] = {}
        self._silent: dict[str, SluicegateError] = {}

    def has(self, role: Role, person: str) -> bool:
        """Whether a person (a name of `people`, '' for a stranger) is in a role.

        Raises what its directories raise, where none of its groups has the person and one could not be asked.
        """
        if not person or person in role.members:
            return bool(person)
        problem = None
        for group in role.groups:
            answer = self._answer(group, self.config.people.login(person))
            if answer is True:
                return True
            problem = answer or problem
        if problem:
            raise problem
        return False

    def any(self, roles: Sequence[Role], person: str) -> bool:
        """Whether a person is in one of the roles. Raises as `has` does, where none that could be asked says so."""
        problem = None
        for role in roles:
            try:
                if self.has(role, person):
                    return True
            except SluicegateError as silence:
                problem = silence
        if problem:
            raise problem
        return False

    def _answer(self, group: Group, login: str) -> bool | SluicegateError:
        """What the directory says; one that failed is not asked about the next person: each time limit would add up."""
        if group.directory in self._silent:
            return self._silent[group.directory]
        if (group, login) not in self._answers:
            try:
                directory = self.drivers.directory(self.config, group.directory)
                self._answers[group, login] = directory.holds(group.name, login)
            except SluicegateError as problem:
                self._answers[group, login] = problem
                if isinstance(problem, RemoteUnavailable):
                    self._silent[group.directory] = problem
        return self._answers[group, login]
