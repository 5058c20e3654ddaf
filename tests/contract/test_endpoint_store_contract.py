"""What every journal of the MQTT endpoint keeps to: changes in their order, all or none, the same after a reload."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ports.endpoint import (
    DeleteSession,
    Dequeue,
    EndpointStore,
    Enqueue,
    Forget,
    QueuedMessage,
    Receive,
    Release,
    Retain,
    RetainedMessage,
    SaveSession,
    Snapshot,
    StoredSession,
    Subscription,
)
from gateway.storage.database import Durability, open_database
from gateway.storage.endpoint import SqlEndpointStore
from gateway.storage.endpoint_memory import MemoryEndpointStore


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EndpointStore]:
    if request.param == "memory":
        yield MemoryEndpointStore()
        return
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/siaga.db"
    else:
        url = request.getfixturevalue("postgresql").new_database()
    async with open_database(url, durability=Durability.PROCESS_CRASH) as database:
        yield SqlEndpointStore(database)


def session(key: str = "cam-1/c", *subscriptions: Subscription, **how: object) -> StoredSession:
    values = {"client_id": "c", "identity": "cam-1", "expiry_s": 60, "expires_at": None, "connected": True} | how
    return StoredSession(key, subscriptions=subscriptions, **values)  # type: ignore[arg-type]


def message(position: int, **how: object) -> QueuedMessage:
    return QueuedMessage(position, "siaga/v1/cam-1/command", b"\x00\xff", **how)  # type: ignore[arg-type]


def seen(snapshot: Snapshot) -> tuple[object, ...]:
    """What a snapshot says, whatever the order the store found it in."""
    sessions = sorted((s.key, s, frozenset(s.received)) for s in snapshot.sessions)
    return (
        [(key, s.subscriptions, s.queue, s.expires_at, s.connected, s.sent_up_to, got) for key, s, got in sessions],
        sorted(snapshot.retained, key=lambda m: m.topic),
    )


async def test_an_empty_store_holds_nothing(store: EndpointStore) -> None:
    assert await store.load() == Snapshot()
    await store.commit([])
    assert await store.load() == Snapshot()


async def test_a_session_comes_back_as_it_was_saved(store: EndpointStore) -> None:
    wanted = Subscription(
        "siaga/v1/cam-1/#", 2, no_local=True, retain_as_published=True, retain_handling=2, identifier=9
    )
    saved = session("cam-1/ü", wanted, Subscription("b", 0), expires_at=1.5, connected=False, sent_up_to=2**40)
    await store.commit([SaveSession(session("cam-1/ü")), SaveSession(saved)])
    (loaded,) = (await store.load()).sessions
    assert loaded == saved


async def test_a_queue_keeps_its_order_whatever_the_order_of_writing(store: EndpointStore) -> None:
    full = message(3, qos=2, retain=True, expires_at=7.25, properties=b"\x01\x01", identifiers=(1, 268_435_455))
    await store.commit([SaveSession(session()), Enqueue("cam-1/c", full), Enqueue("cam-1/c", message(1))])
    await store.commit([Enqueue("cam-1/c", message(2)), Dequeue("cam-1/c", 1), Dequeue("cam-1/c", 99)])
    (loaded,) = (await store.load()).sessions
    assert loaded.queue == (message(2), full)


async def test_saving_a_session_again_leaves_its_queue_alone(store: EndpointStore) -> None:
    await store.commit([SaveSession(session()), Enqueue("cam-1/c", message(1)), Receive("cam-1/c", 65535)])
    await store.commit([SaveSession(session(connected=False, expires_at=9.0))])
    (loaded,) = (await store.load()).sessions
    assert (loaded.queue, loaded.received, loaded.expires_at) == ((message(1),), (65535,), 9.0)


async def test_a_released_message_stays_released(store: EndpointStore) -> None:
    await store.commit([SaveSession(session()), Enqueue("cam-1/c", message(1, qos=2)), Release("cam-1/c", 1)])
    await store.commit([Release("cam-1/c", 2), Release("nobody", 1)])
    (loaded,) = (await store.load()).sessions
    assert [m.released for m in loaded.queue] == [True]


async def test_a_received_identifier_is_forgotten_once_released(store: EndpointStore) -> None:
    await store.commit([SaveSession(session()), Receive("cam-1/c", 1), Receive("cam-1/c", 2), Receive("cam-1/c", 2)])
    await store.commit([Forget("cam-1/c", 1), Forget("cam-1/c", 77), Forget("nobody", 1)])
    (loaded,) = (await store.load()).sessions
    assert loaded.received == (2,)


async def test_a_deleted_session_takes_everything_with_it(store: EndpointStore) -> None:
    await store.commit([SaveSession(session()), SaveSession(session("b")), Enqueue("cam-1/c", message(1))])
    await store.commit([Receive("cam-1/c", 1), DeleteSession("cam-1/c"), DeleteSession("nobody")])
    await store.commit([SaveSession(session())])
    (kept, fresh) = sorted((await store.load()).sessions, key=lambda s: s.key)
    assert (kept.key, fresh.queue, fresh.received) == ("b", (), ())


async def test_of_retained_messages_the_last_of_a_topic_counts(store: EndpointStore) -> None:
    last = RetainedMessage("a", b"3", "cam-1", 2, 4.5, b"\x03\x00\x01j")
    await store.commit([Retain(RetainedMessage("a", b"1", "cam-1")), Retain(RetainedMessage("b", b"1", "cam-1"))])
    await store.commit(
        [Retain(RetainedMessage("a", b"", "cam-1")), Retain(last), Retain(RetainedMessage("b", b"", ""))]
    )
    assert (await store.load()).retained == (last,)
    await store.commit([Retain(RetainedMessage("a", b"", ""))])
    assert (await store.load()).retained == ()


_keys = st.sampled_from(["a", "b"])
_numbers = st.integers(1, 3)
_changes = st.one_of(
    st.builds(lambda key, up: SaveSession(session(key, sent_up_to=up)), _keys, _numbers),
    st.builds(DeleteSession, _keys),
    st.builds(lambda key, n, qos: Enqueue(key, message(n, qos=qos)), _keys, _numbers, st.integers(1, 2)),
    st.builds(Release, _keys, _numbers),
    st.builds(Dequeue, _keys, _numbers),
    st.builds(Receive, _keys, _numbers),
    st.builds(Forget, _keys, _numbers),
    st.builds(lambda topic, raw: Retain(RetainedMessage(topic, raw, "x")), _keys, st.sampled_from([b"", b"1", b"2"])),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(_changes, max_size=6), max_size=4))
async def test_every_store_agrees_with_the_one_in_memory(
    store: EndpointStore, groups: list[list[SaveSession | Enqueue]]
) -> None:
    await store.commit([DeleteSession("a"), DeleteSession("b"), *(Retain(RetainedMessage(t, b"", "")) for t in "ab")])
    reference = MemoryEndpointStore()
    known = set()
    for group in groups:
        allowed = []
        for change in group:
            if isinstance(change, SaveSession):
                known.add(change.session.key)
            elif isinstance(change, DeleteSession):
                known.discard(change.key)
            elif isinstance(change, Enqueue | Receive) and change.key not in known:
                continue  # the endpoint queues for sessions that it saved before
            allowed.append(change)
        await store.commit(allowed)
        await reference.commit(allowed)
        assert seen(await store.load()) == seen(await reference.load())
