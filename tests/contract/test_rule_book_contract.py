"""What every rule book keeps to: editions in a row that nobody changes, drafts that nobody overwrites unseen."""

from dataclasses import replace

import pytest

from gateway.ports.rule_book import (
    Draft,
    Edition,
    EditionReason,
    Opened,
    OutdatedDraft,
    OutdatedEdition,
    Override,
    Watched,
)
from gateway.tickets.ticket import CloseCode
from tests.parts.stores import NOW, Stores, batch, change, register

FIRST = Edition(1, NOW, "siaga", EditionReason.STARTED, "", "", "ab" * 32, "[[rule]]", {}, {})
SECOND = Edition(
    2,
    NOW + 1,
    "dewi",
    EditionReason.ACTIVATED,
    "hot",
    "lebih ketat \u2713",
    "cd" * 32,
    '[[rule]]\nname = "hot"',
    {"hot": Override('[[rule]]\nname = "hot"', "ef" * 32, NOW + 1, "dewi")},
    {"noisy": Watched(NOW, "siaga", "9 of 10 were false")},
)
DRAFT = Draft("d1", "dewi", NOW, NOW, 1, 2, "hot", "[[rule]]\n")


async def test_editions_are_kept_in_a_row_and_read_back_as_they_were(stores: Stores) -> None:
    book = stores.rule_book
    assert await book.newest() is None
    await book.append(FIRST)
    await book.append(SECOND)
    assert await book.newest() == SECOND
    assert [await book.edition(number) for number in (0, 1, 2, 3)] == [None, FIRST, SECOND, None]
    assert list(await book.since(2)) == [SECOND]
    assert list(await book.since(0)) == [FIRST, SECOND]
    assert list(await book.editions(10)) == [SECOND, FIRST]
    assert list(await book.editions(10, before=2)) == [FIRST]
    assert list(await book.editions(1)) == [SECOND]


async def test_of_two_editions_after_the_same_one_only_the_first_is_taken(stores: Stores) -> None:
    await stores.rule_book.append(FIRST)
    with pytest.raises(OutdatedEdition) as refused:
        await stores.rule_book.append(replace(FIRST, actor="late"))
    assert refused.value.newest == 1
    with pytest.raises(OutdatedEdition):
        await stores.rule_book.append(replace(SECOND, number=3))
    assert await stores.rule_book.newest() == FIRST


async def test_a_draft_is_never_overwritten_unseen(stores: Stores) -> None:
    book = stores.rule_book
    await book.save(DRAFT)
    assert await book.draft("d1") == DRAFT
    better = replace(DRAFT, version=2, text="[[rule]]\n# better", updated_at=NOW + 5)
    await book.save(better)
    with pytest.raises(OutdatedDraft) as refused:
        await book.save(replace(DRAFT, version=2, text="mine"))
    assert refused.value.current == better
    await book.save(replace(DRAFT, draft_id="d0", updated_at=NOW + 9))
    assert [draft.draft_id for draft in await book.drafts()] == ["d0", "d1"]
    assert [draft.draft_id for draft in await book.drafts(1)] == ["d0"]
    await book.discard("d1")
    await book.discard("d1")
    assert await book.draft("d1") is None
    with pytest.raises(KeyError):
        await book.save(replace(better, version=3))


async def test_a_backtest_stays_with_the_text_it_was_made_of(stores: Stores) -> None:
    book = stores.rule_book
    await book.save(DRAFT)
    assert await book.keep_backtest("d1", 1, '{"reports": 5}')
    assert (await book.draft("d1") or DRAFT).backtest == '{"reports": 5}'
    await book.save(replace(DRAFT, version=2))
    assert not await book.keep_backtest("d1", 1, "{}")
    assert not await book.keep_backtest("gone", 1, "{}")
    assert (await book.draft("d1") or DRAFT).backtest == ""


async def test_tickets_are_counted_by_the_rule_that_opened_them_and_how_they_ended(stores: Stores) -> None:
    await register(stores.registry)
    for device, rule in (("cam-1", "hot@1"), ("cam-2", "hot@2"), ("cam-7", "hot-night@1"), ("nvr-1", "hot@1")):
        await stores.ledger.commit(batch(change(scope_id=device, rule=rule)))
    tickets = {device: (await stores.tickets.of_device(device))[0] for device in ("cam-1", "nvr-1")}
    for device in ("cam-1", "nvr-1"):
        it = tickets[device]
        await stores.tickets.solve(it.ticket_id, it.version, "sari", CloseCode.NO_FAULT_FOUND, "", NOW + 9)
    found = [Opened("hot@1", CloseCode.NO_FAULT_FOUND, 2), Opened("hot@2", None, 1)]
    assert list(await stores.rule_book.opened(NOW - 1, "hot")) == found
    assert list(await stores.rule_book.opened(NOW - 1)) == [Opened("hot-night@1", None, 1), *found]
    assert list(await stores.rule_book.opened(NOW + 1)) == []
    numbers = [(await stores.tickets.of_device(it))[0].number for it in ("nvr-1", "cam-2", "cam-1")]
    assert list(await stores.rule_book.numbers("hot", NOW - 1, 9)) == numbers
    assert list(await stores.rule_book.numbers("hot", NOW - 1, 2)) == numbers[:2]
    assert list(await stores.rule_book.numbers("hot", NOW + 1, 9)) == []
    assert list(await stores.rule_book.numbers("h_t", NOW - 1, 9)) == []
