"""What of the journal has reached the history, and what comes next: live batches first, the journal behind them. Pure.

Two lanes. *Live* batches are offered by the pipeline right after their commit, already parsed. The *journal* lane reads
what was missed (after a start, an outage, an overflow) from the cursor on. While it catches up, live batches overtake
it, so that charts are fresh at once; positions done ahead of the cursor are remembered as runs and jumped over when the
cursor gets there. Overtaking is sound because a history is a set of (device, time, metric): order changes nothing but
which of two reports that a device sent with the very same stamp stays. The runs are lost in a crash, and then the same
samples are written twice and are there once.

Positions show what is missing: an offer that does not follow the one before it (another gateway committed in between,
or the pipeline kept one to itself) means a gap, and the journal closes it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.ports.history import Sample
from gateway.ports.ledger import JournalEntry

MAX_RUNS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """Live batches to be appended together. `adjacent`: they follow the cursor without a gap."""

    first: int
    last: int
    samples: Sequence[Sample]
    adjacent: bool
    epoch: int


@dataclass(slots=True)
class _Run:
    """Every entry in [first, last] has reached the history, ahead of the cursor."""

    first: int
    last: int


class Outbox:
    """Invariants: every entry up to `cursor` and in a run has reached the history; the queue has no gap.

    `caught_up` False: the journal may hold entries that are neither done nor queued.
    """

    def __init__(self, cursor: int, limit: int) -> None:
        self.cursor = cursor
        self.caught_up = False
        self.queued = 0
        self._limit = limit
        self._queue: deque[tuple[int, Sequence[Sample]]] = deque()
        self._runs: list[_Run] = []
        self._epoch = 0  # how often the queue was dropped: loads of one epoch follow one another without a gap
        self._run_epoch = -1  # of the last run
        self._newest = cursor  # offered

    def offer(self, position: int, samples: Sequence[Sample]) -> None:
        """A batch just committed, in the order of commits. One too many and the queue is left to the journal."""
        if position <= self.cursor:
            return
        if position != max(self._newest, self.cursor) + 1 or self.queued + len(samples) > self._limit:
            self.drop()
        self._newest = position
        self._queue.append((position, samples))
        self.queued += len(samples)

    @property
    def waiting(self) -> bool:
        """Whether a batch is queued, be it an empty one."""
        return bool(self._queue)

    def drop(self) -> None:
        """Forget the queue and whatever may be under way: those batches will come from the journal."""
        self._queue.clear()
        self.queued = 0
        self.caught_up = False
        self._epoch += 1

    def take(self, limit: int) -> Load | None:
        """The next live batches, about `limit` samples; follow with `landed` or `drop`."""
        if not self._queue:
            return None
        first = self._queue[0][0]
        last, samples = first, list[Sample]()
        while self._queue and (not samples or len(samples) + len(self._queue[0][1]) <= limit):
            last, batch = self._queue.popleft()
            samples.extend(batch)
        self.queued -= len(samples)
        return Load(first, last, samples, first == self.cursor + 1, self._epoch)

    def landed(self, load: Load) -> bool:
        """A load reached the history. True: the cursor moved."""
        if load.adjacent:
            self.cursor = load.last
            return True
        if self._runs and self._run_epoch == load.epoch:
            self._runs[-1].last = load.last
        else:
            self._runs = [*self._runs[1 - MAX_RUNS :], _Run(load.first, load.last)]
            self._run_epoch = load.epoch
        self.caught_up = False
        return False

    def missing(self, entries: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
        """Of the journal's next entries those that must still be appended; none once the gap is closed.

        None also if the cursor could jump: then read on from it.
        """
        if self._runs:
            limit = self._runs[0].first
        elif self._queue:
            limit = self._queue[0][0]
        else:
            limit = entries[-1].position + 1 if entries else 0
        wanted = [entry for entry in entries if entry.position < limit]
        if not wanted and self._runs:
            self.cursor = max(self.cursor, self._runs.pop(0).last)
        elif not wanted:
            self.caught_up = True
        return wanted

    def reached(self, position: int) -> None:
        """Entries from the journal up to this position reached the history."""
        self.cursor = position
        while self._queue and self._queue[0][0] <= position:
            self.queued -= len(self._queue.popleft()[1])
