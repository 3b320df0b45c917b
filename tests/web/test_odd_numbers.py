"""Numbers that are none, or too large, in addresses, forms and jobs: an answer of 200 to 499, and the others go on."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.runner.conftest import shell
from tests.web.conftest import Server, until

ODD = ("²", "--5", "99999999999", "9" * 5000)
PLACES = (
    "job/{job}/{odd}/api/json",
    "job/{job}/1/logText/progressiveText?start={odd}",
    "job/{job}/build?delay={odd}",
    "job/{job}/api/json?depth={odd}",
    "job/{job}/api/json?tree=builds[number]{{{odd}}}",
    "queue/item/{odd}/api/json",
    "queue/cancelItem?id={odd}",
    "job/{job}/submitNextBuildNumber?nextBuildNumber={odd}",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("odd", ODD, ids=["superscript", "two-minus", "large", "long"])
def test_an_odd_number_is_no_fault_of_the_server(server: Server, name: str, place: str, odd: str) -> None:
    server.client().create_job(name, shell("true").decode())
    answer = server.session().post(server.url + place.format(job=name, odd=quote(odd)), allow_redirects=False)
    assert answer.status_code < 500, answer.text


def test_a_job_that_cannot_be_read_stops_no_other_and_the_log_says_which(fresh: Server) -> None:
    for job in ("broken", "well"):
        fresh.client().create_job(job, shell("true", more=TRIGGER).decode())
    fresh.stop()
    (fresh.home / "jobs" / "broken" / "config.xml").write_text("<project><triggers><hudson.triggers.SCMTrigger>")
    fresh.start()
    assert {job["name"] for job in fresh.client().get_jobs()} == {"well", "broken"}
    log = fresh.home / "logs" / "server.log"
    until(lambda: log.exists() and "the job broken cannot be read" in log.read_text())
    assert log.parent.stat().st_mode & 0o077 == 0


def test_names_on_the_disk_that_are_no_text_break_no_page(fresh: Server) -> None:
    """Such as a home has that was kept in another encoding."""
    fresh.client().create_job("well", shell("true").decode())
    fresh.client().create_job("matrix", "<matrix-project><axes/></matrix-project>")
    fresh.stop()
    for place in (b"jobs/caf\xe9/config.xml", b"views/caf\xe9.xml", b"users/caf\xe9/password"):
        path = Path(os.fsdecode(os.fsencode(fresh.home) + b"/" + place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<project/>")
    cell = os.fsencode(fresh.home / "jobs" / "matrix" / "configurations" / "axis-os")
    os.makedirs(cell + b"/caf\xe9/builds")
    fresh.start()
    session = fresh.session()
    for page in ("", "api/json?depth=2", "api/xml", "view/all/", "job/matrix/", "asynchPeople/", "computer/"):
        assert session.get(fresh.url + page, headers={"Accept": "text/html"}).status_code in (200, 404), page
    assert {job["name"] for job in fresh.client().get_jobs()} == {"well", "matrix"}


TRIGGER = "<triggers><hudson.triggers.SCMTrigger><spec>H/5 * * * *</spec></hudson.triggers.SCMTrigger></triggers>"
