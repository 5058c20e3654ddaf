from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.entitlement import (
    Entitlement,
    Right,
    SecurityException,
    right_to_update,
    support_days_left,
    support_ends_at,
    under_contract,
)
from firmware_updates.manifest import ReleaseClass
from firmware_updates.window import local_date_at

LAST_DAY = date(2026, 11, 21)
JAKARTA = Entitlement("Asia/Jakarta", support_until=LAST_DAY, contract_until=date(2026, 6, 30))
MIDNIGHT = datetime(2026, 11, 21, 17, tzinfo=UTC).timestamp()  # in Jakarta
NEVER, MONTH = SecurityException(), SecurityException(days=30)


@pytest.mark.parametrize(
    ("kind", "exception", "at", "right"),
    [
        (ReleaseClass.FEATURE, NEVER, MIDNIGHT - 1, Right.IN_SUPPORT),
        (ReleaseClass.FEATURE, MONTH, MIDNIGHT, Right.SUPPORT_ENDED),
        (ReleaseClass.MIXED, MONTH, MIDNIGHT, Right.SUPPORT_ENDED),
        (ReleaseClass.SECURITY, NEVER, MIDNIGHT, Right.SUPPORT_ENDED),
        (ReleaseClass.SECURITY, MONTH, MIDNIGHT, Right.SECURITY_EXCEPTION),
        (ReleaseClass.SECURITY, MONTH, MIDNIGHT + 30 * 86400 - 1, Right.SECURITY_EXCEPTION),
        (ReleaseClass.SECURITY, MONTH, MIDNIGHT + 30 * 86400, Right.SUPPORT_ENDED),
    ],
)
def test_support_lasts_to_the_end_of_the_local_day_and_only_security_may_outlive_it(kind, exception, at, right):
    assert right_to_update(JAKARTA, kind, exception, at) is right


def test_an_unknown_end_never_comes():
    unknown = Entitlement("Asia/Jakarta")
    assert right_to_update(unknown, ReleaseClass.FEATURE, NEVER, 4e9) is Right.IN_SUPPORT
    assert under_contract(unknown, 4e9)
    assert support_days_left(unknown, 4e9) is None


def test_a_contract_that_ended_takes_no_update_away():
    assert not under_contract(JAKARTA, MIDNIGHT - 86400)
    assert right_to_update(JAKARTA, ReleaseClass.FEATURE, NEVER, MIDNIGHT - 86400) is Right.IN_SUPPORT
    assert under_contract(JAKARTA, datetime(2026, 6, 30, 16, 59, tzinfo=UTC).timestamp())


def test_people_are_told_the_days_that_are_left():
    assert support_days_left(JAKARTA, MIDNIGHT - 1) == 0
    assert support_days_left(JAKARTA, MIDNIGHT) == -1
    assert support_days_left(JAKARTA, MIDNIGHT - 7 * 86400 - 1) == 7


@settings(deadline=None, max_examples=100)
@given(
    zone=st.sampled_from(["Asia/Jakarta", "Pacific/Apia", "Africa/Cairo", "America/Havana", "Asia/Beirut"]),
    day=st.dates(date(2005, 1, 1), date(2037, 1, 1)),
)
def test_support_ends_exactly_when_the_wall_calendar_leaves_its_last_day(zone, day):
    ends_at = support_ends_at(Entitlement(zone, support_until=day))
    assert local_date_at(zone, ends_at) > day
    assert local_date_at(zone, ends_at - 1) <= day
    assert local_date_at(zone, ends_at - 1) >= day - timedelta(days=1)
