"""What a connection says: acknowledgements in order, deliveries as far as the client's window goes, the last word."""

from collections.abc import Sequence
from struct import Struct, pack
from typing import TYPE_CHECKING, Final

from gateway.ingest.endpoint import encode
from gateway.ingest.endpoint.flow import Flow, Pause, Phase
from gateway.ingest.endpoint.packets import V5, V311, Kind, Will
from gateway.ingest.endpoint.reasons import Reason
from gateway.ingest.endpoint.receipts import Answer, Receipts
from gateway.ports.endpoint import Dequeue

if TYPE_CHECKING:
    from gateway.ingest.endpoint.hub import Hub
    from gateway.ingest.endpoint.outlet import Outlet
    from gateway.ingest.endpoint.session import Delivery, Session
    from gateway.ports.endpoint import Principal

_PUBACK: Final = 0x4002_0000
_ONE: Final = Struct(">I").pack
_BURST: Final = 64
_CONNACK: Final = frozenset(
    {
        Reason.MALFORMED_PACKET,
        Reason.PROTOCOL_ERROR,
        Reason.UNSUPPORTED_PROTOCOL_VERSION,
        Reason.TOPIC_NAME_INVALID,
        Reason.PACKET_TOO_LARGE,
    }
)
"""Flaws of a CONNECT that CONNACK has a reason code for."""


class Line(Flow):
    """The sending half of a connection. While it is open it has a session, a principal and an outlet.

    `unacknowledged` counts the messages of QoS 1 and 2 taken and not answered; `window` how many may be in flight to
    the client; while `holding` is not 0, deliveries wait for an answer that must go first.
    """

    __slots__ = (
        "holding",
        "outlet",
        "principal",
        "problem_information",
        "receipts",
        "session",
        "unacknowledged",
        "version",
        "will",
        "window",
    )

    principal: "Principal"
    outlet: "Outlet"

    def __init__(self, hub: "Hub") -> None:
        super().__init__(hub)
        self.version = V311
        self.session: Session[Line] | None = None
        self.will: Will | None = None
        self.receipts: Receipts | None = None
        self.unacknowledged = 0
        self.window = 0
        self.holding = 0
        self.problem_information = True

    # --- acknowledging -----------------------------------------------------------------------------------------------

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """The pipeline has committed these messages (0 = QoS 0): answer, in order."""
        if 0 in receipts:
            receipts = [receipt for receipt in receipts if receipt]
        if self.receipts:
            self.receipts.commit(receipts)
            self.answer()
        elif receipts and self.phase is Phase.OPEN:
            count = len(receipts)
            self.unacknowledged -= count
            if not self._transport.is_closing():
                self._transport.write(
                    _ONE(_PUBACK | receipts[0]) if count == 1 else pack(f">{count}I", *map(_PUBACK.__or__, receipts))
                )
            if self._pause:
                self._judge_window()

    def await_answer(self, answer: Answer) -> int:
        """A receipt for a message that needs more than a PUBACK."""
        if self.receipts is None:
            self.receipts = Receipts()
        return self.receipts.open(answer)

    def answer(self) -> None:
        """Send the answers that are due. A QoS 2 message may outlive the connection it came by: its session remembers,
        and the client's next connection gets the PUBREC.
        """
        out = []
        for answer in self.receipts.ready() if self.receipts else ():
            line: Line | None = self
            if answer.kind is Kind.PUBREC and self.session is not None:
                if answer.reason < Reason.UNSPECIFIED_ERROR:
                    self.session.received[answer.packet_id] = True
                line = self.session.line
            if line is self:
                self.unacknowledged -= 1
                out.append(self.encode(answer))
            elif line is not None and line.is_open:
                line.write(line.encode(answer))
        if out and self.phase is Phase.OPEN:
            self.write(b"".join(out))
            self._judge_window()

    def encode(self, answer: Answer) -> bytes:
        """An acknowledgement as this client takes it: 3.1.1 knows no reasons, text only if it is wanted and fits."""
        if self.version != V5:
            return encode.ack(answer.kind, answer.packet_id)
        why = answer.why if self.problem_information else ""
        packet = encode.ack(answer.kind, answer.packet_id, answer.reason, why)
        return packet if self.outlet.fits(packet) else encode.ack(answer.kind, answer.packet_id, answer.reason)

    def _judge_window(self) -> None:
        if self._pause and self.unacknowledged <= self.hub.settings.receive_maximum // 2:
            self.resume(Pause.WINDOW)

    # --- delivering --------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what waits in the session, as far as the client's window and its reading allow."""
        session, hub = self.session, self.hub
        if session is None or self.holding or self.phase is not Phase.OPEN:
            return
        now = hub.clock.now()
        out: list[bytes] = []
        while not self.stalled:
            delivery = session.next(self.window)
            if delivery is not None:
                packet = self.outlet.render(delivery, now)
                if packet is None:
                    hub.counters.dropped["expired_or_too_large"] += 1
                    self.done(session.acknowledged(delivery.packet_id, delivery.qos))
                    continue
                delivery.sent = True
                out.append(packet)
                if len(out) < _BURST:
                    continue
            hub.counters.deliveries_out += len(out)
            self.write(b"".join(out))
            out.clear()
            if delivery is None:
                break

    def done(self, delivery: "Delivery | None") -> None:
        """A delivery of QoS 1 or 2 is over: the store may forget it."""
        if delivery is not None and self.session is not None and self.session.durable:
            self.hub.journal.add(Dequeue(self.session.key, delivery.position))

    def certificate_name(self) -> str | None:
        """The common name of the verified client certificate, None without one."""
        certificate = self._transport.get_extra_info("peercert") or {}
        names = dict(pair for part in certificate.get("subject", ()) for pair in part)
        return names.get("commonName")

    def peer(self) -> str:
        """The address the client connects from."""
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    # --- the last word -----------------------------------------------------------------------------------------------

    def fail(self, reason: Reason, text: str = "") -> None:
        """End the connection from our side, saying why where the protocol has words for it."""
        if self.phase is Phase.CLOSED:
            return
        self.hub.counters.disconnected[reason.name] += 1
        if self.version == V5:
            if self.phase is Phase.OPEN:
                packet = encode.disconnect(reason, text)
                self.write(packet if self.outlet.fits(packet) else encode.disconnect(reason))
            else:
                self.write(encode.connack(V5, reason if reason in _CONNACK else Reason.SERVER_UNAVAILABLE, {}))
        elif self.phase is not Phase.OPEN and reason is Reason.UNSUPPORTED_PROTOCOL_VERSION:
            self.write(encode.connack(V311, reason, {}))
        self.close()

    def close(self) -> None:
        """End the connection; what was written still goes out, if the client takes it soon."""
        if self.phase is Phase.CLOSED:
            return
        self.move(Phase.CLOSED)
        self.hub.detach(self)
        self.deadline = self.hub.seconds() + self.hub.settings.close_timeout_s
        self.hang_up()
