"""A repository that does not let us in has lost nothing: each command tells its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.copying import copy
from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.artifacts.verify import verify
from sluicegate.errors import Denied, NotFound, RemoteUnavailable, SluicegateError, UsageError
from tests.worlds import TWO_REPOSITORIES, Shop

REFUSALS = {
    "no credentials": UsageError("the environment has no SLUICEGATE_RELEASES_USER"),
    "a proxy that is none": UsageError("the proxy in http_proxy is not of the form http://host:port"),
    "a proxy that is silent": RemoteUnavailable("the proxy in http_proxy cannot be reached"),
    "401 or 403": Denied("GET was answered by 401; asked as nobody"),
}
COMMANDS: dict[str, Callable[[Shop, Path], object]] = {
    "fetch": lambda shop, folder: fetch(shop.state, "auth", "1.0.0", folder),
    "verify": lambda shop, folder: verify(shop.state, "auth", "1.0.0"),
    "copy": lambda shop, folder: copy(shop.repo, "auth", "1.0.0", "archive"),
    "publish": lambda shop, folder: shop.publish_file("auth", "1.0.0"),
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop.opened(tmp_path, TWO_REPOSITORIES)) as opened:
        opened.publish_file("auth", "1.0.0")
        yield opened


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_never_told_as_a_loss(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, refusal: str
) -> None:
    def refuse(*_: object) -> None:
        raise REFUSALS[refusal]

    for name in ("fetch", "names", "put"):
        monkeypatch.setattr(shop.releases, name, refuse)
    with pytest.raises(SluicegateError) as caught:
        COMMANDS[command](shop, tmp_path / "to")
    words = f"{caught.value.message} {caught.value.hint}"
    assert REFUSALS[refusal].message in words
    assert caught.value.exit_code == REFUSALS[refusal].exit_code
    assert "lost" not in words
    assert "restore" not in words


def test_a_file_that_is_gone_is_told_as_a_loss(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise NotFound("there is no file auth-1.0.0-manifest.json")

    monkeypatch.setattr(shop.releases, "fetch", gone)
    with pytest.raises(SluicegateError, match=r"has lost auth-1\.0\.0-manifest\.json") as caught:
        fetch(shop.state, "auth", "1.0.0", tmp_path / "to")
    assert caught.value.exit_code == 6
