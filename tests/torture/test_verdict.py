"""What the torture run calls lost, doubled and out of order: a judge that could not say so would prove nothing."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.torture.verdict import Count, complaints, count

numbers = st.lists(st.integers(1, 50), unique=True, min_size=1)


@given(numbers)
def test_what_took_effect_once_in_its_order_is_all_well(sent: list[int]) -> None:
    sent.sort()
    assert count({"cam": sent}, {"cam": sent}) == Count(len(sent), 0, 0, 0)


@given(numbers, st.data())
def test_each_missing_effect_is_a_loss(sent: list[int], data: st.DataObject) -> None:
    missing = data.draw(st.sets(st.sampled_from(sent)))
    found = count({"cam": sent}, {"cam": sorted(set(sent) - missing)})
    assert (found.losses, found.duplicates) == (len(missing), 0)
    assert found.effects == len(sent) - len(missing)


@given(numbers, st.data())
def test_each_effect_too_many_is_a_duplicate_and_so_is_one_that_nobody_sent(
    sent: list[int], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from([*sent, 99, 100])))
    strangers = sum(number > 50 for number in again)
    found = count({"cam": sent}, {"cam": [*sorted(sent), *again]})
    assert (found.losses, found.duplicates) == (0, len(again))
    assert found.effects == len(sent)
    assert strangers <= found.duplicates


def test_an_effect_after_a_later_one_is_out_of_order() -> None:
    assert count({"cam": [1, 2, 3]}, {"cam": [1, 3, 2]}).disorder == 1


def test_devices_are_counted_apart_and_one_without_effects_has_lost_all() -> None:
    assert count({"a": [1, 2], "b": [1]}, {"a": [1, 2]}) == Count(2, 0, 1, 0)


def test_every_kind_of_broken_promise_is_said() -> None:
    fine = Count(10, 0, 0, 0)
    assert complaints(10, fine, fine, (1, 1), 100, 300) == []
    assert complaints(0, fine, fine, (1, 1), 100, 300) == ["no message was accepted: nothing was shown"]
    said = complaints(10, Count(8, 1, 2, 3), Count(9, 4, 1, 0), (1, 2), 400, 300)
    assert said == [
        "ledger: 2 lost",
        "ledger: 1 doubled",
        "history: 1 lost",
        "history: 4 doubled",
        "ledger: 3 out of order",
        "tickets: 2 instead of 1",
        "memory: 400 MB, more than 300",
    ]
