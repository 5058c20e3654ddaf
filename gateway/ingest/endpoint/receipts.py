"""The answers that need more than the pipeline's word, and their order (MQTT-4.6.0-2 to -4). Pure.

A plain receipt is the packet identifier of a QoS 1 message and is answered by PUBACK. Any other message gets a number
above 65,535; as long as one of those is outstanding, all answers go through here, in the order the pipeline names them.
"""

from collections import deque
from collections.abc import Sequence

from gateway.ingest.endpoint.packets import Kind
from gateway.ingest.endpoint.reasons import Reason

PLAIN = 0xFFFF


class Answer:
    """What to answer to one message once the pipeline has committed it and, if asked, the journal has too."""

    __slots__ = ("committed", "durable", "kind", "packet_id", "reason", "why")

    def __init__(self, kind: Kind, packet_id: int, reason: Reason = Reason.SUCCESS, why: str = "") -> None:
        self.kind = kind
        self.packet_id = packet_id
        self.reason = reason
        self.why = why
        self.committed = False
        self.durable = True

    def refuse(self, reason: Reason, why: str) -> None:
        """Answer that the message was not taken, or not as it was meant."""
        self.reason, self.why = reason, why


class Receipts:
    """Outstanding answers of one connection."""

    __slots__ = ("_held", "_serial", "_waiting")

    def __init__(self) -> None:
        self._serial = 0
        self._waiting: dict[int, Answer] = {}
        self._held: deque[Answer] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting or self._held)

    def open(self, answer: Answer) -> int:
        """A receipt for this answer, to be handed to the pipeline."""
        self._serial += 1
        receipt = self._serial << 16 | answer.packet_id
        self._waiting[receipt] = answer
        return receipt

    def commit(self, receipts: Sequence[int]) -> None:
        """The pipeline has committed these, in this order."""
        for receipt in receipts:
            answer = self._waiting.pop(receipt, None) if receipt > PLAIN else Answer(Kind.PUBACK, receipt)
            if answer is not None:
                answer.committed = True
                self._held.append(answer)

    def ready(self) -> list[Answer]:
        """Take the answers that may be given now: those before which none is still waited for."""
        out = []
        while self._held and self._held[0].durable:
            out.append(self._held.popleft())
        return out
