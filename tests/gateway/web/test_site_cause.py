"""A trouble that lies in no device, as staff see it: a whole site shares it, or a release brought it."""

from diagnostics.changes import Evidence
from diagnostics.releases import Releases
from gateway.web.directory import Directory
from gateway.web.queue import evidence_line, row_of
from gateway.web.standing import concerns
from tests.gateway.web.world import DAY, DEVICES, FAULTS, HOUR, NOW, make_world, open_ticket


async def test_the_ticket_of_a_weak_feeder_names_the_voltage_and_all_that_hangs_on_it() -> None:
    world = await make_world()
    members = ("kemang-cam-01", "kemang-nvr")
    why = Evidence("vin_v", 10.4, 10.9, None, NOW - HOUR, note="The same trouble on 2 devices of the site.")
    opened = open_ticket(
        world, "F44", "", since=NOW - HOUR, site_id="kemang", members=members, rule="feeder-sags@1", evidence=why
    )
    ticket = await world.tickets.get(opened)
    assert ticket is not None
    assert (ticket.scope, ticket.site_id, ticket.devices) == ("site", "kemang", members)
    said = evidence_line(ticket, world.parts().knowledge).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "Supply voltage 10.4 V, limit 10.9 V"


async def test_a_release_that_harms_is_a_ticket_for_staff_and_about_no_customers_device() -> None:
    world = await make_world()
    releases = Releases()
    for number in range(60):
        releases.runs("lensa-d2", "", "2.4.1", NOW - 20 * DAY - number)
    for _ in range(4):
        releases.runs("lensa-d2", "2.4.1", "2.4.2", NOW - DAY)
    told = [
        releases.opened("lensa-d2", "2.4.2", NOW - DAY, "F31", device, device[:3], NOW)
        for device in (DEVICES[0].device_id, "two-cam-01", "six-cam-01")
    ]
    assert told[-1] is not None
    opened = world.tickets.apply(told[-1], lambda name: FAULTS[name].time_to_act_s, NOW).ticket_id
    ticket = await world.tickets.get(opened)
    assert ticket is not None
    assert (ticket.fault_class, ticket.customer_id, ticket.site_id, ticket.device_id) == ("F45", "", "", "")
    assert not any(concerns(ticket, device) for device in DEVICES)
    parts = world.parts()
    row = await row_of(ticket, Directory(parts.registry, parts.accounts, parts.clock), parts.knowledge, NOW)
    assert row.what == "lensa-d2 2.4.2"
    assert "F31 at 3 sites within 14 days of taking 2.4.2" in evidence_line(ticket, parts.knowledge)
