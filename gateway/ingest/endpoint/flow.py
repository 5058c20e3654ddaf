"""The network side of a connection: its phase, why it is not read, and until when the client must be heard."""

import asyncio
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.ingest.endpoint.hub import Hub


class Phase(Enum):
    """Where a connection stands."""

    WAITING = "waiting"
    """For CONNECT."""
    ADMITTING = "admitting"
    """CONNECT is being judged; bytes after it wait."""
    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS: Final = {
    Phase.WAITING: frozenset({Phase.ADMITTING, Phase.CLOSED}),
    Phase.ADMITTING: frozenset({Phase.OPEN, Phase.CLOSED}),
    Phase.OPEN: frozenset({Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}


class Pause(IntEnum):
    """Why a connection is not read: bits of one number, which is 0 while it is read."""

    ADMISSION = 1
    WINDOW = 2
    """A 3.1.1 client has as many messages unacknowledged as it may."""
    PIPELINE = 4
    """The pipeline's window is full, or the journal is far behind."""
    RATE = 8
    WRITE = 16
    """The client does not read what is sent to it."""


class Flow:
    """Bytes flow only while no pause holds them. `deadline` (loop seconds) is when the client's silence becomes an
    error; None while there is no such time, as when we are the ones who do not read.
    """

    __slots__ = ("_pause", "_transport", "deadline", "hub", "keep_alive_s", "phase")

    _transport: asyncio.Transport

    def __init__(self, hub: "Hub") -> None:
        self.hub = hub
        self.phase = Phase.WAITING
        self.keep_alive_s = 0.0
        self.deadline: float | None = hub.seconds() + hub.settings.connect_timeout_s
        self._pause = 0

    @property
    def is_open(self) -> bool:
        """Whether the client is admitted and still there."""
        return self.phase is Phase.OPEN

    @property
    def is_closed(self) -> bool:
        """Whether the connection is over, though its last bytes may still be on their way."""
        return self.phase is Phase.CLOSED

    def move(self, phase: Phase) -> None:
        """Go to another phase, which the table must allow."""
        assert phase in TRANSITIONS[self.phase], f"{self.phase} -> {phase}"
        self.phase = phase

    def heard(self) -> None:
        """A sign of life: the keep-alive starts again (MQTT-3.1.2-22)."""
        if self.phase is Phase.OPEN and not self._pause:
            self.deadline = self.hub.seconds() + self.keep_alive_s if self.keep_alive_s else None

    def pause(self, why: Pause) -> None:
        """Read no more until every reason to wait is gone."""
        if self.phase is Phase.CLOSED:
            return
        if not self._pause and not self._transport.is_closing():
            self._transport.pause_reading()
        self._pause |= why
        if why is Pause.WRITE:
            self.deadline = self.hub.seconds() + self.hub.settings.stall_timeout_s
        elif self.phase is Phase.OPEN and not self._pause & Pause.WRITE:
            self.deadline = None

    def resume(self, why: Pause) -> None:
        """This reason to wait is gone."""
        if not self._pause & why:
            return
        self._pause &= ~why
        if not self._pause and not self._transport.is_closing():
            self._transport.resume_reading()
            self.heard()

    @property
    def stalled(self) -> bool:
        """Whether the client is the one who does not read."""
        return bool(self._pause & Pause.WRITE)

    def write(self, packet: bytes) -> None:
        """Send a packet, or several joined."""
        if packet and self.phase is not Phase.CLOSED and not self._transport.is_closing():
            self._transport.write(packet)

    def hang_up(self) -> None:
        """Say no more, and read what still comes to nothing until the client closes too: closing a socket with bytes
        unread resets the connection, and a client that was still sending would never see the last word.
        """
        transport = self._transport
        if transport.is_closing() or not transport.can_write_eof() or transport.get_write_buffer_size():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:  # the client has closed; asyncio is about to say so
            transport.close()
            return
        if self._pause:
            self._pause = 0
            transport.resume_reading()

    def abort(self) -> None:
        """End the network connection without waiting for what is unsent."""
        self._transport.abort()
