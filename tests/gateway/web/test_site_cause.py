"""A trouble that a whole site shares, as staff see it."""

from diagnostics.changes import Evidence
from gateway.web.queue import evidence_line
from tests.gateway.web.world import HOUR, NOW, make_world, open_ticket


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
