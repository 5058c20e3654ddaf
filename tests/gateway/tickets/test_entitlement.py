"""Whether service is owed today, in the zone of the site."""

from datetime import UTC, datetime

import pytest

from gateway.tickets.entitlement import Entitlement, entitlement


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("warranty", "contract", "zone", "now", "expected"),
    [
        ("2026-11-21", "", "UTC", "2026-11-21T23:59:59", Entitlement.WARRANTY),
        ("2026-11-21", "", "UTC", "2026-11-22T00:00:00", Entitlement.ENDED),
        ("2026-11-21", "", "Asia/Jayapura", "2026-11-21T15:00:00", Entitlement.ENDED),
        ("2026-11-21", "", "America/Bogota", "2026-11-22T04:59:00", Entitlement.WARRANTY),
        ("2020-01-01", "2026-11-21", "UTC", "2026-11-21T12:00:00", Entitlement.CONTRACT),
        ("", "2026-11-21", "UTC", "2026-11-21T12:00:00", Entitlement.CONTRACT),
        ("", "2026-11-20", "UTC", "2026-11-21T12:00:00", Entitlement.ENDED),
        ("", "", "UTC", "2026-11-21T12:00:00", Entitlement.UNKNOWN),
    ],
)
def test_a_day_is_valid_to_its_end_where_the_device_stands(
    warranty: str, contract: str, zone: str, now: str, expected: Entitlement
) -> None:
    assert entitlement(warranty, contract, zone, at(now)) is expected


def test_only_a_known_end_costs_a_customer_the_service() -> None:
    assert [one for one in Entitlement if not one.covered] == [Entitlement.ENDED]
