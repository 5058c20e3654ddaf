"""The pure parts, where a network would only get in the way."""

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.ingest.endpoint import flow
from gateway.ingest.endpoint.counters import Counters
from gateway.ingest.endpoint.flow import TRANSITIONS, Phase
from gateway.ingest.endpoint.journal import Journal
from gateway.ingest.endpoint.limits import EndpointSettings
from gateway.ingest.endpoint.packets import Kind
from gateway.ingest.endpoint.receipts import PLAIN, Answer, Receipts
from gateway.ingest.endpoint.routing import Router
from gateway.ingest.endpoint.session import Message, Session, restore
from gateway.ports.endpoint import DeleteSession, Dequeue, Enqueue, QueuedMessage, Release, SaveSession, StoredSession
from gateway.storage.endpoint_memory import MemoryEndpointStore


def message(number: int = 0, qos: int = 1) -> Message:
    return Message("t", b"%d" % number, qos)


def fill(session: Session, count: int, qos: int = 1) -> None:
    for number in range(count):
        assert session.offer(message(number, qos), qos, False, (), 10**6, 10**9)


# --- phases -----------------------------------------------------------------------------------------------------------


def test_a_closed_connection_stays_closed_and_an_open_one_was_judged():
    assert not TRANSITIONS[Phase.CLOSED]
    assert {phase for phase, following in TRANSITIONS.items() if Phase.OPEN in following} == {Phase.ADMITTING}
    assert all(Phase.CLOSED in following for phase, following in TRANSITIONS.items() if phase is not Phase.CLOSED)


def test_the_diagram_of_the_phases_is_the_table():
    readme = Path(flow.__file__).with_name("README.md").read_text()
    drawn = set(re.findall(r"^ +([A-Z]+) --> ([A-Z]+)", readme, flags=re.MULTILINE))
    assert drawn == {(phase.name, after.name) for phase, following in TRANSITIONS.items() for after in following}


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_packet_identifiers_go_round_without_0_and_never_meet():
    session: Session = Session("k", "c", "i", 60)
    fill(session, 65_536)
    first = session.next(100_000)
    assert first.packet_id == 1
    for expected in range(2, 65_536):
        assert session.next(100_000).packet_id == expected
    assert session.next(100_000) is None  # it would be 1 again, and that is still in flight
    assert session.acknowledged(2, 1).position == 2
    assert session.next(100_000) is None
    session.acknowledged(1, 1)
    assert session.next(100_000).packet_id == 1


def test_an_acknowledgement_of_another_qos_ends_nothing():
    session: Session = Session("k", "c", "i", 60)
    fill(session, 1, qos=2)
    session.next(10)
    assert session.acknowledged(1, 1) is None
    assert session.acknowledged(9, 2) is None
    assert session.acknowledged(1, 2) is not None


@given(st.lists(st.sampled_from(["offer", "offer0", "send", "ack", "release", "reconnect", "restart"]), max_size=60))
@example(["offer", "send", "ack", "restart", "offer", "send"])
@settings(max_examples=60)
def test_a_session_loses_nothing_and_keeps_the_order_whatever_happens(steps):
    session: Session = Session("k", "c", "i", 60)
    owed: list[bytes] = []
    sent: set[int] = set()
    number = 0
    for step in steps:
        if step.startswith("offer"):
            number += 1
            qos = 0 if step == "offer0" else 1 + number % 2
            assert session.offer(message(number, qos), qos, False, (), 10**6, 10**9)
            if qos:
                owed.append(b"%d" % number)
        elif step == "send":
            delivery = session.next(5)
            if delivery is not None and delivery.qos:
                assert delivery.sent == (delivery.position in sent)
                delivery.sent = True
                sent.add(delivery.position)
        elif step in ("ack", "release") and session.flight:
            delivery = next(iter(session.flight.values()))
            if step == "ack":
                assert session.acknowledged(delivery.packet_id, delivery.qos) is delivery
                owed.remove(delivery.message.payload)
                sent.discard(delivery.position)  # a session restored empty counts its positions anew
            elif delivery.qos == 2:
                delivery.released = True
        elif step == "reconnect":
            assert all(delivery.released for delivery in session.reconnected())
        elif step == "restart":
            stored = session.stored()
            queue = sorted((d.stored() for d in session.outstanding()), key=lambda m: m.position)
            session = restore(StoredSession(**{f: getattr(stored, f) for f in _FIELDS}, queue=tuple(queue)), 0.0)
            list(session.reconnected())
        assert len(session.flight) <= 5 or step == "restart"
        outstanding = [d.message.payload for d in session.outstanding()]
        assert sorted(outstanding, key=int) == owed
        waiting = [d.position for d in session.queue or () if d.qos]
        assert waiting == sorted(waiting)


_FIELDS = ("key", "client_id", "identity", "expiry_s", "expires_at", "connected", "sent_up_to", "subscriptions")


def test_a_queue_takes_one_large_message_however_small_its_bytes():
    session: Session = Session("k", "c", "i", 60)
    large = Message("t", b"x" * 100, 1)
    assert session.offer(large, 1, False, (), 10, 50)
    assert session.offer(large, 1, False, (), 10, 50) is None


# --- answers ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=20))
def test_answers_keep_the_order_of_the_messages_however_late_the_journal_is(messages):
    receipts, order, slow = Receipts(), [], []
    numbers = []
    for number, (is_slow, _) in enumerate(messages, 1):
        if is_slow:
            answer = Answer(Kind.PUBACK, number)
            answer.durable = False
            slow.append(answer)
            receipt = receipts.open(answer)
            assert receipt > PLAIN
            numbers.append(receipt)
        else:
            numbers.append(number)
    receipts.commit(numbers)
    order += [answer.packet_id for answer in receipts.ready()]
    for answer in sorted(slow, key=lambda a: messages[a.packet_id - 1][1]):
        answer.durable = True
        order += [answer.packet_id for answer in receipts.ready()]
    assert order == list(range(1, len(messages) + 1))
    assert not receipts
    receipts.commit([1 << 16 | 7])  # of an earlier life: nobody waits for it
    assert not receipts.ready()


# --- the journal ------------------------------------------------------------------------------------------------------


class CountingStore(MemoryEndpointStore):
    def __init__(self) -> None:
        super().__init__()
        self.commits: list[list[object]] = []

    async def commit(self, changes) -> None:
        self.commits.append(list(changes))
        await asyncio.sleep(0)
        await super().commit(changes)


async def test_what_comes_and_goes_before_it_is_written_is_not_written():
    store = CountingStore()
    journal = Journal(store, Counters())
    told = []
    journal.after(lambda: told.append("at once"))
    assert told == ["at once"]
    async with asyncio.TaskGroup() as group:
        running = group.create_task(journal.run())
        queued = QueuedMessage(1, "t", b"x")
        journal.add(Enqueue("k", queued))
        journal.add(Dequeue("k", 1))
        journal.after(lambda: told.append("later"))
        await journal.written()
        assert told == ["at once", "later"]
        assert store.commits == []
        kept = [
            SaveSession(StoredSession("k", "c", "i", 60, None)),
            Enqueue("k", queued),
            Release("k", 1),
            Dequeue("k", 7),
        ]
        for change in kept:
            journal.add(change)
        assert journal.backlog == 4
        first = journal.written()
        await asyncio.sleep(0)
        journal.add(Dequeue("k", 1))  # being written already: it needs its own change
        await first
        assert store.commits[0] == kept
        await journal.written()
        assert store.commits[1:] == [[Dequeue("k", 1)]]
        forgotten = journal.written()
        forgotten.cancel()
        running.cancel()


async def test_of_a_session_only_the_last_state_is_written():
    store = CountingStore()
    journal = Journal(store, Counters())
    states = [SaveSession(StoredSession("k", "c", "i", 60, float(n))) for n in range(4)]
    for change in (states[0], Enqueue("k", QueuedMessage(1, "t", b"x")), states[1], DeleteSession("k"), *states[2:]):
        journal.add(change)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(journal.run())
        await journal.written()
        running.cancel()
    (written,) = store.commits
    assert written == [states[1], Enqueue("k", QueuedMessage(1, "t", b"x")), DeleteSession("k"), states[3]]


# --- retained ---------------------------------------------------------------------------------------------------------


async def test_expired_retained_messages_are_forgotten():
    journal = Journal(MemoryEndpointStore(), Counters())
    router: Router = Router(EndpointSettings(), journal, Counters())
    for topic, expires_at in (("a", 10.0), ("b", None), ("c", 30.0)):
        router.keep(Message(topic, b"x", 1, True, expires_at), "cam-1")
    router.expire_retained(20.0)
    assert [m.topic for m in router.retained.match("#")] == ["b", "c"]
    assert journal.backlog == 4


@pytest.mark.parametrize("most", [0, 3])
def test_a_window_of_nothing_sends_nothing_but_qos_0(most):
    session: Session = Session("k", "c", "i", 60)
    session.offer(message(0, 0), 0, False, (), 10, 100)
    fill(session, 5)
    got = []
    while (delivery := session.next(most)) is not None:
        got.append(delivery.qos)
    assert got == [0, *[1] * most]
