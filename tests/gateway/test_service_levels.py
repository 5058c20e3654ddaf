"""What the settings promise to customers, and how a ticket comes by it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from diagnostics.changes import Severity
from gateway import app, settings
from gateway.clock import ManualClock
from gateway.tickets.edits import Identity, reported
from gateway.tickets.sla import DEFAULT_TARGETS, Target
from gateway.tickets.ticket import Ticket
from tests.parts.stores import register

NOW = 1_795_255_200.0  # Sat 21 Nov 2026, 10:00 UTC
LEVELS = """
[[service_level]]
name = "gold"
customers = ["toko"]
zone = "Asia/Jakarta"
hours = "Mon-Fri 08:00-17:00"
holidays = [2026-11-23]
high = { first_response_h = 2 }
warning = { first_response_h = 2, solution_h = 8 }

[[service_level]]
name = "everybody else"
"""


def loaded(folder: Path, text: str) -> settings.Settings:
    path = folder / "siaga.toml"
    path.write_text(text)
    return settings.load(path, data_dir=folder / "data", mqtt={"port": 0}, http={"port": 0})


def of(customer_id: str) -> Ticket:
    return reported(Identity("t", "SG-1", "cam-1", "site", customer_id), "picture", "black", "c", False, NOW)[0]


def test_a_customer_has_the_level_that_names_it_and_others_the_one_that_names_nobody(tmp_path: Path) -> None:
    found = loaded(tmp_path, LEVELS)
    gold, usual = found.policy_for(of("toko")), found.policy_for(of("harbour"))
    assert gold is not None
    assert usual is not None
    assert (gold.name, usual.name) == ("gold", "everybody else")
    assert gold.target(Severity.WARNING) == Target(7200.0, None, 28_800.0)
    assert gold.target(Severity.INFO) == usual.target(Severity.INFO) == DEFAULT_TARGETS[Severity.INFO]
    assert usual.hours.windows == ()


def test_without_levels_nothing_is_promised(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").policy_for(of("toko")) is None
    assert loaded(tmp_path, '[[service_level]]\nname = "gold"\ncustomers = ["toko"]').policy_for(of("harbour")) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "a"\nhours = "whenever"', "service_level.0: "),
        ('name = "a"\nzone = "Mars/Phobos"\nhours = "Mon-Fri 08:00-17:00"', "service_level.0: "),
        ('name = "a"\nhigh = { first_response_h = 0 }', "service_level.0.high.first_response_h: "),
        ('name = "a"\nhigh = { first = 1 }', "service_level.0.high.first: no such setting"),
        ('name = "a"\n[[service_level]]\nname = "b"', "service_level: only one level may be without customers"),
        ('name = "a"\n[[service_level]]\nname = "a"\ncustomers = ["x"]', "service_level: each name once"),
        (
            'name = "a"\ncustomers = ["x"]\n[[service_level]]\nname = "b"\ncustomers = ["x"]',
            "service_level: customer 'x' has two levels",
        ),
    ],
)
def test_a_level_that_cannot_be_kept_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        loaded(tmp_path, f"[[service_level]]\n{text}\n")
    assert f"siaga.toml: {says}" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_ticket_that_a_customer_opens_promises_an_answer_in_business_hours(tmp_path: Path) -> None:
    async with app.running(loaded(tmp_path, LEVELS), ManualClock(NOW)) as gateway:
        await register(gateway.registry)
        ticket = await gateway.tickets.report_problem("toko", "cam-1", "other", "The picture is gone.", NOW)
        sla = await gateway.tickets.service_level(ticket.ticket_id)
    # It is Saturday, and Monday is a holiday: two hours into Tuesday, 08:00 in Jakarta.
    assert ticket.promise_at == datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()
    assert sla is not None
    assert sla.policy.name == "gold"
