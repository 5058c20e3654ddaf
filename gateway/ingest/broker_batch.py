"""What one read of a broker's connection brought, in our own words: whose it is, or what an adapter makes of it."""

from typing import Final

from gateway.ingest import topics
from gateway.ingest.adapters import Adapter, Inlet
from gateway.ingest.broker_link import Session
from gateway.ports.ingest import Inbound

MAX_ROUTES: Final = 20_000


class BrokerBatch:
    """Messages in the order in which they came; `handed_over` takes them out."""

    def __init__(self, adapters: tuple[Adapter, ...]) -> None:
        self._inlet = Inlet(adapters)
        self._routes: dict[bytes, tuple[str, str]] = {}  # device id and channel by topic
        self._messages: list[Inbound] = []

    def take(self, topic: bytes, payload: bytes, now: float, receipt: int, retained: bool, session: Session) -> None:
        """Take a message in."""
        device_id, channel = self._routes.get(topic) or self._route(topic)
        if not device_id and self._inlet:
            self._adapt(channel, payload, now, receipt, retained, session)
        else:
            self._messages.append(Inbound(device_id, channel, payload, now, session, receipt, retained))

    def handed_over(self) -> list[Inbound]:
        """All that was taken in since the last time."""
        messages, self._messages = self._messages, []
        return messages

    def _route(self, topic: bytes) -> tuple[str, str]:
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        route = self._routes[topic] = topics.parse(topic.decode("utf-8", "replace"))
        return route

    def _adapt(self, topic: str, payload: bytes, now: float, receipt: int, retained: bool, session: Session) -> None:
        """A foreign message becomes what its adapter makes of it. One that none understands becomes a reject."""
        found = self._inlet.take(topic, payload, now, retained=retained)
        if found is None:
            self._messages.append(Inbound("", topic, payload, now, session, receipt))
            return
        made = [Inbound(one.device_id, one.channel, one.payload, now, session, 0) for one in found]
        if made:
            made[-1].receipt = receipt  # acknowledged with the last: batches are committed in order
            self._messages += made
        elif receipt:
            session.acknowledge([receipt])
