"""A gateway that is killed and started again finds its ports free."""

import socket
from pathlib import Path

import pytest

from gateway.torture.ports import lasting_port

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not RANGE.exists(), reason="only Linux says which ports it gives to connections that leave")
def test_no_connection_that_leaves_is_given_the_port_of_a_gateway_that_was_killed() -> None:
    first, last = map(int, RANGE.read_text().split())
    for _ in range(20):
        port = lasting_port()
        assert not first <= port <= last
        with socket.socket() as ours:
            ours.bind(("127.0.0.1", port))
