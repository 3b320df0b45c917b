"""Numbers that are none, or too large, in addresses, forms and jobs: an answer of 200 to 499, and the others go on."""

from __future__ import annotations

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


TRIGGER = "<triggers><hudson.triggers.SCMTrigger><spec>H/5 * * * *</spec></hudson.triggers.SCMTrigger></triggers>"
