"""The read buffer, packet by packet. PUBLISH of QoS 0 and 1 on topics already judged (allowed, nobody subscribed) is
read straight out of it; everything else goes through `codec` to `dialogue`.
"""

from typing import TYPE_CHECKING, Final

from gateway.ingest.endpoint import codec, dialogue
from gateway.ingest.endpoint.packets import V5
from gateway.ports.ingest import Inbound

if TYPE_CHECKING:
    from gateway.ingest.endpoint.connection import Connection

_MAX_ROUTES: Final = 64
_CONTINUE: Final = 0x80
_QOS_0: Final = 0x30
_QOS_1: Final = 0x32
_SHORTEST: Final = 6


class Routes:
    """The topics of one connection that need no judging: (device id, channel) by the topic's bytes, good for one
    version of the subscriptions.
    """

    __slots__ = ("known", "version")

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[str, str]] = {}
        self.version = -1

    def fresh(self, version: int) -> dict[bytes, tuple[str, str]]:
        """What is known under this version."""
        if self.version != version:
            self.version = version
            self.known.clear()
        return self.known

    def learn(self, topic: str, route: tuple[str, str], version: int) -> None:
        """Let messages on this topic take the fast path."""
        known = self.fresh(version)
        if len(known) < _MAX_ROUTES:
            known[topic.encode()] = route


def scan(connection: "Connection", data: bytes, batch: list[Inbound]) -> int:
    """Take the complete packets of an open connection in order, messages into `batch`; return how far that went."""
    hub = connection.hub
    router, routes = hub.router, connection.routes
    now = hub.now()
    known = routes.known if routes.version == router.version else routes.fresh(router.version)
    limit = hub.most_bytes
    five = connection.version == V5
    size = len(data)
    at = 0
    while at < size:
        first = data[at]
        if (first == _QOS_1 or first == _QOS_0) and at + _SHORTEST <= size:  # noqa: PLR1714, SIM109 - costs less than `in`
            head = at + 2
            length = data[at + 1]
            if length >= _CONTINUE:
                more = data[head]
                length = length & 0x7F | more << 7 if 0 < more < _CONTINUE else 0
                head += 1
            end = head + length
            after = head + 2 + (data[head] << 8 | data[head + 1])
            # topic, packet identifier and property length (or as many bytes of payload) lie inside the packet
            if after + 3 <= end <= size and end - at <= limit:
                route = known.get(data[head + 2 : after])
                if route is not None:
                    if first == _QOS_0:
                        if not five or data[after] == 0:
                            batch.append(Inbound(route[0], route[1], data[after + five : end], now, connection, 0))
                            at = end
                            continue
                    elif not five or data[after + 2] == 0:
                        packet_id = data[after] << 8 | data[after + 1]
                        if packet_id:
                            batch.append(
                                Inbound(route[0], route[1], data[after + 2 + five : end], now, connection, packet_id)
                            )
                            connection.unacknowledged += 1
                            at = end
                            continue
        found = codec.frame(data, at, limit)
        if found is None:
            break
        head, end = found
        dialogue.hear(connection, codec.decode(first, data, head, end, connection.version), batch, now)
        if not connection.is_open:
            return size
        known = routes.fresh(router.version)
        at = end
    return at
