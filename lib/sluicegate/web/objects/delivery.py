"""The component x environment matrix at /delivery/."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.errors import SluicegateError
from sluicegate.web import call as calls
from sluicegate.web.delivery import Delivery
from sluicegate.web.kind import Kind
from sluicegate.web.site import Site


def _page(site: Site, delivery: Delivery) -> Response:
    try:
        status, error = delivery.status(), ""
    except SluicegateError as problem:
        status, error = None, problem.message
    return calls.html(site.show("delivery.html", matrix=status, error=error))


KIND: Kind[Delivery] = Kind(
    reads={"": _page, "api/json": lambda site, delivery: calls.data(delivery.status())},
)
