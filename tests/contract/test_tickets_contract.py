"""What every ticket store keeps to: opening by change, views, edits, the customer's voice."""

import json

import pytest

from diagnostics.changes import ChangeKind, Impact, Scope, Severity
from gateway.ports.tickets import Conflict, NotAllowed, View
from gateway.tickets.ticket import CloseCode, Entry, State, Ticket, WaitingFor
from tests.parts.stores import HOUR, NOW, Stores, batch, change, register

DAY = 24 * HOUR


async def opened(stores: Stores, device: str = "cam-1", **more: object) -> Ticket:
    await stores.ledger.commit(batch(change(scope_id=device, **more)))  # type: ignore[arg-type]
    return (await stores.tickets.of_device(device))[0]


async def test_a_change_opens_a_ticket_that_carries_its_evidence_and_whose_it_is(stores: Stores) -> None:
    await register(stores.registry)
    impact = Impact(NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY)
    ticket = await opened(stores, impact=impact, note="hotter than its neighbours")
    asked = change(impact=impact, note="hotter than its neighbours")
    assert (ticket.number, ticket.state, ticket.version) == ("SG-1001", State.NEW, 1)
    assert (ticket.device_id, ticket.site_id, ticket.customer_id) == ("cam-1", "toko-a", "toko")
    assert (ticket.evidence, ticket.impact, ticket.key) == (asked.evidence, impact, asked.key)
    assert ticket.priority_at == NOW + DAY - HOUR
    assert not ticket.advisory
    assert await stores.tickets.get(ticket.ticket_id) == ticket
    assert await stores.tickets.get("sg-1001") == ticket
    history = await stores.tickets.history(ticket.ticket_id)
    assert [(line.kind, line.actor, line.reason, line.text) for line in history] == [
        (Entry.OPENED, "hot@1", "first_episode", "hotter than its neighbours")
    ]


async def test_the_evidence_names_its_own_rule_when_a_graver_one_joins(stores: Stores) -> None:
    await register(stores.registry)
    ticket = await opened(stores)
    assert (ticket.rule, ticket.evidence_rule) == ("hot@1", "hot@1")
    for severity, shown in ((Severity.WARNING, "hot@1"), (Severity.CRITICAL, "fan@2")):
        joined = change(rule="fan@2", severity=severity, since=NOW + severity)
        await stores.ledger.commit(batch(joined))
        (ticket,) = await stores.tickets.of_device("cam-1")
        assert (ticket.rule, ticket.evidence_rule) == ("hot@1", shown)


async def test_an_impact_that_never_comes_is_kept(stores: Stores) -> None:
    await register(stores.registry)
    never = Impact(float("inf"), float("inf"), float("inf"))
    assert (await opened(stores, impact=never)).impact == never


async def test_an_unknown_ticket_is_none(stores: Stores) -> None:
    for name in ("SG-1", "SG-x", "", "nothing", "SG-99999999999999999999"):
        assert await stores.tickets.get(name) is None
        assert await stores.tickets.history(name) in ([], ())
    with pytest.raises(KeyError):
        await stores.tickets.note("SG-1", "ana", "?", NOW)


async def test_out_of_warranty_and_contract_is_an_advisory(stores: Stores) -> None:
    await register(stores.registry)
    assert (await opened(stores, "cam-9")).advisory
    assert not (await opened(stores, "cam-7")).advisory
    assert not (await opened(stores, "cam-2")).advisory  # dates unknown: the customer is not made to pay for that


async def test_a_site_is_one_ticket_that_its_devices_show(stores: Stores) -> None:
    await register(stores.registry)
    outage = change(scope=Scope.SITE, scope_id="toko-a", fault_class="SITE_DARK", devices=("cam-1", "nvr-1"))
    more = change(
        ChangeKind.AMENDED, "toko-a", scope=Scope.SITE, fault_class="SITE_DARK", devices=("cam-2",), since=NOW - 500.0
    )
    await stores.ledger.commit(batch(outage, more))
    for device in ("cam-1", "cam-2", "nvr-1"):
        (ticket,) = await stores.tickets.of_device(device)
        assert (ticket.device_id, ticket.site_id, ticket.customer_id) == ("", "toko-a", "toko")
        assert ticket.devices == ("cam-1", "nvr-1", "cam-2")
    assert await stores.tickets.of_device("cam-7") in ([], ())


async def test_what_nobody_registered_is_still_a_ticket_for_staff(stores: Stores) -> None:
    await register(stores.registry)
    site = change(scope=Scope.SITE, scope_id="nowhere", fault_class="SITE_DARK")
    fleet = change(scope=Scope.FLEET, scope_id="C200", fault_class="STORM", devices=("cam-1", "cam-2"))
    ourselves = change(scope=Scope.GATEWAY, scope_id="gateway", fault_class="BLIND")
    await stores.ledger.commit(batch(change(scope_id="stranger"), site, fleet, ourselves))
    page = await stores.tickets.page(View.INBOX, "ana")
    assert {(t.scope_id, t.customer_id, t.device_id, t.advisory) for t in page.tickets} == {
        ("stranger", "", "stranger", False),
        ("nowhere", "", "", False),
        ("C200", "", "", False),
        ("gateway", "", "", False),
    }
    assert [t.fault_class for t in await stores.tickets.of_device("cam-2")] == ["STORM"]


async def test_a_flapping_device_keeps_one_ticket_with_a_counter(stores: Stores) -> None:
    await register(stores.registry)
    for n in range(5):
        begin = NOW + n * 100.0
        await stores.ledger.commit(batch(change(since=begin), at=begin))
        await stores.ledger.commit(batch(change(ChangeKind.RECOVERED, since=begin, at=begin + 50.0), at=begin + 50.0))
    (ticket,) = await stores.tickets.of_device("cam-1")
    assert (ticket.state, ticket.episodes, ticket.close_code) == (State.SOLVED, 5, CloseCode.AUTO)
    assert ticket.evidence.value == 91.5


async def test_a_fault_that_comes_back_later_is_a_new_ticket_linked_to_the_old_one(stores: Stores) -> None:
    await register(stores.registry)
    first = await opened(stores)
    await stores.ledger.commit(batch(change(ChangeKind.RECOVERED, at=NOW + 10.0), at=NOW + 10.0))
    later = NOW + 4 * DAY
    await stores.ledger.commit(batch(change(since=later), at=later))
    second, old = await stores.tickets.of_device("cam-1")
    assert (old.state, second.state, second.linked_to) == (State.SOLVED, State.NEW, first.ticket_id)
    assert second.number == "SG-1002"
    with pytest.raises(NotAllowed, match="SG-1001 was followed by SG-1002"):
        await stores.tickets.reopen(first.ticket_id, "budi", "", later)


async def test_the_queue_shows_the_most_urgent_first_page_by_page(stores: Stores) -> None:
    await register(stores.registry)
    for n in range(7):
        soon = NOW + (n * 3 % 7) * HOUR
        impact = Impact(soon, soon, soon)
        await stores.ledger.commit(batch(change(scope_id="cam-1", fault_class=f"F{n}", impact=impact)))
    seen: list[Ticket] = []
    cursor = ""
    while True:
        page = await stores.tickets.page(View.UNRESOLVED, "ana", cursor=cursor, limit=3)
        seen += page.tickets
        cursor = page.next_cursor
        if not cursor:
            break
        assert len(page.tickets) == 3
    assert [ticket.fault_class for ticket in seen] == ["F0", "F5", "F3", "F1", "F6", "F4", "F2"]
    with pytest.raises(ValueError, match="cursor"):
        await stores.tickets.page(View.INBOX, "ana", cursor="garbage")


async def test_tickets_of_one_urgency_are_all_shown_once(stores: Stores) -> None:
    await register(stores.registry)
    await stores.ledger.commit(batch(*(change(fault_class=f"F{n}") for n in range(5))))
    first = await stores.tickets.page(View.INBOX, "ana", limit=2)
    second = await stores.tickets.page(View.INBOX, "ana", cursor=first.next_cursor, limit=10)
    assert [t.fault_class for t in (*first.tickets, *second.tickets)] == ["F0", "F1", "F2", "F3", "F4"]
    assert second.next_cursor == ""


async def test_each_view_shows_and_counts_what_belongs_to_it(stores: Stores) -> None:
    await register(stores.registry)
    tickets = stores.tickets
    await stores.ledger.commit(batch(*(change(fault_class=f"F{n}") for n in range(5))))
    f = {t.fault_class: t for t in await tickets.of_device("cam-1")}
    await tickets.take(f["F0"].ticket_id, 1, "ana", NOW)
    await tickets.take(f["F1"].ticket_id, 1, "bob", NOW)
    await tickets.wait(f["F1"].ticket_id, 2, "bob", WaitingFor.PARTS, NOW)
    await tickets.solve(f["F2"].ticket_id, 1, "ana", CloseCode.FIXED_REMOTELY, "restarted", NOW)
    await tickets.solve(f["F3"].ticket_id, 1, "ana", CloseCode.NO_FAULT_FOUND, "", NOW + 1)
    expected = {
        View.INBOX: ["F4"],
        View.MINE: ["F0"],
        View.WAITING: ["F1"],
        View.UNRESOLVED: ["F0", "F1", "F4"],
        View.DONE: ["F3", "F2"],
    }
    for view, classes in expected.items():
        page = await tickets.page(view, "ana")
        assert [t.fault_class for t in page.tickets] == classes, view
        assert page.counts == {one: len(of_one) for one, of_one in expected.items()}
    first = await tickets.page(View.DONE, "ana", limit=1)
    second = await tickets.page(View.DONE, "ana", cursor=first.next_cursor, limit=1)
    assert [t.fault_class for t in second.tickets] == ["F2"]


async def test_search_finds_by_number_device_site_and_customer(stores: Stores) -> None:
    await register(stores.registry)
    await opened(stores, "cam-1")
    await opened(stores, "cam-7")
    for text, devices in {
        "sg-1002": ["cam-7"],
        "CAM-": ["cam-1", "cam-7"],
        "toko b": ["cam-1"],  # "Toko Budi", the customer
        "main str": ["cam-7"],
        " lee ": ["cam-7"],
        "door": ["cam-1"],
        "100%": [],
        "_": [],
    }.items():
        page = await stores.tickets.page(View.UNRESOLVED, "ana", search=text)
        assert [t.device_id for t in page.tickets] == devices, text


async def test_whoever_edits_an_old_version_learns_how_it_is_now(stores: Stores) -> None:
    await register(stores.registry)
    ticket = await opened(stores)
    taken = await stores.tickets.take(ticket.ticket_id, ticket.version, "ana", NOW)
    assert (taken.owner, taken.state, taken.version) == ("ana", State.OPEN, 2)
    with pytest.raises(Conflict, match="SG-1001") as conflict:
        await stores.tickets.take(ticket.ticket_id, ticket.version, "bob", NOW)
    assert conflict.value.current == taken
    assert await stores.tickets.get(ticket.ticket_id) == taken


async def test_the_life_cycle_refuses_in_words(stores: Stores) -> None:
    await register(stores.registry)
    tickets = stores.tickets
    ticket = await opened(stores)
    with pytest.raises(NotAllowed, match="not solved"):
        await tickets.reopen(ticket.ticket_id, "ana", "", NOW)
    with pytest.raises(NotAllowed, match="future"):
        await tickets.promise(ticket.ticket_id, 1, "ana", NOW - 1, NOW)
    solved = await tickets.solve(ticket.ticket_id, 1, "ana", CloseCode.FIXED_ON_SITE, "new lens", NOW)
    for step in (
        tickets.take(ticket.ticket_id, solved.version, "ana", NOW),
        tickets.wait(ticket.ticket_id, solved.version, "ana", WaitingFor.VISIT, NOW),
        tickets.solve(ticket.ticket_id, solved.version, "ana", CloseCode.AUTO, "", NOW),
        tickets.promise(ticket.ticket_id, solved.version, "ana", NOW + 1, NOW),
    ):
        with pytest.raises(NotAllowed, match="SG-1001 is solved"):
            await step


async def test_a_ticket_is_worked_to_its_end_and_its_history_tells_it(stores: Stores) -> None:
    await register(stores.registry)
    tickets, ident = stores.tickets, (await opened(stores)).ticket_id
    await tickets.take(ident, 1, "ana", NOW + 1)
    await tickets.note(ident, "ana", "fan?", NOW + 2)
    promised = await tickets.promise(ident, 3, "ana", NOW + DAY, NOW + 3)
    assert promised.promise_at == NOW + DAY
    replied = await tickets.note(ident, "ana", "We look at it.", NOW + 4, to_customer=True)
    assert replied.promise_at is None
    waiting = await tickets.wait(ident, 5, "ana", WaitingFor.CUSTOMER, NOW + 5)
    assert (waiting.state, waiting.waiting_for) == (State.PENDING, WaitingFor.CUSTOMER)
    heard = await tickets.hear(ident, "budi", "The lid was open.", NOW + 6)
    assert (heard.state, heard.waiting_for) == (State.OPEN, None)
    solved = await tickets.solve(ident, 7, "ana", CloseCode.CUSTOMER_CAUSE, "lid closed", NOW + 7)
    assert (solved.state, solved.solved_at, solved.close_code) == (State.SOLVED, NOW + 7, CloseCode.CUSTOMER_CAUSE)
    again = await tickets.reopen(ident, "budi", "still hot", NOW + 8)
    assert (again.state, again.solved_at, again.close_code) == (State.OPEN, None, None)
    await tickets.solve(ident, 9, "ana", CloseCode.NO_FAULT_FOUND, "", NOW + 9)
    assert await tickets.close_solved(NOW + 9, NOW + 10) == 0
    assert await tickets.close_solved(NOW + 10, NOW + 10) == 1
    kinds = [line.kind.value for line in await tickets.history(ident)]
    assert kinds == [
        *("opened", "taken", "note", "note", "reply", "waiting", "customer", "solved", "reopened", "solved", "closed"),
    ]
    with pytest.raises(NotAllowed, match="closed for good"):
        await tickets.reopen(ident, "budi", "", NOW + 11)


async def test_what_was_called_fixed_and_is_still_seen_is_opened_again_when_it_should_close(stores: Stores) -> None:
    await register(stores.registry)
    tickets = stores.tickets
    await stores.ledger.commit(batch(*(change(fault_class=f"F{n}") for n in range(4))))
    codes = (CloseCode.FIXED_ON_SITE, CloseCode.NO_FAULT_FOUND, CloseCode.PART_REPLACED, CloseCode.FIXED_REMOTELY)
    for ticket, code in zip(reversed(await tickets.of_device("cam-1")), codes, strict=True):
        await tickets.solve(ticket.ticket_id, 1, "ana", code, "", NOW)
    await stores.ledger.commit(batch(change(ChangeKind.RECOVERED, fault_class="F2", at=NOW + 1), at=NOW + 1))
    # F3 came back after the window: the newer ticket goes on, the older one closes.
    later = NOW + 80 * HOUR
    await stores.ledger.commit(batch(change(fault_class="F3", since=later), at=later))
    assert await tickets.close_solved(later - 72 * HOUR, later) == 4
    found = {(t.fault_class, t.state, bool(t.linked_to)) for t in await tickets.of_device("cam-1")}
    assert found == {
        ("F0", State.OPEN, False),
        ("F1", State.CLOSED, False),
        ("F2", State.CLOSED, False),
        ("F3", State.CLOSED, False),
        ("F3", State.NEW, True),
    }


async def test_a_customer_sees_unresolved_first_and_solved_ones_for_thirty_days(stores: Stores) -> None:
    await register(stores.registry)
    tickets = stores.tickets
    await stores.ledger.commit(batch(*(change(fault_class=f"F{n}") for n in range(4)), change(scope_id="cam-7")))
    f = {t.fault_class: t.ticket_id for t in await tickets.of_device("cam-1")}
    await tickets.solve(f["F1"], 1, "ana", CloseCode.FIXED_REMOTELY, "", NOW - 31 * DAY)
    await tickets.solve(f["F0"], 1, "ana", CloseCode.FIXED_REMOTELY, "", NOW - 29 * DAY)
    assert [t.fault_class for t in await tickets.of_customer("toko")] == ["F2", "F3", "F0"]
    assert [t.fault_class for t in await tickets.of_customer("toko", limit=2)] == ["F2", "F3"]
    assert [t.device_id for t in await tickets.of_customer("bakery")] == ["cam-7"]


async def test_a_reported_problem_joins_the_open_ticket_of_the_device(stores: Stores) -> None:
    await register(stores.registry)
    worst = await opened(stores, fault_class="F1", severity=Severity.CRITICAL)
    await opened(stores, fault_class="F2", severity=Severity.INFO)
    joined = await stores.tickets.report_problem("toko", "cam-1", "picture", "all black", NOW + 1)
    assert joined.ticket_id == worst.ticket_id
    last = (await stores.tickets.history(joined.ticket_id))[-1]
    assert (last.kind, last.reason, last.text) == (Entry.CUSTOMER, "picture", "all black")


async def test_a_reported_problem_without_a_ticket_opens_one(stores: Stores) -> None:
    await register(stores.registry)
    ticket = await stores.tickets.report_problem("toko", "cam-9", "picture", "all black", NOW)
    assert (ticket.fault_class, ticket.state, ticket.advisory) == ("REPORTED", State.NEW, True)
    assert ticket.customer_id == "toko"
    again = await stores.tickets.report_problem("toko", "cam-9", "sound", "silent", NOW + 1)
    assert again.ticket_id == ticket.ticket_id
    assert [line.text for line in await stores.tickets.history(ticket.ticket_id)] == ["all black", "silent"]
    assert await stores.tickets.get(ticket.number) == again


async def test_nobody_reports_about_a_device_of_others(stores: Stores) -> None:
    await register(stores.registry)
    for customer, device in (("toko", "cam-7"), ("toko", "nothing"), ("", "nothing")):
        with pytest.raises(KeyError):
            await stores.tickets.report_problem(customer, device, "picture", "", NOW)


async def test_a_solved_ticket_is_rated_once_by_its_customer(stores: Stores) -> None:
    await register(stores.registry)
    tickets, ident = stores.tickets, (await opened(stores)).ticket_id
    with pytest.raises(NotAllowed, match="not solved"):
        await tickets.rate(ident, "toko", 5, "", NOW)
    await tickets.solve(ident, 1, "ana", CloseCode.FIXED_REMOTELY, "", NOW)
    with pytest.raises(KeyError):
        await tickets.rate(ident, "bakery", 1, "", NOW)
    with pytest.raises(NotAllowed, match="one to five"):
        await tickets.rate(ident, "toko", 6, "", NOW)
    assert await tickets.rating(ident) is None
    await tickets.rate(ident, "toko", 4, "quick", NOW)
    assert await tickets.rating(ident) == 4
    with pytest.raises(NotAllowed, match="has been rated"):
        await tickets.rate(ident, "toko", 1, "", NOW)


async def test_people_are_told_once_of_what_matters_and_not_of_the_rest(stores: Stores) -> None:
    await register(stores.registry)
    ident = (await opened(stores)).ticket_id
    await stores.ledger.commit(batch(change(ChangeKind.RAISED, severity=Severity.HIGH)))
    await stores.ledger.commit(batch(change(ChangeKind.LOWERED, severity=Severity.INFO)))
    await stores.tickets.note(ident, "ana", "internal", NOW)
    await stores.tickets.note(ident, "ana", "for you", NOW, to_customer=True)
    await stores.ledger.commit(batch(change(ChangeKind.RECOVERED)))
    told = await stores.notifications.due(NOW, 100)
    assert [one.type for one in told] == ["ticket.opened", "ticket.raised", "ticket.replied", "ticket.solved"]
    assert len({one.event_id for one in told}) == 4
    facts = json.loads(told[2].payload)
    assert (facts["number"], facts["customer_id"], facts["text"]) == ("SG-1001", "toko", "for you")


async def test_words_of_people_are_kept_as_they_are(stores: Stores) -> None:
    await register(stores.registry)
    ident = (await opened(stores)).ticket_id
    words = "<script>alert('1')</script> Kamera gelap ✓ \\ % _"
    await stores.tickets.note(ident, "ana", words, NOW)
    assert (await stores.tickets.history(ident))[-1].text == words


async def test_a_service_level_is_promised_told_before_it_is_missed_and_met(stores: Stores) -> None:
    await register(stores.registry)
    tickets = stores.tickets
    ticket = await opened(stores, "cam-7")
    assert ticket.promise_at == NOW + HOUR / 2
    assert await tickets.tell_due(NOW) == 0
    assert await tickets.tell_due(NOW + HOUR / 4) == 1
    assert await tickets.tell_due(NOW + HOUR / 4) == 0
    replied = await tickets.note(ticket.ticket_id, "ana", "We look at it.", NOW + HOUR, to_customer=True)
    assert replied.promise_at == NOW + 5 * HOUR
    assert await tickets.get(ticket.ticket_id) == replied
    level = await tickets.service_level(ticket.ticket_id)
    assert level is not None
    assert {goal.value for goal in level.missed} == {"first_response"}
    await stores.ledger.commit(batch(change(ChangeKind.RECOVERED, "cam-7", at=NOW + 2 * HOUR), at=NOW + 2 * HOUR))
    assert await tickets.tell_due(NOW + 100 * HOUR) == 0
    told = await stores.notifications.due(NOW + 100 * HOUR, 100)
    assert [(one.type, json.loads(one.payload)["reason"]) for one in told] == [
        ("ticket.opened", "first_episode"),
        ("ticket.sla_warning", "first_response_50"),
        ("ticket.sla_missed", "first_response_100"),
        ("ticket.replied", "reply"),
        ("ticket.solved", "recovered"),
    ]


async def test_a_promise_of_a_person_stays_until_it_is_kept(stores: Stores) -> None:
    await register(stores.registry)
    ident = (await opened(stores, "cam-7")).ticket_id
    promised = await stores.tickets.promise(ident, 1, "ana", NOW + 9 * HOUR, NOW)
    raised = await stores.tickets.take(ident, promised.version, "ana", NOW)
    assert raised.promise_at == NOW + 9 * HOUR


async def test_nothing_is_promised_to_who_bought_no_service_level(stores: Stores) -> None:
    await register(stores.registry)
    ticket = await opened(stores)
    assert (ticket.promise_at, await stores.tickets.service_level(ticket.ticket_id)) == (None, None)
    assert await stores.tickets.tell_due(NOW + 1e6) == 0
