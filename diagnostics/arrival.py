"""Order, duplicates and time of what a device sends: by (boot, seq), and by the smallest (receive - capture) seen
lately.

Decides whether a message is new, late or a duplicate, and which time rules use. Nothing here trusts a device's clock.
"""

from dataclasses import dataclass
from enum import Enum

from diagnostics.telemetry import Standing

Holes = tuple[tuple[int, int], ...]
KEPT_HOLES = 32
KEPT_BOOTS = 3
FELL_AFTER = 5
FELL_AFTER_S = 60.0
"""And so long between the first of them and the last, by receipt: what a device catches up with comes at once."""
CLOCK_RIGHT_S = 2.0
COUNTED_EVERY_S = 30.0
WINDOW_COUNTS = 16
TRUST_AFTER = 4


class Turn(Enum):
    """What a message means for the device's life."""

    SAME_BOOT = "same boot"
    BOOTED = "booted"
    FELL = "fell"  # its boot counter fell: another device, or reset
    PAST = "past"  # late or duplicate


def _fill(holes: Holes, seq: int) -> Holes | None:
    """The holes after `seq` arrived; None if it was in none (a duplicate)."""
    for position, (low, high) in enumerate(holes):
        if low <= seq <= high:
            rest = tuple(part for part in ((low, seq - 1), (seq + 1, high)) if part[0] <= part[1])
            return holes[:position] + rest + holes[position + 1 :]
    return None


@dataclass(slots=True, eq=False)
class Sequence:
    """What was received of a device: newest boot and seq, the holes below it, and the same for a few boots before."""

    boot: int = -1
    seq: int = -1
    holes: Holes = ()
    past: tuple[tuple[int, int, Holes], ...] = ()
    captured_at: float = 0.0  # of the newest message of this boot
    odd: int = 0  # messages in a row from a lower boot
    odd_since: float = 0.0  # receipt of the first of them

    def place(self, boot: int, seq: int, captured_at: float | None, received_at: float) -> tuple[Standing, Turn]:
        """Take note of a message and say what it is. A hole is remembered; too many: the oldest counts as received."""
        if boot == self.boot:
            self.odd = 0
            if seq > self.seq:
                if seq > self.seq + 1:
                    self.holes = (*self.holes[1 - KEPT_HOLES :], (self.seq + 1, seq - 1))
                self.seq = seq
                if captured_at is not None:
                    self.captured_at = captured_at
                return Standing.NEW, Turn.SAME_BOOT
            filled = _fill(self.holes, seq)
            if filled is None:
                return Standing.DUPLICATE, Turn.PAST
            self.holes = filled[-KEPT_HOLES:]
            return Standing.LATE, Turn.PAST
        if boot > self.boot:
            turn = Turn.BOOTED if self.boot >= 0 else Turn.SAME_BOOT
            self._begin(boot, seq, captured_at)
            return Standing.NEW, turn
        return self._lower(boot, seq, captured_at, received_at)

    def _begin(self, boot: int, seq: int, captured_at: float | None) -> None:
        if self.boot >= 0:
            self.past = (*self.past[1 - KEPT_BOOTS :], (self.boot, self.seq, self.holes))
        self.boot, self.seq, self.odd = boot, seq, 0
        self.holes = ((0, seq - 1),) if seq > 1 else ()
        self.captured_at = captured_at or 0.0

    def _lower(self, boot: int, seq: int, captured_at: float | None, received_at: float) -> tuple[Standing, Turn]:
        """A boot below the newest: an old message still on its way, or a device that was swapped or reset."""
        if captured_at is not None and captured_at > self.captured_at > 0:
            return self._fall(boot, seq, captured_at)  # younger than what the newer boot said: not an old message
        for position, (known, last, holes) in enumerate(self.past):
            if known != boot:
                continue
            if seq > last:
                skipped = ((last + 1, seq - 1),) if seq > last + 1 else ()
                entry = (known, seq, (*holes, *skipped)[-KEPT_HOLES:])
            else:
                filled = _fill(holes, seq)
                if filled is None:
                    return Standing.DUPLICATE, Turn.PAST
                entry = (known, last, filled[-KEPT_HOLES:])
            self.past = (*self.past[:position], entry, *self.past[position + 1 :])
            return Standing.LATE, Turn.PAST
        self.odd += 1
        if self.odd == 1 or received_at < self.odd_since:
            self.odd_since = received_at
        if self.odd >= FELL_AFTER and received_at - self.odd_since >= FELL_AFTER_S:
            return self._fall(boot, seq, captured_at)
        return Standing.LATE, Turn.PAST

    def _fall(self, boot: int, seq: int, captured_at: float | None) -> tuple[Standing, Turn]:
        self.past = ()
        self.boot = -1
        self._begin(boot, seq, captured_at)
        return Standing.NEW, Turn.FELL


@dataclass(slots=True, eq=False)
class DeviceClock:
    """How wrong a device's clock is. `offset` = gateway time - device time, seconds (0 while it is right within 2 s).

    The minimum of (receive - capture) over some time is the offset plus the least delay of the network; a burst of old
    messages counts once. When capture - uptime moves, the clock was set, and what was learnt moves with it.
    """

    least: float = float("inf")
    least_before: float = float("inf")
    count: int = 0
    counted_at: float = 0.0
    started: float | None = None  # capture - uptime
    offset: float = 0.0

    def restarted(self) -> None:
        """A new boot: the clock may say something else now. The offset stands until there is evidence."""
        self.least = self.least_before = float("inf")
        self.count, self.started = 0, None

    def effective(self, captured_at: float | None, received_at: float, uptime_s: float | None) -> float:
        """Learn from a message that came in order; its effective time, never after its receipt."""
        if captured_at is None:
            return received_at
        if uptime_s is not None:
            started = captured_at - uptime_s
            if self.started is not None and not -CLOCK_RIGHT_S <= (moved := started - self.started) <= CLOCK_RIGHT_S:
                self.least -= moved
                self.least_before -= moved
            self.started = started
        delay = received_at - captured_at
        least = self.least
        if delay < least:
            least = self.least = delay
        if received_at - self.counted_at >= COUNTED_EVERY_S:
            self.counted_at = received_at
            self.count += 1
            if self.count % WINDOW_COUNTS == 0:
                self.least_before, self.least = least, delay
        if self.least_before < least:  # noqa: PLR1730 - `min` is a call, with every report
            least = self.least_before
        if -CLOCK_RIGHT_S <= least <= CLOCK_RIGHT_S:
            self.offset = 0.0
            return captured_at if delay > 0 else received_at
        if least < 0 or self.count >= TRUST_AFTER:
            self.offset = least
        return min(captured_at + self.offset, received_at)

    def of_late(self, captured_at: float | None, received_at: float) -> float:
        """The effective time of a message out of order, which teaches nothing."""
        return received_at if captured_at is None else min(captured_at + self.offset, received_at)
