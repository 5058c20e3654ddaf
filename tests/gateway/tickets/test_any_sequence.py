"""Whatever happens in whatever order, a key has at most one unresolved ticket and every history follows the table."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.changes import ChangeKind, Severity
from gateway.ports.tickets import NotAllowed, View
from gateway.tickets.ticket import TRANSITIONS, UNRESOLVED, CloseCode, Entry, HistoryEntry, State, Ticket, WaitingFor
from tests.parts.stores import HOUR, NOW, Stores, batch, change, memory_stores, register, sqlite_stores

LEADS_TO = {
    Entry.OPENED: State.NEW,
    Entry.LINKED: State.NEW,
    Entry.REOPENED: State.OPEN,
    Entry.WAITING: State.PENDING,
    Entry.SOLVED: State.SOLVED,
    Entry.CLOSED: State.CLOSED,
}

changes = st.tuples(
    st.sampled_from(ChangeKind),
    st.sampled_from(["cam-1", "cam-9"]),
    st.sampled_from(["hot@1", "hot@2", "fan@1"]),
    st.sampled_from(Severity),
    st.integers(0, 5),  # onset, in hours
)
staff = st.tuples(st.sampled_from(["take", "wait", "solve", "reopen", "hear", "close", "report"]), st.integers(0, 3))
steps = st.lists(
    st.tuples(st.one_of(changes, staff), st.sampled_from([0.0, 60.0, 5 * HOUR, 80 * HOUR])), min_size=1, max_size=40
)


async def edit(stores: Stores, verb: str, which: int, now: float) -> None:
    tickets = [*await stores.tickets.of_device("cam-1"), *await stores.tickets.of_device("cam-9")]
    if verb == "report":
        await stores.tickets.report_problem("toko", ("cam-1", "cam-9")[which % 2], "picture", "black", now)
        return
    if verb == "close":
        await stores.tickets.close_solved(now - 72 * HOUR, now)
        return
    if not tickets:
        return
    ticket = tickets[which % len(tickets)]
    store, ident, version = stores.tickets, ticket.ticket_id, ticket.version
    try:
        match verb:
            case "take":
                await store.take(ident, version, "ana", now)
            case "wait":
                await store.wait(ident, version, "ana", WaitingFor.CUSTOMER, now)
            case "solve":
                await store.solve(ident, version, "ana", CloseCode.PART_REPLACED, "", now)
            case "reopen":
                await store.reopen(ident, "budi", "", now)
            case _:
                await store.hear(ident, "budi", "hm", now)
    except NotAllowed:
        assert (await store.get(ident)) == ticket


def follows_the_table(ticket: Ticket, history: list[HistoryEntry]) -> None:
    state: State | None = None
    for line in history:
        to = LEADS_TO.get(line.kind)
        if line.kind is Entry.TAKEN and state is State.NEW:
            to = State.OPEN
        if line.kind is Entry.CUSTOMER and state is State.PENDING:
            to = State.OPEN  # only ever pended for the customer here
        if state is None:
            assert line.kind in {Entry.OPENED, Entry.LINKED}
        elif to is not None and to is not state:
            assert to in TRANSITIONS[state], (state, line)
        state = to or state
    assert state is ticket.state
    assert (ticket.solved_at is not None) == (ticket.state not in UNRESOLVED)
    assert (ticket.close_code is not None) == (ticket.state not in UNRESOLVED)
    assert [line.at for line in history] == sorted(line.at for line in history)


async def play(stores: Stores, played: list[tuple[tuple[object, ...], float]]) -> None:
    await register(stores.registry)
    now = NOW
    for step, wait in played:
        now += wait
        if isinstance(step[0], ChangeKind):
            kind, device, rule, severity, onset = step
            one = change(kind, device, rule=rule, severity=severity, since=NOW + onset * HOUR)  # type: ignore[arg-type]
            # A batch that is delivered twice, and the same change twice in one batch.
            await stores.ledger.commit(batch(one, one, at=now))
            before = await stores.tickets.of_device(device)  # type: ignore[arg-type]
            if kind in {ChangeKind.OPENED, ChangeKind.RECOVERED, ChangeKind.WITHDRAWN}:
                await stores.ledger.commit(batch(one, at=now))
                assert await stores.tickets.of_device(device) == before  # type: ignore[arg-type]
        else:
            await edit(stores, *step, now)  # type: ignore[arg-type]
        everything = [*await stores.tickets.of_device("cam-1"), *await stores.tickets.of_device("cam-9")]
        unresolved = Counter(ticket.key for ticket in everything if ticket.state in UNRESOLVED)
        assert all(count == 1 for count in unresolved.values()), unresolved
        for ticket in everything:
            follows_the_table(ticket, list(await stores.tickets.history(ticket.ticket_id)))
    page = await stores.tickets.page(View.UNRESOLVED, "ana", limit=100)
    assert len(page.tickets) == page.counts[View.UNRESOLVED] == sum(unresolved.values())


@settings(max_examples=200)
@given(steps)
def test_any_sequence_keeps_one_unresolved_ticket_a_key(played: list[tuple[tuple[object, ...], float]]) -> None:
    asyncio.run(play(memory_stores(), played))


async def play_on_sqlite(played: list[tuple[tuple[object, ...], float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with sqlite_stores(Path(folder)) as stores:
            await play(stores, played)


@settings(max_examples=10)
@given(steps)
def test_any_sequence_keeps_one_unresolved_ticket_a_key_in_a_database(
    played: list[tuple[tuple[object, ...], float]],
) -> None:
    asyncio.run(play_on_sqlite(played))
