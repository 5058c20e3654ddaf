"""One outage is one ticket, our own is none, and who comes back proves itself."""

from dataclasses import replace

from diagnostics.changes import ChangeKind, Scope
from diagnostics.views import Link
from tests.diagnostics.fleets import HOT, SILENT, Play, camera, site

FLEET = [*site("a"), *site("b"), *site("c"), *site("d")]
SITE_A = [device.device_id for device in FLEET if device.site_id == "a"]


def alive(text: str = SILENT) -> Play:
    play = Play(text, FLEET)
    play.live(600)
    return play


def test_one_silent_device_is_offline_after_its_timeout_not_before_and_not_later():
    play = alive()
    stopped = play.fleet.view("a-cam1").received_at
    play.live(600, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    assert 180 <= play.seen[0].received_at - stopped <= 195
    assert play.fleet.view("a-cam1").link is Link.OFFLINE
    assert (play.fleet.offline_count, play.fleet.device_count, play.fleet.spoke_count) == (1, len(FLEET), len(FLEET))


def test_a_report_brings_it_back():
    play = alive()
    play.live(600, "a-cam1")
    play.live(120)
    assert play.told() == ["opened device:a-cam1:OFFLINE high", "recovered device:a-cam1:OFFLINE high"]
    assert play.fleet.offline_count == 0


def test_silence_gets_worse_with_time_once():
    play = alive()
    play.live(5000, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high", "raised device:a-cam1:OFFLINE critical"]
    play.live(120)
    play.live(400, "a-cam1")
    assert play.told()[2:] == ["recovered device:a-cam1:OFFLINE critical", "opened device:a-cam1:OFFLINE high"]


LATER = SILENT.replace("limit = 1 }", "limit = 3 }")


def test_a_rule_that_waits_for_three_timeouts_opens_after_three():
    play = alive(LATER)
    stopped = play.fleet.view("a-cam1").received_at
    play.live(480, "a-cam1")
    assert play.told() == []
    play.live(600, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    assert 540 <= play.seen[0].received_at - stopped <= 555
    play.live(120)
    assert play.told()[1:] == ["recovered device:a-cam1:OFFLINE high"]


def test_who_falls_silent_with_its_site_opens_nothing_of_its_own_after_three_timeouts():
    play = alive(LATER)
    play.live(1800, *SITE_A)
    assert play.told() == ["opened site:a:F39 critical"]
    play.live(240, "a-cam1")
    assert play.told()[1:] == ["recovered site:a:F39 critical", "opened device:a-cam1:OFFLINE high"]
    assert play.seen[-1].parent == "a"


def test_who_has_to_prove_itself_is_given_that_time_whatever_step_of_its_silence_comes_meanwhile():
    play = alive(LATER)
    play.live(420, *SITE_A)
    play.live(120, "a-cam1")
    assert play.told() == ["opened site:a:F39 critical", "recovered site:a:F39 critical"]
    play.live(60, "a-cam1")
    assert play.told()[2:] == []
    play.live(240, "a-cam1")
    assert play.told()[2:] == ["opened device:a-cam1:OFFLINE high"]
    assert play.seen[-1].parent == "a"


def test_a_device_that_never_reported_is_never_offline():
    play = Play(SILENT, FLEET)
    play.wait(86_400, 3600)
    assert play.told() == []


def test_a_site_without_power_is_one_ticket():
    play = alive()
    play.live(1200, *SITE_A)
    assert play.told() == ["opened site:a:F39 critical"]
    assert set(play.seen[0].devices) == set(SITE_A)
    play.live(600)
    assert play.told() == ["opened site:a:F39 critical", "recovered site:a:F39 critical"]


def test_last_wills_together_tell_of_an_outage_within_a_minute():
    play = alive()
    for device_id in SITE_A:
        play.will(device_id)
    play.live(60, *SITE_A)
    assert play.told() == ["opened site:a:F39 critical"]
    play.live(1200, *SITE_A)
    play.live(300)
    assert play.told() == ["opened site:a:F39 critical", "recovered site:a:F39 critical"]


def test_last_wills_of_devices_whose_silence_is_known_tell_of_no_outage():
    """A broker that was held up delivers them hours after the cameras went, one by one, for reasons of their own."""
    play, gone = alive(), [f"a-cam{number}" for number in range(5)]
    for number in range(1, 6):
        play.live(540, *gone[:number])
    told = play.told()
    assert sorted(told) == [f"opened device:{name}:OFFLINE high" for name in gone]
    for name in gone:
        play.will(name)
    play.live(300, *gone)
    assert play.told() == told


def test_a_restart_during_an_outage_goes_on_with_it():
    play = alive()
    play.live(900, *SITE_A)
    again = Play(SILENT, FLEET)
    again.fleet.restore_shared(play.fleet.save_shared())
    for device in FLEET:
        again.fleet.restore(device.device_id, play.fleet.save(device.device_id))
    again.now, again.seq = play.now, dict(play.seq)
    assert play.told() == ["opened site:a:F39 critical"]
    for one in (play, again):
        one.live(900, "a-cam3")
    assert again.seen == play.seen[1:]
    assert again.told() == ["recovered site:a:F39 critical", "opened device:a-cam3:OFFLINE high"]


def test_last_wills_of_all_sites_at_once_prove_nothing():
    play = alive()
    for device in FLEET:
        play.will(device.device_id)
    play.wait(120)
    assert play.told() == []


def test_who_does_not_come_back_after_the_outage_gets_a_ticket_linked_to_it():
    play = alive()
    play.live(900, *SITE_A)
    play.live(900, "a-cam3")
    assert play.told() == [
        "opened site:a:F39 critical",
        "recovered site:a:F39 critical",
        "opened device:a-cam3:OFFLINE high",
    ]
    assert play.seen[-1].parent == "a"


def test_a_second_outage_before_the_proof_explains_the_silence_again():
    play = alive()
    play.live(900, *SITE_A)
    play.live(60, "a-cam3")
    play.live(900, *SITE_A)
    assert [word for word in play.told() if "OFFLINE" in word] == []


def test_a_device_that_falls_silent_during_the_outage_joins_it():
    play = alive()
    last = "a-cam4"
    play.live(600, *[device_id for device_id in SITE_A if device_id != last])
    play.live(600, *SITE_A)
    assert play.told() == ["opened site:a:F39 critical", "amended site:a:F39 critical"]
    assert last in play.seen[-1].devices


def test_a_silent_recorder_explains_its_silent_cameras():
    behind = ("a-nvr", "a-cam0", "a-cam1")
    play = alive()
    play.live(900, *behind)
    assert play.told() == ["opened device:a-nvr:OFFLINE high"]
    play.live(600, "a-cam1")
    assert play.told() == [
        "opened device:a-nvr:OFFLINE high",
        "recovered device:a-nvr:OFFLINE high",
        "opened device:a-cam1:OFFLINE high",
    ]
    assert play.seen[-1].parent == "a-nvr"


def test_a_child_that_times_out_first_waits_for_its_parents_timeout():
    play = alive()
    play.now += 30
    for device in FLEET:
        if device.device_id != "a-cam0":
            play.report(device.device_id)
    play.live(600, "a-cam0", "a-nvr")
    assert [change.scope_id for change in play.seen] == ["a-nvr"]


def test_a_router_that_is_silent_alone_is_its_own_fault():
    play = alive()
    play.live(900, "a-router")
    assert play.told() == ["opened device:a-router:OFFLINE high"]


def test_when_we_hear_nobody_the_trouble_is_ours():
    play = alive()
    play.live(3600)
    play.wait(1800)
    assert play.told() == ["opened gateway:gateway:F40 critical"]
    assert play.fleet.blind_since() is not None
    play.live(900)
    assert play.told() == ["opened gateway:gateway:F40 critical", "recovered gateway:gateway:F40 critical"]
    assert play.fleet.blind_since() is None


def test_who_stays_away_after_our_outage_is_judged_by_a_full_timeout():
    play = alive()
    play.live(3600)
    play.wait(1800)
    play.live(900, "b-cam2")
    assert play.told()[-1] == "opened device:b-cam2:OFFLINE high"


def test_the_gateway_may_say_that_it_cannot_hear():
    play = alive()
    assert [change.scope for change in play.fleet.ingest_lost(play.now)] == [Scope.GATEWAY]
    assert play.fleet.ingest_lost(play.now) == ()
    play.wait(3600)
    assert play.told() == []
    assert [change.kind for change in play.fleet.ingest_restored(play.now)] == [ChangeKind.RECOVERED]
    assert play.fleet.ingest_restored(play.now) == ()
    play.live(600)
    assert play.told() == []


def test_a_gateway_that_was_away_itself_blames_nobody():
    play = alive()
    play.now += 7200
    play.live(600)
    assert play.told() == []


def test_an_expected_restart_and_its_silence_are_no_news():
    play = Play(SILENT + HOT + REBOOTS, FLEET)
    play.live(600)
    play.fleet.expect("a-cam1", play.now + 900)
    play.fleet.expect("nobody", play.now)
    play.live(600, "a-cam1")
    play.reboot("a-cam1")
    play.live(240)
    assert play.told() == []
    play.live(900, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]


REBOOTS = """
[[rule]]
name = "reboots"
kind = "count"
of = "boots"
fault_class = "F31"
window_s = 3600
steps = [{ severity = "warning", limit = 1 }]
"""


def test_a_fault_that_outlasts_the_expected_time_opens_then():
    play = Play(HOT, FLEET)
    play.live(120)
    play.fleet.expect("a-cam1", play.now + 600)
    play.report("a-cam1", soc_temp_c=85)
    assert play.told() == []
    play.live(660, "a-cam1")
    play.report("a-cam1", soc_temp_c=85)
    assert play.told() == ["opened device:a-cam1:F07 warning"]


def test_maintenance_holds_openings_and_silence():
    play = Play(SILENT + HOT, FLEET)
    play.live(300)
    play.report("a-cam1", states={"maintenance": "on"}, soc_temp_c=85)
    play.live(3600, "a-cam1")
    assert play.told() == []
    assert play.fleet.view("a-cam1").episodes[0].held_by == "maintenance"
    play.report("a-cam1", soc_temp_c=60)
    assert play.told() == []
    play.live(600)
    assert play.told() == []


def test_who_speaks_after_silent_maintenance_is_not_called_offline_because_of_it():
    play = alive(SILENT.replace("clear_samples = 1", "clear_samples = 3"))
    play.report("a-cam1", states={"maintenance": "on"})
    play.live(9000, "a-cam1")
    play.report("a-cam1", states={"maintenance": "off"})
    assert play.told() == []
    play.live(400)
    assert play.told() == []


def test_the_same_trouble_all_over_the_site_is_not_the_devices():
    play = Play(HOT.replace("clear_samples", "for_s = 300\nsite_share_max = 0.6\nclear_samples"), FLEET)
    play.live(600, soc_temp_c=85)
    assert play.told() == []
    assert play.fleet.view("a-cam1").episodes[0].held_by == "site-wide"
    for _ in range(3):
        for device in FLEET:
            play.report(device.device_id, soc_temp_c=85 if device.device_id == "a-cam1" else 60)
        play.wait(60)
    assert play.told() == ["opened device:a-cam1:F07 warning"]


def test_a_storm_of_one_class_becomes_one_incident_with_a_list():
    many = [camera(f"cam{number}", f"s{number}") for number in range(40)]
    play = Play(HOT, many)
    for device in many:
        play.report(device.device_id, soc_temp_c=50)
    for device in many:
        play.report(device.device_id, soc_temp_c=85)
    play.wait(30)
    scopes = [change.scope for change in play.seen if change.kind is ChangeKind.OPENED]
    assert (scopes.count(Scope.DEVICE), scopes.count(Scope.FLEET)) == (10, 1)
    told = [change for change in play.seen if change.scope is Scope.FLEET]
    assert (told[-1].kind, len(told[-1].devices)) == (ChangeKind.AMENDED, 30)
    for device in many:
        play.report(device.device_id, soc_temp_c=60)
    assert play.told().count("recovered fleet:fleet:F07 warning") == 1
    assert sum(word.startswith("recovered device") for word in play.told()) == 10


def test_a_storm_that_is_long_over_collects_no_more_devices():
    many = [camera(f"cam{number}", f"s{number}") for number in range(40)]
    play = Play(HOT, many)
    for device in many[:30]:
        play.report(device.device_id, soc_temp_c=85)
    play.wait(7200, 60)
    play.report("cam35", soc_temp_c=85)
    assert play.told()[-1] == "opened device:cam35:F07 warning"


def test_a_forgotten_device_leaves_nothing_behind():
    play = alive(SILENT + HOT.replace("clear_samples", "site_share_max = 0.9\nclear_samples"))
    play.report("a-cam1", soc_temp_c=85)
    play.live(600, "a-cam2")
    for device in FLEET[:8]:
        play.fleet.forget(device.device_id)
    play.fleet.forget("nobody")
    play.wait(600)
    assert play.fleet.view("a-cam1") is None
    assert play.fleet.device_count == len(FLEET) - 8
    assert play.fleet.offline_count == 0


def test_registering_again_keeps_what_is_known_of_a_device():
    play = alive()
    before = play.fleet.view("a-cam1")
    play.fleet.register(before.device)
    play.fleet.register(replace(before.device, site_id="b", parent_id="b-nvr"))
    after = play.fleet.view("a-cam1")
    assert (after.received_at, after.device.site_id) == (before.received_at, "b")
    play.live(600, *SITE_A)
    assert [word for word in play.told() if word.startswith("opened")] == [
        "opened site:a:F39 critical",
        "opened device:a-cam1:OFFLINE high",
    ]
