"""Trouble that is not the device's own: explained by what it hangs on, shared by its site, or begun everywhere."""

from dataclasses import replace

from diagnostics.changes import ChangeKind, Severity
from diagnostics.shared_causes import Cause, Everywhere, SharedCauses
from tests.diagnostics.fleets import SILENT, T0, Play, camera, cameras

H = 3600.0
NOW = (T0, T0)
SAGS = """
[[rule]]
name = "sags"
fault_class = "F17"
kind = "level"
metric = "vin_v"
direction = "below"
clear_for_s = 7200
site_share_max = 0.5
site_class = "F44"
site_wait_s = 3600
steps = [{ severity = "warning", limit = 10.9, clear = 11.3 }, { severity = "high", limit = 9, clear = 9.5 }]
"""
EXPLAINED = """
[[rule]]
name = "short"
fault_class = "F43"
kind = "level"
metric = "poe_budget_pct"
site_share_max = 1.0
clear_samples = 1
steps = [{ severity = "warning", limit = 86, clear = 80 }]
[[rule]]
name = "low"
fault_class = "F16"
kind = "level"
metric = "poe_v"
direction = "below"
clear_samples = 1
explained_by = ["short"]
steps = [{ severity = "warning", limit = 44, clear = 45 }]
"""
PATIENT = """
[[rule]]
name = "pink"
fault_class = "F14"
kind = "level"
metric = "red_green_ratio"
clear_for_s = 600
clear_after_s = 7200
steps = [{ severity = "warning", limit = 1.25, clear = 1.2 }]
"""
CLOCK = """
[[rule]]
name = "clock"
fault_class = "F21"
kind = "level"
metric = "ntp_age_s"
clear_samples = 1
site_wait_s = 1800
steps = [{ severity = "warning", limit = 100 }]
"""


def dip(play: Play, *ill: str) -> None:
    """One round of reports in which some devices' supply gives way for a moment."""
    for device in play.devices:
        play.report(device.device_id, vin_v=10.5 if device.device_id in ill else 12.0)
    play.wait(60)


def calm(play: Play, seconds: float) -> None:
    play.live(seconds, vin_v=12.0)


def test_a_dip_of_one_device_waits_for_its_neighbours_and_then_is_its_own():
    play = Play(SAGS, cameras(4))
    dip(play, "site-0")
    calm(play, 0.9 * H)
    assert play.told() == []
    calm(play, 0.3 * H)
    assert play.told() == ["opened device:site-0:F17 warning"]
    calm(play, 2 * H)
    assert play.told()[1:] == ["recovered device:site-0:F17 warning"]


def test_dips_on_half_of_a_site_are_one_ticket_of_the_site_and_end_with_the_last():
    play = Play(SAGS, cameras(4))
    dip(play, "site-0")
    calm(play, 0.2 * H)
    dip(play, "site-2")
    calm(play, 1.5 * H)
    assert play.told() == ["opened site:site:F44 warning", "amended site:site:F44 warning"]
    assert play.seen[-1].devices == ("site-0", "site-2")
    why = play.seen[0].evidence
    assert (why.metric, why.value, why.limit) == ("vin_v", 10.5, 10.9)
    calm(play, 2 * H)
    assert play.told()[2:] == ["recovered site:site:F44 warning"]


def test_what_a_site_shares_gets_worse_with_the_worst_of_it_and_outlives_a_restart():
    shared = SharedCauses()
    cause = Cause(T0, "sags@1", Severity.WARNING, "vin_v")
    assert shared.join("s", "F44", "a", cause, NOW).kind is ChangeKind.OPENED
    worse = shared.join("s", "F44", "b", replace(cause, severity=Severity.HIGH, devices={}), NOW)
    assert (worse.kind, worse.severity) == (ChangeKind.RAISED, Severity.HIGH)
    assert shared.join("s", "F44", "b", cause, NOW) is None
    again = SharedCauses()
    again.load(shared.export())
    assert again.export() == shared.export()
    assert [change.kind for change in again.tick(T0)] == [ChangeKind.AMENDED]
    assert again.tick(T0) == []
    assert again.leave("s", "F44", "nobody", NOW) is None
    assert again.leave("s", "F44", "a", NOW) is None
    assert again.leave("s", "F44", "b", NOW).kind is ChangeKind.RECOVERED
    assert again.leave("s", "F44", "b", NOW) is None


def test_a_gateway_that_starts_again_goes_on_with_the_sites_ticket():
    play = Play(SAGS, cameras(4))
    dip(play, "site-0", "site-1")
    calm(play, 0.5 * H)
    again = Play(SAGS, cameras(4))
    again.fleet.restore_shared(play.fleet.save_shared())
    for device in play.devices:
        again.fleet.restore(device.device_id, play.fleet.save(device.device_id))
    again.now, again.seq = play.now, dict(play.seq)
    calm(again, 3 * H)
    assert play.told() == ["opened site:site:F44 warning", "amended site:site:F44 warning"]
    assert again.told() == ["recovered site:site:F44 warning"]


def test_a_device_that_is_no_longer_ours_ends_what_only_it_shared():
    shared = SharedCauses()
    shared.join("s", "F44", "a", Cause(T0, "sags@1", Severity.WARNING, "vin_v"), NOW)
    shared.forget("nobody")
    assert shared.tick(T0) == []
    shared.forget("a")
    assert [change.kind for change in shared.tick(T0)] == [ChangeKind.RECOVERED]
    assert shared.export() == []


def test_what_its_switch_explains_is_no_fault_of_the_camera():
    switch = camera("switch", kind="switch")
    play = Play(EXPLAINED, [switch, camera("cam", parent_id="switch"), camera("other", parent_id="nvr")])
    play.report("switch", poe_budget_pct=90)
    play.report("cam", poe_v=43)
    play.report("other", poe_v=43)
    assert play.told() == ["opened device:switch:F43 warning", "opened device:other:F16 warning"]
    play.wait(60)
    play.report("switch", poe_budget_pct=60)
    play.report("cam", poe_v=43)
    assert play.told()[2:] == ["recovered device:switch:F43 warning", "opened device:cam:F16 warning"]


def test_what_comes_and_goes_while_it_develops_is_not_cured_by_an_early_pause():
    play = Play(PATIENT)
    play.report(red_green_ratio=1.4)
    play.live(1.5 * H, red_green_ratio=1.0)
    assert play.told() == ["opened device:cam:F14 warning"]
    play.report(red_green_ratio=1.4)
    play.live(0.4 * H, red_green_ratio=1.0)
    assert play.told() == ["opened device:cam:F14 warning"]
    play.live(0.3 * H, red_green_ratio=1.0)
    assert play.told()[1:] == ["recovered device:cam:F14 warning"]


def test_what_begins_on_many_sites_at_once_is_nobodys_and_stays_untold_until_it_ends():
    play = Play(CLOCK, cameras(3, "a", "b", "c", "d"))
    play.live(3 * H, ntp_age_s=500.0)
    assert play.told() == []
    play.live(0.2 * H, ntp_age_s=10.0)
    assert play.told() == []
    play.live(1.0 * H, "a-0", ntp_age_s=10.0)
    play.now += 12 * H
    for _ in range(40):
        play.report("a-1", ntp_age_s=500.0)
        play.wait(60)
    assert play.told()[-1] == "opened device:a-1:F21 warning"


def test_many_is_ten_or_half_of_a_small_fleet_on_three_sites():
    book = Everywhere()
    for number in range(4):
        book.begins("r", f"s{number % 2}", T0)
    assert not book.has("r", T0, T0, 8)
    book.begins("r", "s2", T0 + H)
    assert not book.has("r", T0, T0 + 2 * H, 1000)
    assert book.has("r", T0, T0 + 2 * H, 8)
    assert not book.has("r", T0 + 24 * H, T0 + 24 * H, 8)
    assert not book.has("other", T0, T0, 8)
    again = Everywhere()
    again.load(book.export())
    assert again.has("r", T0, T0, 8)
    book.begins("r", "s9", T0 + 48 * H)
    assert len(book.export()["begun"]["r"]) == 1


def test_what_began_with_all_others_is_theirs_however_late_it_is_looked_at():
    book = Everywhere()
    for number in range(10):
        book.begins("r", f"s{number}", T0)
    assert book.has("r", T0, T0 + H, 100)
    again = Everywhere()
    again.load(book.export())
    for known in (book, again):
        assert known.has("r", T0 - 8 * H, T0 + 240 * H, 100)
        assert not known.has("r", T0 - 24 * H, T0 + 240 * H, 100)
        assert not known.has("r", T0 + 2 * H, T0 + 240 * H, 100)


def test_our_own_clock_set_wrong_or_right_again_is_no_silence_and_no_fault():
    play = Play(SILENT, cameras(2, "a", "b", "c", "d"))
    play.live(3 * H)
    for jump in (2 * H, -2 * H, 40 * H, -40 * H, -700.0, 700.0, 200.0, 120.0):
        play.now += jump
        play.wait(1)
        play.live(0.5 * H)
    assert play.told() == []


def test_a_rule_that_names_a_bad_release_warns_of_the_devices_that_have_not_crashed_yet():
    text = (
        '[[rule]]\nname = "bad-release"\nfault_class = "F31"\nkind = "state"\nstate = "firmware"\n'
        'one_of = ["2.4.12"]\nseverity = "high"\nclear_samples = 1\n'
    )
    play = Play(text, cameras(3))
    for device, firmware in (("site-0", "2.4.1"), ("site-1", "2.4.12"), ("site-2", "2.4.1")):
        play.report(device, firmware=firmware)
    assert play.told() == ["opened device:site-1:F31 high"]
    play.wait(60)
    play.reboot("site-1")
    play.report("site-1", firmware="2.4.13")
    assert play.told()[1:] == ["recovered device:site-1:F31 high"]


def test_what_ten_of_a_million_devices_begin_on_a_day_is_their_own():
    book = Everywhere()
    for number in range(12):
        book.begins("hot", f"site-{number}", T0)
    assert not book.has("hot", T0, T0, 1_000_000)
    assert book.has("hot", T0, T0, 10_000)
    book = Everywhere()
    for number in range(1000):
        book.begins("hot", f"site-{number}", T0)
    assert book.has("hot", T0, T0, 1_000_000)
