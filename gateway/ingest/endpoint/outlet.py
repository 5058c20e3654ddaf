"""How deliveries look on one connection: its protocol version, its topic aliases, its maximum packet size. Pure."""

from gateway.ingest.endpoint import encode
from gateway.ingest.endpoint.packets import V5
from gateway.ingest.endpoint.session import Delivery


class Outlet:
    """Renders for one connection. An alias is given to the first topics, as many as the client allows. A message of
    QoS 2 carries its topic in full beside the alias: some receivers keep the packet until PUBREL, perhaps on a later
    connection, where an alias means nothing.
    """

    __slots__ = ("_alias_maximum", "_aliases", "_maximum_packet", "version")

    def __init__(self, version: int, maximum_packet: int | None, alias_maximum: int) -> None:
        self.version = version
        self._maximum_packet = maximum_packet
        self._alias_maximum = alias_maximum
        self._aliases: dict[str, int] | None = None

    def fits(self, packet: bytes) -> bool:
        """Whether the client accepts a packet of this size."""
        return self._maximum_packet is None or len(packet) <= self._maximum_packet

    def render(self, delivery: Delivery, now: float) -> bytes | None:
        """The PUBLISH, None if the message has expired or is larger than the client accepts (MQTT-3.1.2-24, -25). One
        that was sent before does not expire any more (MQTT-4.3.3-7).
        """
        message = delivery.message
        expiry_s = None
        if message.expires_at is not None:
            if message.expires_at <= now and not delivery.sent:
                return None
            expiry_s = min(max(1, round(message.expires_at - now)), 0xFFFF_FFFF)
        known = alias = 0
        if self._alias_maximum:
            known = (self._aliases or {}).get(message.topic, 0)
            alias = known or self._next_alias()
        short = bool(known) and delivery.qos < 2
        packet = self._publish(delivery, "" if short else message.topic, alias, expiry_s)
        if alias and not short and not self.fits(packet):
            known, alias = 0, 0
            packet = self._publish(delivery, message.topic, 0, expiry_s)
        if not self.fits(packet):
            return None
        if alias and not known:
            if self._aliases is None:
                self._aliases = {}
            self._aliases[message.topic] = alias
        return packet

    def _publish(self, delivery: Delivery, topic: str, alias: int, expiry_s: int | None) -> bytes:
        message = delivery.message
        return encode.publish(
            self.version,
            topic,
            message.payload,
            qos=delivery.qos,
            retain=delivery.retain,
            dup=delivery.sent and delivery.qos > 0,
            packet_id=delivery.packet_id,
            properties=message.properties,
            expiry_s=expiry_s,
            identifiers=delivery.identifiers,
            alias=alias,
        )

    def _next_alias(self) -> int:
        given = len(self._aliases or ())
        return given + 1 if self.version == V5 and given < self._alias_maximum else 0
