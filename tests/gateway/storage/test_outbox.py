"""What the forwarder sends next: nothing lost, whatever is offered, dropped, failed or restarted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ports.history import Sample
from gateway.ports.ledger import JournalEntry, JournalKind
from gateway.storage.outbox import MAX_RUNS, Outbox

LIMIT = 10


def batch(position: int, size: int = 1) -> list[Sample]:
    return [Sample.of(f"cam-{position}", float(position), {"t": 1.0})] * size


def entry(position: int) -> JournalEntry:
    return JournalEntry(position, JournalKind.BATCH, float(position), 1, b"x")


def test_offers_that_follow_the_cursor_move_it_without_reading_the_journal() -> None:
    outbox = Outbox(4, LIMIT)
    outbox.offer(5, batch(5))
    outbox.offer(6, batch(6))

    load = outbox.take(100)

    assert load is not None
    assert (load.first, load.last, len(load.samples)) == (5, 6, 2)
    assert outbox.landed(load)
    assert outbox.cursor == 6
    assert not outbox.waiting


def test_live_batches_overtake_the_journal_and_the_cursor_jumps_over_them_later() -> None:
    outbox = Outbox(0, LIMIT)
    outbox.offer(5, batch(5))
    load = outbox.take(100)
    assert load is not None
    assert not outbox.landed(load)
    outbox.offer(6, batch(6))
    load = outbox.take(100)
    assert load is not None
    assert not outbox.landed(load)

    assert [e.position for e in outbox.missing([entry(n) for n in range(1, 7)])] == [1, 2, 3, 4]
    outbox.reached(4)
    assert outbox.missing([entry(5), entry(6)]) == []
    assert outbox.cursor == 6
    assert outbox.missing([]) == []
    assert outbox.caught_up


def test_a_queue_that_runs_over_is_left_to_the_journal() -> None:
    outbox = Outbox(0, LIMIT)
    outbox.missing([])
    outbox.offer(1, batch(1, 6))
    outbox.offer(2, batch(2, 6))

    assert not outbox.caught_up
    assert outbox.queued == 6
    load = outbox.take(100)
    assert load is not None
    assert load.first == 2
    assert not outbox.landed(load)
    assert [e.position for e in outbox.missing([entry(1), entry(2)])] == [1]


def test_a_load_under_way_while_the_queue_runs_over_is_not_joined_to_what_comes_after_the_gap() -> None:
    outbox = Outbox(0, LIMIT)
    outbox.offer(5, batch(5))
    under_way = outbox.take(100)
    outbox.offer(6, batch(6, 8))
    outbox.offer(7, batch(7, 8))
    assert under_way is not None
    outbox.landed(under_way)
    after_gap = outbox.take(100)
    assert after_gap is not None
    outbox.landed(after_gap)

    assert [e.position for e in outbox.missing([entry(n) for n in range(1, 8)])] == [1, 2, 3, 4]
    outbox.reached(4)
    assert outbox.missing([entry(5), entry(6), entry(7)]) == []
    assert outbox.cursor == 5
    assert [e.position for e in outbox.missing([entry(6), entry(7)])] == [6]


def test_an_offer_after_a_gap_means_that_somebody_else_committed_in_between() -> None:
    outbox = Outbox(0, LIMIT)
    outbox.missing([])
    outbox.offer(1, batch(1))
    outbox.offer(3, batch(3))

    assert not outbox.caught_up
    assert [e.position for e in outbox.missing([entry(1), entry(2), entry(3)])] == [1, 2]


def test_batches_that_the_journal_has_already_brought_are_not_sent_again() -> None:
    outbox = Outbox(0, LIMIT)
    outbox.offer(1, batch(1))
    outbox.offer(2, batch(2))
    outbox.reached(1)
    outbox.offer(1, batch(1))

    load = outbox.take(100)

    assert load is not None
    assert (load.first, load.last, outbox.queued) == (2, 2, 0)


def test_a_load_holds_about_as_many_samples_as_asked_and_at_least_one_batch() -> None:
    outbox = Outbox(0, 100)
    for position in (1, 2, 3):
        outbox.offer(position, batch(position, 6))

    load = outbox.take(5)

    assert load is not None
    assert (load.last, outbox.queued) == (1, 12)
    load = outbox.take(12)
    assert load is not None
    assert load.last == 3
    assert outbox.take(5) is None


def test_endless_gaps_are_remembered_up_to_a_bound_and_the_oldest_done_once_more() -> None:
    outbox = Outbox(0, LIMIT)
    for position in range(2, 2 * MAX_RUNS + 8, 2):
        outbox.offer(position, batch(position))
        load = outbox.take(1)
        assert load is not None
        outbox.landed(load)

    assert [e.position for e in outbox.missing([entry(n) for n in range(1, 12)])] == list(range(1, 8))


class World:
    """A ledger, a history and a gateway that crashes, as simply as can be."""

    def __init__(self) -> None:
        self.journal: list[int] = []
        self.history: set[int] = set()
        self.persisted = 0
        self.outbox = Outbox(0, LIMIT)

    def commit(self, gap: int, size: int, offered: bool) -> None:
        position = (self.journal[-1] if self.journal else 0) + gap
        self.journal.append(position)
        if offered:
            self.outbox.offer(position, batch(position, size))

    def live(self, works: bool, meanwhile: list[tuple[int, int, bool]]) -> None:
        before = len(self.journal)
        load = self.outbox.take(4)
        for commit in meanwhile:
            self.commit(*commit)
        if load is None:
            return
        if not works:
            self.outbox.drop()
            return
        self.history |= {int(sample.at) for sample in load.samples}
        empty = [p for p in self.journal[:before] if load.first <= p <= load.last]
        self.history |= set(empty)  # batches without samples
        self.outbox.landed(load)
        self.check()

    def catch_up(self, bite: int, works: bool, meanwhile: list[tuple[int, int, bool]]) -> None:
        entries = [entry(p) for p in self.journal if p > self.outbox.cursor][:bite]
        for commit in meanwhile[:1]:
            self.commit(*commit)
        wanted = self.outbox.missing(entries)
        for commit in meanwhile[1:]:
            self.commit(*commit)
        if not works:
            self.outbox.drop()
        elif wanted:
            self.history |= {e.position for e in wanted}
            self.outbox.reached(wanted[-1].position)
        self.check()

    def check(self) -> None:
        lost = [p for p in self.journal if p <= self.outbox.cursor and p not in self.history]
        assert not lost
        self.persisted = max(self.persisted, self.outbox.cursor)

    def crash(self) -> None:
        self.outbox = Outbox(self.persisted, LIMIT)


commits = st.tuples(st.sampled_from([1, 1, 1, 1, 2]), st.integers(0, 6), st.sampled_from([True, True, True, False]))
meanwhile = st.lists(commits, max_size=3)
operations = st.one_of(
    st.tuples(st.just("commit"), commits),
    st.tuples(st.just("live"), st.tuples(st.booleans(), meanwhile)),
    st.tuples(st.just("catch_up"), st.tuples(st.integers(1, 4), st.sampled_from([True, True, False]), meanwhile)),
    st.tuples(st.just("crash"), st.just(())),
)


@pytest.mark.parametrize("gapless", [True, False])
@settings(max_examples=150)
@given(plan=st.lists(operations, max_size=40))
def test_the_cursor_never_passes_a_batch_that_did_not_reach_the_history_and_gets_to_the_end(
    gapless: bool, plan: list[tuple[str, tuple[object, ...]]]
) -> None:
    world = World()
    for name, arguments in plan:
        if name == "commit" and gapless:
            arguments = (1, *arguments[1:])
        getattr(world, name)(*arguments)

    for _ in range(3 * len(world.journal) + 3):
        world.live(True, [])
        world.outbox.caught_up = False  # as after an idle while
        world.catch_up(3, True, [])

    assert set(world.journal) <= world.history
    assert world.outbox.cursor == (world.journal[-1] if world.journal else 0)
