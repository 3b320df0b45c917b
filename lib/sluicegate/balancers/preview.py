"""How a tester asks for the group that is not live: `on`, and `off` wins, as a cookie or a header of the request."""

COOKIE = "sluicegate-preview"
HEADER = "X-Sluicegate-Preview"
