"""In which state a customer sees a device."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from diagnostics.changes import Evidence, Severity
from gateway.ports.live import DeviceView, Liveness
from gateway.ports.registry import RegisteredDevice
from gateway.tickets.ticket import CloseCode, State, Ticket, WaitingFor
from gateway.web.standing import NEEDS_CUSTOMER, ORDER, Judged, Standing, concerns, judge, ordered
from gateway.web.updates import UpdateView

NOW = 1_795_244_700.0
CAMERA = RegisteredDevice("cam-1", "Till", "camera", "CAM-4K", "shop")
ONLINE = DeviceView("cam-1", Liveness.ONLINE, NOW - 20, NOW - 20, 3)
TICKET = Ticket(
    "t1", "SG-1", "device:cam-1:F01", "device", "cam-1", "cam-1", "shop", "c1", "F01", Severity.WARNING, State.NEW,
    "r@1", False, NOW - 3600, NOW - 3600, 1, 1, Evidence("", None, None, None, NOW - 7200), None, NOW + 3600,
)  # fmt: skip
INSTALLING = UpdateView("r", "2.5", "installing", True, NOW - 60)


def see(view=ONLINE, tickets=(), update=None, *, blind=None, self_repair=False) -> Judged:
    return judge(
        CAMERA, view, tickets, update, NOW, blind_since=blind, watch_s=86_400, self_repair=lambda _: self_repair
    )


def test_a_device_that_reports_and_has_no_ticket_works_normally() -> None:
    assert see().standing is Standing.OK
    assert see().since == NOW - 20


def test_each_kind_of_ticket_has_its_own_state() -> None:
    cases = {
        Standing.US: TICKET,
        Standing.US_WAIT: replace(TICKET, state=State.PENDING, waiting_for=WaitingFor.CUSTOMER),
        Standing.ADVISORY: replace(TICKET, advisory=True),
        Standing.AREA: replace(TICKET, scope="site", device_id="", devices=("cam-1", "cam-2")),
    }
    for standing, ticket in cases.items():
        assert see(tickets=[ticket]).standing is standing


def test_a_fault_the_customer_can_repair_needs_the_customer_until_somebody_takes_it() -> None:
    assert see(tickets=[TICKET], self_repair=True).standing is Standing.YOU
    taken = replace(TICKET, state=State.OPEN, owner="sari")
    assert see(tickets=[taken], self_repair=True).standing is Standing.US


def test_of_several_tickets_the_one_that_needs_the_customer_speaks() -> None:
    asking = replace(TICKET, ticket_id="t2", state=State.PENDING, waiting_for=WaitingFor.CUSTOMER)
    worse = replace(TICKET, ticket_id="t3", severity=Severity.CRITICAL)
    judged = see(tickets=[TICKET, worse, asking])
    assert judged.ticket is asking
    assert see(tickets=[TICKET, worse]).ticket is worse


def test_a_silent_device_without_a_ticket_is_one_we_cannot_reach() -> None:
    silent = replace(ONLINE, liveness=Liveness.OFFLINE, received_at=NOW - 600)
    assert see(silent).standing is Standing.AWAY
    assert see(silent, [TICKET]).standing is Standing.US, "with a ticket, the ticket speaks"


def test_a_device_that_is_being_updated_is_updating_even_while_it_is_silent() -> None:
    silent = replace(ONLINE, liveness=Liveness.OFFLINE)
    assert see(silent, update=INSTALLING).standing is Standing.UPD
    assert see(update=replace(INSTALLING, at_risk=False)).standing is Standing.OK


def test_a_solved_ticket_is_watched_for_a_day() -> None:
    fixed = replace(TICKET, state=State.SOLVED, solved_at=NOW - 3600, close_code=CloseCode.FIXED_REMOTELY)
    earlier = replace(fixed, ticket_id="t0", solved_at=NOW - 7200)
    assert see(tickets=[earlier, fixed]).standing is Standing.WATCH
    assert see(tickets=[earlier, fixed]).ticket is fixed
    assert see(tickets=[replace(fixed, solved_at=NOW - 90_000)]).standing is Standing.OK


def test_our_own_blindness_makes_states_unknown_and_never_away() -> None:
    silent = replace(ONLINE, liveness=Liveness.OFFLINE)
    assert see(silent, blind=NOW - 60).standing is Standing.UNKNOWN


def test_what_never_reported_waits_for_its_first_report() -> None:
    assert see(DeviceView("cam-1", Liveness.NEVER)).standing is Standing.NEW
    assert see(None).standing is Standing.UNKNOWN


def test_a_device_that_is_late_but_not_yet_offline_is_not_called_well() -> None:
    assert see(replace(ONLINE, received_at=NOW - 5 * 180)).standing is Standing.UNKNOWN


def test_a_site_ticket_without_a_list_concerns_every_device_of_the_site() -> None:
    outage = replace(TICKET, scope="site", device_id="", devices=())
    assert concerns(outage, CAMERA)
    assert not concerns(outage, replace(CAMERA, site_id="other"))
    assert not concerns(replace(outage, devices=("cam-9",)), CAMERA)


@given(st.lists(st.sampled_from(ORDER), max_size=20))
def test_whoever_has_to_act_stands_first(states) -> None:
    devices = [replace(CAMERA, device_id=f"d{place}", name=f"n{place}") for place in range(len(states))]
    page = ordered([Judged(device, state, None) for device, state in zip(devices, states, strict=True)])
    ranks = [ORDER.index(it.standing) for it in page]
    assert ranks == sorted(ranks)
    assert len(page) == len(states)
    assert set(ORDER[:5]) >= NEEDS_CUSTOMER
