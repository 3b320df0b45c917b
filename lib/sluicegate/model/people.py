"""People: one person, however Git, Jenkins and a directory spell the name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache

from sluicegate.model.frozen import frozen
from sluicegate.model.values import Actor


@lru_cache(maxsize=4096)
def plain(spelling: str) -> str:
    """A spelling without what readers do not see: capitals, how a letter is composed (NFKC), how wide a blank is."""
    folded = unicodedata.normalize("NFKC", spelling).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


@frozen
class Person:
    """Somebody: names and addresses in Git, the user at the Jenkins, and the login name in the directories."""

    name: str
    git: tuple[str, ...]
    jenkins: str
    ldap: str


@frozen
class People:
    """Everybody who is known. Where nobody is, everybody is who they are called."""

    known: Mapping[str, Person] = field(default_factory=dict)

    def of(self, actor: Actor) -> str:
        """Who an actor is: by the user of Jenkins where that is verified, else by what Git says; '' for a stranger."""
        if not self.known or not actor.user:
            return actor.user
        if actor.verified:
            return next((person.name for person in self.known.values() if person.jenkins == actor.user), "")
        claimed = re.fullmatch(r"git:(.*) <(.*)>", actor.source)
        return self.author(actor.user, claimed[2] if claimed else "")

    def login(self, person: str) -> str:
        """What the directories call somebody; '' for a stranger."""
        if not self.known:
            return person
        return self.known[person].ldap if person in self.known else ""

    def author(self, name: str, address: str) -> str:
        """Who wrote a commit, by its author's address and else the name; '' for a stranger."""
        if not self.known:
            return name
        for spelling in filter(None, (address, name)):
            for person in self.known.values():
                if plain(spelling) in map(plain, person.git):
                    return person.name
        return ""

    def called(self, spelling: str) -> str:
        """Who is meant by a name that stands somewhere without a proof; '' for a stranger."""
        if not self.known or spelling in self.known:
            return spelling
        by_jenkins = (person.name for person in self.known.values() if person.jenkins == spelling)
        return self.author(spelling, "") or next(by_jenkins, "")
