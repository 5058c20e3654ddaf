"""Order, duplicates, clocks: nothing a device's clock says can move time or liveness."""

from hypothesis import given
from hypothesis import strategies as st

from diagnostics.arrival import DeviceClock, Sequence, Turn
from diagnostics.telemetry import Event, Presence, Report, Standing
from tests.diagnostics.fleets import HOT, T0, Play


def test_a_message_is_new_once_late_once_and_then_a_duplicate():
    order = Sequence()
    assert order.place(1, 1, None, T0) == (Standing.NEW, Turn.SAME_BOOT)
    assert order.place(1, 4, None, T0)[0] is Standing.NEW
    assert order.place(1, 2, None, T0)[0] is Standing.LATE
    assert order.place(1, 2, None, T0)[0] is Standing.DUPLICATE
    assert order.place(1, 3, None, T0)[0] is Standing.LATE
    assert order.holes == ()


@given(st.permutations(list(range(1, 25))), st.lists(st.integers(1, 24), max_size=20))
def test_each_message_counts_exactly_once_in_any_order(sent, repeated):
    order, taken = Sequence(), []
    for seq in [*sent, *repeated]:
        standing, _ = order.place(3, seq, None, T0)
        if standing is not Standing.DUPLICATE:
            taken.append(seq)
    assert sorted(taken) == list(range(1, 25))


def test_too_many_holes_are_forgotten_from_the_oldest():
    order = Sequence()
    for seq in range(1, 201, 2):
        order.place(1, seq, None, T0)
    assert len(order.holes) <= 32
    assert order.place(1, 2, None, T0)[0] is Standing.DUPLICATE
    assert order.place(1, 198, None, T0)[0] is Standing.LATE


def test_messages_of_an_earlier_boot_are_late_once():
    order = Sequence()
    order.place(1, 10, 100.0, T0)
    assert order.place(2, 1, 200.0, T0) == (Standing.NEW, Turn.BOOTED)
    assert order.place(1, 12, 110.0, T0)[0] is Standing.LATE
    assert order.place(1, 12, 110.0, T0)[0] is Standing.DUPLICATE
    assert order.place(1, 11, 105.0, T0)[0] is Standing.LATE
    assert order.place(1, 13, 105.0, T0)[0] is Standing.LATE
    assert order.boot == 2


def test_a_boot_that_falls_is_another_device_when_its_data_is_young():
    order = Sequence()
    order.place(50, 10, 1000.0, T0)
    assert order.place(3, 7, 1100.0, T0) == (Standing.NEW, Turn.FELL)
    assert (order.boot, order.seq, order.past) == (3, 7, ())


def test_a_known_boot_that_comes_back_young_is_a_fall_too():
    order = Sequence()
    order.place(1, 10, 100.0, T0)
    order.place(2, 1, 200.0, T0)
    assert order.place(1, 11, 300.0, T0) == (Standing.NEW, Turn.FELL)


def test_another_device_whose_numbers_were_all_seen_before_is_heard_at_once():
    order = Sequence()
    for seq in range(1, 50):
        order.place(1, seq, 100.0 + seq, T0)
    order.place(2, 1, 200.0, T0)
    assert order.place(1, 1, 300.0, T0) == (Standing.NEW, Turn.FELL)
    assert order.place(1, 2, 310.0, T0) == (Standing.NEW, Turn.SAME_BOOT)


def test_without_stamps_a_fallen_boot_is_believed_after_five_messages_and_a_minute():
    order = Sequence()
    order.place(50, 10, None, T0)
    for seq in range(1, 7):
        assert order.place(3, seq, None, T0 + 10 * seq) == (Standing.LATE, Turn.PAST)
    assert order.place(3, 7, None, T0 + 70) == (Standing.NEW, Turn.FELL)


def test_a_minute_is_waited_for_anew_when_our_own_clock_is_set_back_meanwhile():
    order = Sequence()
    order.place(50, 10, None, T0)
    for seq in range(1, 5):
        order.place(3, seq, None, T0 + 10 * seq)
    assert order.place(3, 5, None, T0 - 3600) == (Standing.LATE, Turn.PAST)
    assert order.place(3, 6, None, T0 - 3540) == (Standing.NEW, Turn.FELL)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 60), st.floats(0, 59)), min_size=5, max_size=80),
    st.sampled_from([None, 900.0]),
)
def test_what_a_device_catches_up_with_at_once_is_never_taken_for_another_device(burst, captured_at):
    order = Sequence()
    order.place(5, 10, 1000.0, T0)
    for boot, seq, after in sorted(burst, key=lambda message: message[2]):
        _, turn = order.place(boot, seq, captured_at, T0 + after)
        assert turn is not Turn.FELL
    assert (order.boot, order.seq) == (5, 10)
    assert order.place(5, 11, 1060.0, T0 + 60) == (Standing.NEW, Turn.SAME_BOOT)


def test_a_right_clock_is_believed_to_the_millisecond():
    clock = DeviceClock()
    assert clock.effective(T0 - 0.4, T0, 100.0) == T0 - 0.4
    assert clock.offset == 0
    assert clock.effective(None, T0 + 60, None) == T0 + 60


def test_a_clock_that_is_ahead_never_leads_into_the_future():
    clock = DeviceClock()
    for number in range(5):
        at = T0 + number * 60
        assert clock.effective(at + 3600, at, 100.0 + number * 60) <= at
    assert round(clock.offset) == -3600


def test_a_clock_that_is_behind_is_corrected_once_it_is_sure():
    clock = DeviceClock()
    times = [clock.effective(at - 500.0, at, at - T0) for at in (T0 + number * 60.0 for number in range(8))]
    assert times[0] == T0 - 500
    assert times[-1] == T0 + 420
    assert clock.of_late(T0 - 500.0, T0 + 900.0) == T0
    assert clock.of_late(None, T0) == T0


def test_a_burst_of_old_messages_does_not_look_like_a_wrong_clock():
    clock = DeviceClock()
    clock.effective(T0, T0 + 0.1, None)
    for number in range(100):
        sent = T0 + 60.0 + number * 60
        assert clock.effective(sent, T0 + 7000.0 + number / 100, None) == sent


def test_the_least_delay_of_some_time_ago_still_counts():
    clock = DeviceClock()
    for number in range(17):  # the delays grow: after sixteen the least of them is that of the window before
        at = T0 + 60.0 * number
        clock.effective(at - 500.0 - number, at, None)
    assert clock.least_before < clock.least
    assert clock.offset == clock.least_before == 500.0


def test_a_clock_that_is_set_while_running_is_noticed_by_the_uptime():
    clock = DeviceClock()
    for number in range(20):
        at = T0 + number * 60.0
        clock.effective(at - 0.1, at, number * 60.0)
    at = T0 + 1200.0
    assert clock.effective(at - 3600.1, at, 1200.0) >= at - 3600.1
    for number in range(21, 26):
        at = T0 + number * 60.0
        assert abs(clock.effective(at - 3600.1, at, number * 60.0) - at) < 0.2


def test_after_a_restart_what_was_learnt_of_the_clock_is_void():
    clock = DeviceClock()
    clock.effective(T0 + 100, T0, 50.0)
    clock.restarted()
    assert (clock.count, clock.started) == (0, None)


def test_a_dead_clock_does_not_move_time_back():
    play = Play(HOT)
    play.report(soc_temp_c=50)
    play.wait(60)
    report = Report("cam", 2, 1, 86_400.0, play.now, {"soc_temp_c": 50.0}, uptime_s=10.0)
    play.send(report)
    assert report.effective_at == play.now
    assert play.fleet.view("cam").effective_at == play.now


def test_a_first_report_from_1970_is_taken_at_its_receipt():
    play = Play(HOT)
    report = Report("cam", 1, 1, 100.0, play.now, {"soc_temp_c": 50.0})
    play.send(report)
    assert report.effective_at == play.now


def test_a_small_step_back_stays_where_time_is_but_for_a_millisecond():
    play = Play(HOT)
    play.send(Report("cam", 1, 1, play.now, play.now, {"soc_temp_c": 50.0}))
    report = Report("cam", 1, 2, play.now - 1.0, play.now + 1, {"soc_temp_c": 50.0})
    play.send(report)
    assert report.effective_at == play.now + 0.001


CLOCK = """
[[rule]]
name = "clock"
kind = "level"
fault_class = "F21"
metric = "seen_clock_offset_s"
clear_samples = 1
steps = [{ severity = "warning", limit = 2 }, { severity = "high", limit = 30 }]

[[rule]]
name = "swapped"
kind = "count"
fault_class = "F42"
of = "events"
topic = "boot/fell"
window_s = 3600
steps = [{ severity = "high", limit = 1 }]
"""


def test_a_wrong_clock_is_a_fault_of_its_own():
    play = Play(CLOCK)
    for number in range(6):
        play.send(Report("cam", 1, number + 1, play.now + 600, play.now, {"cpu_pct": 20.0}))
        play.wait(60)
    assert play.told() == ["opened device:cam:F21 high"]
    assert round(play.fleet.view("cam").clock_offset_s) == 600


def test_a_fallen_boot_is_an_event_that_rules_can_count():
    play = Play(CLOCK)
    play.send(Report("cam", 9, 5, play.now, play.now, {"cpu_pct": 20.0}))
    play.wait(60)
    play.send(Report("cam", 2, 5, play.now, play.now, {"cpu_pct": 20.0}))
    assert play.told() == ["opened device:cam:F42 high"]


def test_a_fallen_boot_shows_in_events_too():
    play = Play(CLOCK)
    play.fleet.event(Event("cam", 9, 5, play.now, play.now, "a/b", {}))
    play.wait(60)
    assert [change.fault_class for change in play.fleet.event(Event("cam", 2, 5, play.now, play.now, "a/b", {}))] == [
        "F42"
    ]
    assert play.fleet.event(Event("cam", 2, 5, play.now, play.now, "a/b", {})) == ()


def test_status_messages_of_an_older_boot_or_of_a_device_that_never_spoke_change_nothing():
    play = Play(HOT)
    play.fleet.presence(Presence("cam", 1, online=False, received_at=play.now))
    play.boot["cam"] = 5
    play.report(soc_temp_c=50)
    play.fleet.presence(Presence("cam", 4, online=False, received_at=play.now))
    assert play.fleet.view("cam").link.value == "online"


def test_reports_without_a_stamp_that_come_together_are_kept_apart():
    """Stores keep one value a device, metric and millisecond: two reports must not become one."""
    play = Play(HOT)
    times = []
    for seq in range(1, 6):
        report = Report("cam", 1, seq, None, play.now, {"soc_temp_c": 50.0})
        play.send(report)
        times.append(round(report.effective_at * 1000))
    assert times == list(range(times[0], times[0] + 5))
