"""The parts of sluicegate.yaml that say whom to believe: `name`, `jenkins`, `evidence`, `people`."""

from __future__ import annotations

import re
from collections.abc import Callable

from sluicegate.config.checks import Mistake
from sluicegate.model.config import Config, Jenkins, Signing
from sluicegate.model.people import Person, plain
from sluicegate.model.settings import Settings, suggestion


def jenkins(settings: Settings) -> Jenkins:
    settings.only("url", "user", "token", "ca", "proxy")
    url = settings.address("url")
    lacking = [key for key in ("user", "token") if key not in settings.values]
    if lacking:
        raise settings.fail(
            f"'jenkins' has no {' and no '.join(lacking)}: builds could neither be read nor started;"
            " write user: NAME, token: {env: JENKINS_TOKEN}"
        )
    token = settings.below("token")
    token.only("env")
    ca = settings.text("ca", "")
    if ca and not ca.startswith("/"):
        raise settings.fail(f"'ca' is '{ca}', expected an absolute path of certificates in PEM", "ca")
    return Jenkins(
        url=url, user=settings.text("user"), token_variable=token.text("env"), ca=ca,
        proxy=settings.address("proxy", ""),
    )  # fmt: skip


def repo_name(top: Settings) -> str:
    name = top.text("name", "")
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise top.fail(f"'name' is '{name}', expected letters, digits, '.', '_' and '-'", "name")
    if "evidence" in top.values and not name:
        raise top.fail(
            "'evidence' needs 'name: NAME', which no other delivery repo has: signatures hold in it alone", "evidence"
        )
    return name


def signing(settings: Settings) -> Signing:
    settings.only("signed-by", "since")
    signers, since = settings.text("signed-by"), settings.text("since", "")
    if signers.startswith("/") or any(part in ("", ".", "..") for part in signers.split("/")):
        raise settings.fail(f"'signed-by' is '{signers}', expected the path of a file in this repository", "signed-by")
    if since and not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", since):
        raise settings.fail(f"'since' is '{since}', expected the whole id of a commit of the ledger", "since")
    return Signing(signers=signers, since=since)


def person(name: str, settings: Settings) -> Person:
    settings.only("git", "jenkins", "ldap")
    jenkins = settings.text("jenkins", name)
    return Person(name=name, git=settings.texts("git"), jenkins=jenkins, ldap=settings.text("ldap", jenkins))


def check_people(config: Config, mistake: Mistake) -> None:
    """One spelling means one person, and roles name people."""
    known = config.people.known
    spellings: tuple[Callable[[Person], tuple[str, ...]], ...] = (
        lambda human: human.git,
        lambda human: (human.jenkins,),
        lambda human: (human.ldap,),
    )
    for spelled in spellings:
        taken: dict[str, str] = {}
        for human in known.values():
            for spelling in spelled(human):
                person = taken.setdefault(plain(spelling), human.name)
                if person != human.name:
                    mistake(f"people/{human.name}", f"'{spelling}' is {person} already")
    for role in config.roles.values() if known else ():
        for member in role.members:
            if member not in known:
                mistake(f"roles/{role.name}", f"nobody of 'people' is called '{member}'.{suggestion(member, [*known])}")
