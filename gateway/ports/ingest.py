"""How messages come in: a way in (endpoint, broker client) hands batches over and is told what was committed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec


class Link(Protocol):
    """One connection that messages came through. Receipts are good only on the link they came from."""

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """The effects of these messages are committed: let the sender forget them. A closed link ignores the call."""


class Inbound(msgspec.Struct, eq=False, gc=False):
    """One message as it arrived. (A Struct, because one is made a message: in two fifths of a dataclass's time.)

    `device_id` and `channel` come from the topic `siaga/v1/{device_id}/{channel}` (channel such as "telemetry",
    "update/status"); the way in has checked that this connection may publish there. A topic of another shape has
    device_id "" and the whole topic as channel, and becomes a reject. `received_at` is epoch seconds by the gateway's
    clock. `receipt` is 0 for QoS 0.
    """

    device_id: str
    channel: str
    payload: bytes
    received_at: float
    link: Link
    receipt: int
    retained: bool = False


class Intake(Protocol):
    """The pipeline's mouth, called on the event loop only."""

    def take(self, messages: Sequence[Inbound]) -> bool:
        """Accept a batch (always). False: the window of unacknowledged messages is full, so stop reading until told."""

    def when_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` once, on the event loop, when the window has room again."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message for a device. `expires_at` is epoch seconds; after it the message is not delivered any more."""

    topic: str
    payload: bytes
    retain: bool = False
    expires_at: float | None = None


class Downlink(Protocol):
    """The way down to devices, over the embedded endpoint or a broker."""

    async def publish(self, messages: Sequence[Outbound]) -> None:
        """Return once the broker side has durably taken them all (QoS 1). Raises OSError while it is away."""
