"""A port that is asked for stays ours until the server that it is for listens there."""

from __future__ import annotations

import errno
import socket

import pytest

from sluicegate.tools import sockets


def test_a_kept_port_is_given_to_nobody_else_and_a_server_can_listen_there() -> None:
    with sockets.keep_port() as kept:
        port = sockets.port_of(kept)
        with socket.socket() as second_socket, pytest.raises(OSError) as refused:
            second_socket.bind(("127.0.0.1", port))
        assert refused.value.errno == errno.EADDRINUSE
        assert not sockets.listens("127.0.0.1", port)
        sockets.check_free("127.0.0.1", port)
        with socket.create_server(("127.0.0.1", port)):
            assert sockets.listens("127.0.0.1", port)
