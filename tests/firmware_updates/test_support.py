"""Owners hear of the end of software updates before it comes: three times, and each time once."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from firmware_updates.entitlement import Entitlement
from firmware_updates.memory import MemoryUpdateStore
from firmware_updates.support import KEPT_S, forget_told, support_notices
from tests.firmware_updates.factories import NOON, device

DAY = 86_400.0
TODAY = datetime.fromtimestamp(NOON, UTC).date()


def store_of(**until: date | None) -> MemoryUpdateStore:
    store = MemoryUpdateStore()
    store.put_devices([device(name, entitlement=Entitlement("UTC", day)) for name, day in until.items()])
    return store


def told(store: MemoryUpdateStore, now: float) -> list[str]:
    names = ["cam", "other", "unknown"]
    return [notice.device_id for notice in support_notices(store, names, now).notices]


def test_an_owner_is_told_three_times_and_each_time_once() -> None:
    store = store_of(cam=TODAY + timedelta(100), other=None)
    days = [day for day in range(120) for _ in range(2) if told(store, NOON + day * DAY)]
    assert [100 - day for day in days] == [90, 30, 7]


@pytest.mark.parametrize(("left", "heard"), [(91, 0), (90, 1), (20, 1), (3, 1), (0, 1), (-1, 0)])
def test_who_is_registered_late_is_told_at_once_and_once_and_not_when_it_is_over(left: int, heard: int) -> None:
    store = store_of(cam=TODAY + timedelta(left))
    (notices,) = [support_notices(store, ["cam"], NOON).notices]
    assert len(notices) == heard
    assert all((one.kind, one.about) == ("support_ends", str(TODAY + timedelta(left))) for one in notices)
    assert told(store, NOON + 60) == []


def test_support_that_is_extended_is_a_new_period_with_its_own_letters() -> None:
    store = store_of(cam=TODAY + timedelta(5))
    assert told(store, NOON) == ["cam"]
    extended = Entitlement("UTC", TODAY + timedelta(60))
    store.put_devices([replace(store.device("cam"), entitlement=extended)])
    assert told(store, NOON) == ["cam"]
    assert told(store, NOON) == []


def test_what_was_told_is_remembered_for_longer_than_any_period_takes_to_end() -> None:
    store = store_of(cam=TODAY + timedelta(90))
    assert told(store, NOON) == ["cam"]
    forget_told(store, NOON + 91 * DAY)
    assert told(store, NOON) == []
    forget_told(store, NOON + KEPT_S + DAY)
    assert told(store, NOON) == ["cam"]
