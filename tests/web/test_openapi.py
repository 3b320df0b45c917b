"""The description of the remote API is true, and whatever fits or does not fit it is answered without a fault."""

from __future__ import annotations

import base64
import warnings

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.anything import searching
from tests.web.conftest import ROOT, Server, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
DESCRIPTION = schemathesis.openapi.from_path(ROOT / "docs/reference/openapi.yaml")
OPERATIONS = {
    f"{operation.ok().method.upper()} {operation.ok().path}": operation.ok()
    for operation in DESCRIPTION.get_all_operations()
}


def there_is_a_job(server: Server, login: str) -> int:
    """Make what other tests have deleted: a job with a build, which can be built; the queue's number of its newest."""
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/xml"}
    config = "<project><quietPeriod>0</quietPeriod></project>"
    job = f"{server.url}job/any-input"
    requests.post(f"{server.url}createItem?name=any-input", data=config, headers=headers, timeout=15)
    assert requests.post(f"{job}/config.xml", data=config, headers=headers, timeout=15).ok
    answer = requests.post(f"{job}/build?delay=0", headers=headers, timeout=15)
    assert answer.status_code == 201
    until(lambda: requests.get(f"{job}/1/api/json", headers=headers, timeout=15).ok, 20)
    return int(answer.headers["Location"].rstrip("/").rpartition("/")[2])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_api_answers_as_it_is_described(any_input: tuple[Server, str], name: str) -> None:
    server, login = any_input
    item = there_is_a_job(server, login)
    user, _, token = base64.b64decode(login).decode().partition(":")

    known = {"job": "any-input", "build": "1", "view": "all", "item": item}

    @searching(0.25)
    @given(st.data())
    def search(data: st.DataObject) -> None:
        case = data.draw(OPERATIONS[name].as_strategy())
        if data.draw(st.booleans()) and not name.endswith("/doDelete"):  # what is there, beside what is not
            case.path_parameters.update({key: known[key] for key in case.path_parameters if key in known})
        case.call_and_validate(base_url=server.url.rstrip("/"), checks=CHECKS, auth=(user, token), timeout=15)

    search()


def test_what_is_described_is_there(any_input: tuple[Server, str]) -> None:
    """Of each route that reads: the answer for what exists is 200."""
    server, login = any_input
    item = there_is_a_job(server, login)  # the queue forgets the oldest ones, and long searches start many builds
    for name, operation in OPERATIONS.items():
        path = operation.path.format(job="any-input", build="1", view="all", item=item, md5="0" * 32)
        if name.startswith("GET") and "/fingerprint/" not in path:
            query = {"url": "x"} if "notifyCommit" in path else {}
            answer = requests.get(
                server.url.rstrip("/") + path, params=query, headers={"Authorization": f"Basic {login}"}, timeout=15
            )
            assert answer.status_code == 200, (name, answer.text[:200])
