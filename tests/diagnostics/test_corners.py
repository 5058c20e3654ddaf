"""Corners of the fleet that only hostile or unlucky devices reach."""

from diagnostics.arrival import Sequence
from diagnostics.backtest import Replay, Stored
from diagnostics.catalogue import load_catalogue
from diagnostics.engine import Engine
from diagnostics.episodes import Episode, Outcome, Phase, Revision, advance, reconsider
from diagnostics.faults import load_faults
from diagnostics.fleet import Fleet
from diagnostics.forecast import Reach, recalibrated
from diagnostics.lint import lint
from diagnostics.places import Site
from diagnostics.rule_text import split
from diagnostics.sites import taken_together
from diagnostics.telemetry import Event, Report, Standing
from diagnostics.tracks import Block, Track
from tests.diagnostics.fleets import HOT, SILENT, T0, Play, camera, rules, site
from tests.diagnostics.test_kinds import ERRORS, FROZEN, PEER, REBOOTS, SIGNATURE, STATES, USUAL, WEAR, run_days


def test_an_old_boot_is_found_among_several():
    order = Sequence()
    for boot in (1, 2, 3):
        order.place(boot, 5, 100.0 * boot, 0.0)
    assert order.place(2, 4, 150.0, 0.0)[0] is Standing.LATE
    assert order.place(1, 4, 50.0, 0.0)[0] is Standing.LATE


def test_refilling_memory_with_another_number_of_tracks_begins_anew():
    old, new = (
        Block((Track("a", "mean", 86_400.0),)),
        Block((Track("a", "mean", 86_400.0), Track("b", "max", 86_400.0))),
    )
    old.roll(1e9)
    new.load(old.export(), wide=False)
    assert new.cycle == -1


def test_a_report_that_carries_only_some_metrics_moves_only_those():
    play = Play(ERRORS + USUAL + FROZEN + STATES)
    play.report(cpu_pct=20)
    play.report(fs_err_cnt=4)
    play.now += 7200
    play.report(cpu_pct=21, fs_err_cnt=4)
    assert play.told() == []


def test_a_value_against_its_usual_needs_a_sample():
    play = Play(USUAL)
    run_days(play, 5, lambda _: 1.0, "sharpness", 1)
    run_days(play, 0.3, lambda _: 0.5, "sharpness", 0.25)
    assert play.told() == ["opened device:cam:F11 warning"]


def test_a_rule_on_a_state_with_a_guard_on_a_metric_looks_hourly():
    play = Play(
        """
[[rule]]
name = "stuck-filter"
kind = "state"
state = "daynight"
one_of = ["night"]
severity = "warning"
fault_class = "F14"
when = [{ metric = "lux", above = 50 }]
"""
    )
    play.report(states={"daynight": "night"}, lux=1.0)
    play.now += 7200
    play.report(states={"daynight": "night"}, lux=900.0)
    assert play.told() == ["opened device:cam:F14 warning"]


def test_flapping_lengthens_the_hold_up_to_an_hour():
    [rule] = rules(HOT).rules
    episode = Episode(0.0)
    for number in range(120):
        advance(episode, rule, number * 60.0, 85.0 if number % 2 else 60.0)
    assert (episode.flapping, episode.hold_s) == (True, 3600.0)
    assert advance(episode, rule, 7300.0, 60.0) is Outcome.NOTHING
    assert episode.phase is Phase.RECOVERING


def test_only_one_site_in_sight_is_not_enough_to_see_again():
    fleet = [device for name in "abcdef" for device in site(name)]
    play = Play(SILENT, fleet)
    play.live(4200)
    play.wait(1800)
    assert play.fleet.blind_since() is not None
    for _ in range(60):
        for _ in range(30):
            play.report("a-cam0")
        play.wait(10)
    play.live(300, *[device.device_id for device in fleet if device.site_id != "a"])
    play.wait(30)
    assert play.told() == ["opened gateway:gateway:F40 critical"]


def test_a_recovering_fault_is_not_opened_when_its_reason_to_wait_ends():
    play = Play(HOT.replace("clear_samples = 1", "clear_samples = 9"))
    play.report(states={"maintenance": "on"}, soc_temp_c=85)
    play.report(states={}, soc_temp_c=60)
    assert play.told() == []
    play.report(soc_temp_c=85)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_time_that_stands_still_is_no_interval():
    play = Play(HOT)
    for seq in (1, 2, 3):
        play.send(Report("cam", 1, seq, play.now, play.now, {"soc_temp_c": 50.0}))
    play.send(Report("cam", 1, 4, play.now, play.now + 0.5, {"soc_temp_c": 50.0}))
    assert play.fleet.view("cam").received_at == play.now + 0.5


def test_a_restart_is_counted_by_no_rule_that_wants_another_reason():
    play = Play(REBOOTS + SIGNATURE)
    play.report(states={"reset_reason": "user"})
    play.reboot()
    play.report(states={"reset_reason": "user"})
    assert play.told() == []


def test_dates_are_widened_by_what_the_newest_days_say():
    whole = Reach(10.0, 16.0, 30.0)
    assert recalibrated(whole, Reach(5.0, 9.0, 12.0)) == Reach(4.0, 12.0, 46.5)
    assert recalibrated(whole, None) == Reach(8.0, 16.0, 46.5)


def test_text_is_english_unless_it_is_indonesian():
    fault = next(iter(load_faults().values()))
    assert fault.name.words("de") == fault.name.en
    assert load_catalogue().metric["poe_v"].words("id") == load_catalogue().metric["poe_v"].id


def test_a_cache_that_levels_off_is_no_leak():
    text = """
[[rule]]
name = "leak"
kind = "forecast"
metric = "mem_used_pct"
fault_class = "F22"
limit = 97
cycle_s = 21600
min_points = 6
max_points = 20
from_level = 68
no_plateau = true
steps = [{ severity = "warning", limit = 10 }]
"""
    cache, leak = Play(text), Play(text)
    for play in (cache, leak):
        run_days(play, 2, lambda _: 55.0, "mem_used_pct", 1)
    run_days(cache, 20, lambda day: 55 + 18 * (1 - 2.718 ** (-max(0.0, day - 2) / 2.5)), "mem_used_pct", 1)
    run_days(leak, 14, lambda day: 55 + 2 * (day - 2), "mem_used_pct", 1)
    assert cache.told() == []
    assert leak.told() == ["opened device:cam:F22 warning"]


def test_a_watched_rule_that_late_data_refutes_or_that_recovers_tells_nothing():
    play = Play(HOT.replace("clear_samples", "watch = true\nfor_s = 600\nclear_samples"))
    play.report(soc_temp_c=50)
    play.seq["cam"] = 2
    play.wait(300)
    start = play.now
    for _ in range(3):
        play.report(soc_temp_c=85)
        play.wait(300)
    play.send(Report("cam", 1, 2, start + 450, play.now, {"soc_temp_c": 60.0}))
    play.report(soc_temp_c=50)
    assert play.told() == []


def test_what_only_a_sample_can_judge_waits_for_the_next_one_while_it_fires():
    dates = (
        '[[rule]]\nname = "certificate"\nkind = "forecast"\nmetric = "cert_days_left"\nexact = true\n'
        'fault_class = "F35"\nclear_samples = 1\nsteps = [{ severity = "warning", limit = 30 }]\n'
    )
    blurred = "[[rule]]" + USUAL.split("[[rule]]")[1]
    play = Play(HOT + blurred + FROZEN + PEER + dates, [camera(f"cam{number}") for number in range(7)])
    for hour in range(24 * 6):
        play.now = T0 + 3600.0 * hour
        last = hour > 24 * 5
        for number in range(7):
            mine = number == 0 and last
            play.report(
                f"cam{number}",
                soc_temp_c=70.0 if mine else 50.0 + (hour % 5) / 10,
                sharpness=0.5 if mine else 1.0 + (hour % 7) / 100,
                poe_v=48.0 if number == 0 else 48.0 + (hour % 11) / 10,
                cert_days_left=20.0 if mine else 90.0 + (hour % 3),
            )
    told = set(play.told())
    assert {f"opened device:cam0:{name} warning" for name in ("F07", "F11", "F16", "F35", "F41")} <= told
    for said in ({"cpu_pct": 20.0}, {"soc_temp_c": 50.0, "sharpness": 1.0, "poe_v": 50.0, "cert_days_left": 20.0}):
        play.now += 60
        play.report("cam0", **said)
    assert set(play.told()) == told


def test_late_good_values_between_the_bad_ones_take_a_ticket_back_even_while_it_recovers():
    [rule] = rules(HOT.replace("clear_samples = 1", "clear_samples = 5\nmin_samples = 2")).rules
    episode = Episode(0.0)
    for at, value in ((60.0, 85.0), (180.0, 85.0), (240.0, 60.0)):
        advance(episode, rule, at, value)
    assert episode.phase is Phase.RECOVERING
    assert reconsider(episode, rule, 120.0, 60.0) is Revision.WITHDRAWN
    assert episode.phase is Phase.QUIET


def test_the_recovery_of_what_nobody_was_told_is_no_news():
    play = Play(HOT)
    play.report(soc_temp_c=85)
    memory = play.fleet._memories["cam"]
    memory.faults.clear()
    play.now += 60
    play.report(soc_temp_c=50)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_a_site_where_nobody_is_missing_has_nobody_gone_together():
    assert taken_together(Site("a"), {}, T0, patient=True) == []


def test_a_memory_with_dates_old_values_and_peers_comes_back_and_leaves_out_rules_that_are_gone():
    play = Play(WEAR + PEER, [camera(f"cam{number}") for number in range(6)])
    for day in range(12):
        play.now = T0 + 86_400.0 * day
        for number in range(6):
            play.report(f"cam{number}", sd_life_used_pct=75.0 + day, soc_temp_c=50.0)
    for number in range(6):
        play.now += 1
        play.report("cam0", **{f"strange_{number}": 1.0})
    kept = play.fleet.save("cam0")
    memory = play.fleet._memories["cam0"]
    assert memory.reaches is not None
    assert memory.older is not None
    again = Fleet(play.engine, play.devices, play.now)
    again.restore("cam0", kept)
    assert again.save("cam0") == kept
    fewer = Fleet(Engine(rules(WEAR), load_catalogue()), play.devices, play.now)
    fewer.restore("cam0", kept)
    assert fewer._memories["cam0"].peers is None


def test_two_forecasts_of_one_metric_share_its_past():
    play = Play(WEAR + WEAR.replace('"wear"', '"worn"'))
    play.report(sd_life_used_pct=60.0)
    assert [len(block.tracks) for block in play.fleet._memories["cam"].blocks] == [1]


def test_a_late_event_that_nobody_counts_changes_nothing():
    play = Play(
        '[[rule]]\nname = "knock"\nkind = "signature"\nspan_s = 600\nwindow_s = 3600\nfault_class = "F28"\n'
        'signs = [{ say = "knock", event = "video/tamper" }, { say = "restart", boot = true }]\n'
        'steps = [{ severity = "high", limit = 1 }]\n'
    )
    play.report(cpu_pct=20.0)
    play.seq["cam"] = 5
    play.report(cpu_pct=20.0)
    play.fleet.event(Event("cam", 1, 3, T0, T0, "video/tamper", {}))
    assert play.told() == []


def test_a_device_that_never_reported_is_forgotten_and_a_site_that_is_gone_is_not_restored():
    play = Play(HOT + SILENT, [*site("a"), *site("b")])
    play.live(600)
    play.live(400, *[device.device_id for device in site("a")])
    kept = play.fleet.save_shared()
    fewer = Fleet(play.engine, site("b"), play.now)
    fewer.restore_shared(kept)
    fewer.forget("b-cam0")
    assert (fewer.device_count, fewer.spoke_count) == (7, 0)
    assert list(fewer.tick(play.now)) == []


def test_two_limits_of_one_metric_on_one_side_do_not_overlap():
    two = rules(HOT + HOT.replace('"hot"', '"hotter"').replace("limit = 80", "limit = 85"))
    assert [problem for problem in lint(two, load_catalogue(), load_faults()) if "overlaps" in str(problem)] == []


def test_the_digest_of_a_rule_file_heeds_no_space_around_it():
    [one], [same] = (split(text) for text in (HOT, f"\n\n{HOT}\n\n"))
    assert one.sha256 == same.sha256


def test_a_ticket_that_gets_worse_while_history_is_replayed_is_still_one():
    replay = Replay(rules(HOT), load_catalogue(), [camera("cam")])
    replay.feed(Stored("cam", T0 + hour * 3600.0, {"soc_temp_c": value}, {}) for hour, value in enumerate((50, 85, 95)))
    assert [ticket.episodes for ticket in replay.tickets()] == [1]


def test_a_site_that_goes_leaves_the_one_that_has_its_turn_with_it():
    together = [camera("one", "site-1909"), camera("other", "site-2404")]  # equal in the part that decides on the turn
    play = Play(HOT, together)
    play.report("one", soc_temp_c=50.0)
    play.report("other", soc_temp_c=85.0)
    play.fleet.forget("one")
    play._keep(play.fleet.adopt(Engine(rules(SILENT), load_catalogue()), play.now))
    play.wait(30)
    assert play.told() == ["opened device:other:F07 warning", "withdrawn device:other:F07 warning"]


def test_the_same_rules_once_more_change_nothing():
    play = Play(HOT)
    play.report(soc_temp_c=85.0)
    play._keep(play.fleet.adopt(play.engine, play.now))
    play.wait(30)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_a_peer_keeps_its_place_among_its_peers_when_another_rule_joins():
    play = Play(PEER, [camera(f"cam{number}") for number in range(6)])
    for number in range(6):
        play.report(f"cam{number}", soc_temp_c=50.0 + number)
    busier = PEER.replace('"hotter"', '"busier"').replace("soc_temp_c", "cpu_pct")
    play._keep(play.fleet.adopt(Engine(rules(busier + PEER), load_catalogue()), play.now))
    play.wait(30)
    assert [play.fleet._memories[f"cam{number}"].peering("hotter")[0] for number in range(6)] == [
        50.0 + number for number in range(6)
    ]


def test_the_same_new_rules_twice_on_the_way_withdraw_what_is_gone_once():
    play = Play(HOT, [camera(f"cam-{number}", f"site-{number}") for number in range(8)])
    play.fleet._handover.a_tick = 1
    for number in range(8):
        play.report(f"cam-{number}", soc_temp_c=85.0)
    new = Engine(rules(SILENT), load_catalogue())
    for _ in range(2):
        play._keep(play.fleet.adopt(new, play.now))
    play.wait(170)
    assert sorted(words for words in play.told() if "withdrawn" in words) == [
        f"withdrawn device:cam-{number}:F07 warning" for number in range(8)
    ]
