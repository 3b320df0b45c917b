"""What every directory does: it says now whether somebody is in a group, or that it cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.directories.ldap import LdapDirectory
from sluicegate.errors import Malformed, NotFound, RemoteUnavailable
from sluicegate.ports import Directory
from sluicegate.tools.credentials import Secret
from tests.fakes import FakeDirectory
from tests.real import slapd as slapds
from tests.real.needs import needs
from tests.real.slapd import BASE, READER

QA = f"cn=qa,ou=groups,{BASE}"


@dataclass(kw_only=True)
class Bench:
    """A directory whose group QA has lena."""

    directory: Directory
    remove_lena: Callable[[], object]
    take_down: Callable[[], object]


@pytest.fixture(params=["fake", pytest.param("ldap", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        fake = FakeDirectory()
        fake.groups[QA] = {"lena"}
        yield Bench(
            directory=fake,
            remove_lena=lambda: fake.groups[QA].remove("lena"),
            take_down=lambda: setattr(fake, "down", True),
        )
        return
    needs("slapd", "slapadd", "ldapmodify")
    with slapds.running(tmp_path / "slapd") as slapd:
        yield Bench(
            directory=LdapDirectory(
                url=slapd.url, users=f"ou=people,{BASE}", bind=READER, password=Secret("reader-word"), seconds=4
            ),
            remove_lena=lambda: slapd.change(
                f"dn: {QA}\nchangetype: modify\ndelete: member\nmember: uid=lena,ou=people,{BASE}\n"
            ),
            take_down=slapd.freeze,
        )


def test_who_is_in_a_group_is_known_by_the_exact_name(bench: Bench) -> None:
    names = ("lena", "gerd", "LENA", "nobody", "", "*")
    assert [name for name in names if bench.directory.holds(QA, name)] == ["lena"]


def test_who_leaves_a_group_is_out_at_once(bench: Bench) -> None:
    bench.directory.refuse_unknown(QA)
    assert bench.directory.holds(QA, "lena")
    bench.remove_lena()
    assert not bench.directory.holds(QA, "lena")


def test_what_is_no_group_holds_nobody_and_is_said(bench: Bench) -> None:
    for name in (f"cn=nobody,ou=groups,{BASE}", f"cn=qa,ou=groups,{BASE},dc=net"):
        for ask in (
            lambda name=name: bench.directory.holds(name, "lena"),
            lambda n=name: bench.directory.refuse_unknown(n),
        ):
            with pytest.raises(NotFound, match="no group"):
                ask()
    with pytest.raises(Malformed, match="no distinguished name"):
        bench.directory.refuse_unknown("qa")


def test_a_directory_that_is_silent_is_no_empty_one(bench: Bench) -> None:
    bench.take_down()
    with pytest.raises(RemoteUnavailable, match="does not answer"):
        bench.directory.holds(QA, "lena")
    with pytest.raises(RemoteUnavailable, match="does not answer"):
        bench.directory.refuse_unknown(QA)
