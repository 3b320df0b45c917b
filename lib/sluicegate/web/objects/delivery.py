"""The component x environment matrix at /delivery/."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.errors import SluicegateError
from sluicegate.web import call as calls
from sluicegate.web.call import Refusal
from sluicegate.web.delivery import Delivery
from sluicegate.web.kind import Kind
from sluicegate.web.site import Site


def _page(site: Site, delivery: Delivery) -> Response:
    try:
        status, error = delivery.status(), ""
    except SluicegateError as problem:
        status, error = None, problem.message
    return calls.html(site.show("delivery.html", matrix=status, error=error))


def _status(site: Site, delivery: Delivery) -> Response:
    try:
        return calls.data(delivery.status())
    except SluicegateError as problem:
        raise Refusal(503, problem.message, headers={"Retry-After": "10"}) from problem


KIND: Kind[Delivery] = Kind(
    reads={"": _page, "api/json": _status},
)
