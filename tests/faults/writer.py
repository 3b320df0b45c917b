"""A process that moves pins of one file: `python writer.py REPO NAME FROM TO`. It says each acknowledged version."""

from __future__ import annotations

import sys

from sluicegate.delivery.pinning import pin
from sluicegate.delivery.repo import DeliveryRepo
from sluicegate.delivery.state import LEDGER, MAIN
from sluicegate.errors import Conflict
from sluicegate.model.values import Actor
from sluicegate.tools.git import Store
from tests.shop import FakeDrivers


def main(location: str, name: str, first: int, last: int) -> None:
    with Store(location, (MAIN, LEDGER)) as store:
        repo = DeliveryRepo(store, FakeDrivers(), actor=Actor(user=name, source=f"https://ci/{name}/", verified=True))
        for number in range(first, last):
            while True:
                try:
                    pin(repo, name, f"1.0.{number}", "training", why="")
                except Conflict:
                    continue
                break
            print(f"1.0.{number}", flush=True)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
