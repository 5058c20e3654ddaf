"""Our own clock set back is nobody's silence, and delays no verdict: everybody gets a full timeout from then on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.measures import SignatureProgress
from tests.diagnostics.fleets import HOT, SILENT, T0, Play, camera, rules, site
from tests.diagnostics.test_kinds import ERRORS, FROZEN, PEER, SIGNATURE, USUAL, WEAR

H = 3600.0
THREE = [*site("a"), *site("b"), *site("c")]


def set_back(by: float, *silent: str) -> Play:
    play = Play(SILENT, THREE)
    play.live(3 * H, *silent)
    play.now -= by
    play.wait(1, 1)
    return play


@pytest.mark.parametrize("by", [30.0, 120.0, 2 * H, 40 * H, 4000 * H])
def test_a_device_that_dies_after_the_clock_was_set_back_is_told_of_as_soon_as_ever(by):
    play = set_back(by)
    play.live(0.5 * H)
    assert play.told() == []
    died = play.now
    play.live(0.25 * H, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    assert play.seen[0].received_at - died < 600
    play.live(600)
    assert play.told()[1:] == ["recovered device:a-cam1:OFFLINE high"]


def test_a_device_that_died_with_the_jump_gets_a_full_timeout_and_is_told_of():
    play = set_back(2 * H)
    set_at = play.now
    play.live(0.5 * H, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    assert 150 < play.seen[0].received_at - set_at < 900


def test_a_silence_gets_worse_in_its_own_time_and_never_better_by_a_clock():
    play = Play(SILENT, THREE)
    play.live(3 * H)
    play.live(0.5 * H, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    play.now -= 2 * H
    play.live(3 * H, "a-cam1")
    assert play.told()[1:] == ["raised device:a-cam1:OFFLINE critical"]
    play.live(600)
    assert play.told()[2:] == ["recovered device:a-cam1:OFFLINE critical"]


def test_a_site_that_went_dark_before_the_jump_comes_back_after_it():
    dark = [device.device_id for device in site("a")]
    play = Play(SILENT, THREE)
    play.live(3 * H)
    play.live(0.5 * H, *dark)
    assert play.told() == ["opened site:a:F39 critical"]
    play.now -= 2 * H
    play.live(0.5 * H, *dark)
    assert len(play.told()) == 1
    play.live(0.5 * H)
    assert play.told()[1:] == ["recovered site:a:F39 critical"]


def test_a_site_that_goes_dark_after_the_jump_is_one_outage():
    play = set_back(2 * H)
    play.live(0.5 * H)
    play.live(0.5 * H, *(device.device_id for device in site("a")))
    assert play.told() == ["opened site:a:F39 critical"]


def test_a_silent_device_is_not_well_again_because_we_were_blind():
    play = Play(SILENT, THREE)
    play.live(3 * H)
    play.live(0.5 * H, "a-cam1")
    play._keep(play.fleet.ingest_lost(play.now))
    play.wait(600)
    play._keep(play.fleet.ingest_restored(play.now))
    play.live(3 * H, "a-cam1")
    told = [line for line in play.told() if "a-cam1" in line]
    assert told == ["opened device:a-cam1:OFFLINE high", "raised device:a-cam1:OFFLINE critical"]


@given(st.lists(st.tuples(st.sampled_from([60.0, 600.0, 3000.0]), st.floats(-1e5, -1.0)), max_size=6))
@settings(max_examples=15, deadline=None)
def test_however_often_the_clock_is_set_back_who_reports_is_not_silent(acts):
    play = Play(SILENT, THREE)
    play.live(2 * H)
    for seconds, jump in acts:
        play.now += jump
        play.live(seconds)
    assert play.told() == []


def test_a_restart_after_the_jump_changes_nothing():
    play = set_back(2 * H)
    other = set_back(2 * H)
    fresh = type(play.fleet)(play.engine, THREE, play.now)
    fresh.restore_shared(other.fleet.save_shared())
    for device in THREE:
        fresh.restore(device.device_id, other.fleet.save(device.device_id))
    other.fleet = fresh
    for one in (play, other):
        one.live(0.5 * H, "a-cam1")
    assert [change.received_at for change in play.seen] == [change.received_at for change in other.seen]
    assert len(play.seen) == 1


@pytest.mark.parametrize("jump", [40.0, 120.0, 200.0, 280.0, 320.0])
def test_a_clock_set_forward_by_minutes_is_no_outage_of_ours_and_nobodys_silence(jump):
    play = Play(SILENT, THREE)
    play.live(3 * H)
    play.now += jump
    play.live(0.5 * H)
    assert play.told() == []


@pytest.mark.parametrize("by", [120.0, 2 * H, 40 * H, 4000 * H])
def test_a_trouble_that_has_to_last_is_told_as_soon_as_ever_after_the_clock_was_set_back(by):
    play = Play(HOT.replace("clear_samples", "for_s = 1800\nclear_samples"))
    play.live(3 * H, soc_temp_c=50)
    play.now -= by
    play.live(H, soc_temp_c=50)
    began = play.now
    play.live(H, soc_temp_c=85)
    assert play.told() == ["opened device:cam:F07 warning"]
    assert 1800 <= play.seen[0].at - began < 2000
    play.live(H, soc_temp_c=50)
    assert play.told()[1:] == ["recovered device:cam:F07 warning"]


def test_a_trouble_goes_on_where_it_was_when_the_clock_is_set_back():
    play = Play(HOT.replace("clear_samples", "for_s = 3600\nclear_samples"))
    play.live(3 * H, soc_temp_c=50)
    play.live(0.5 * H, soc_temp_c=85)
    play.now -= 40 * H
    began = play.now
    play.live(H, soc_temp_c=85)
    assert play.told() == ["opened device:cam:F07 warning"]
    assert 0.4 * H < play.seen[0].at - began < 0.6 * H
    assert play.seen[0].evidence.since < began


def test_all_that_is_remembered_moves_back_with_our_clock_and_is_saved_so():
    text = HOT + ERRORS + USUAL + WEAR + SIGNATURE + PEER + FROZEN
    plays = [Play(text, [camera(f"cam{number}") for number in range(6)], every_s=900) for _ in range(2)]
    for jump, play in zip((0.0, 100 * H), plays, strict=True):
        for day in range(12):
            play.now = T0 + 24 * H * day
            for place, device in enumerate(play.devices):
                values = {"soc_temp_c": 50.0 + place, "sd_life_used_pct": 70.0 + 2 * day, "cpu_pct": 20.0}
                if day < 3:
                    values["lux"] = 5.0
                play.report(device.device_id, **values, fs_err_cnt=float(day))
        play.reboot("cam0")
        play.event("video/tamper", "cam1")
        play.now -= jump
        for step in range(8):
            play.now += 900
            for device in play.devices:
                play.report(device.device_id, soc_temp_c=50.0, sd_life_used_pct=94.0, cpu_pct=20.0, fs_err_cnt=12.0)
            if step == 3:
                kept = [play.fleet.save(device.device_id) for device in play.devices]
                for device, memory in zip(play.devices, kept, strict=True):
                    play.fleet.forget(device.device_id)
                    play.fleet.register(device)
                    play.fleet.restore(device.device_id, memory)
    calm, jumped = plays
    assert jumped.told() == calm.told()
    for device in calm.devices:
        there, here = (play.fleet._memories[device.device_id] for play in plays)
        assert 99 * H < there.effective_at - here.effective_at < 125 * H
        assert all(episode.since <= here.effective_at for episode in here.active.values())
        assert all(recent.at <= here.effective_at for recent in here.recent)


def test_what_is_open_and_what_has_begun_moves_back_too():
    play = Play(HOT + SIGNATURE + ERRORS + WEAR, every_s=900)
    for day in range(20):
        play.now = T0 + 24 * H * day
        play.report(sd_life_used_pct=60.0 + 2 * day, soc_temp_c=50.0, fs_err_cnt=0.0)
    play.report(soc_temp_c=85.0, sd_write_p99_ms=5000.0, fs_err_cnt=9.0)
    memory = play.fleet._memories["cam"]
    signs = rules(SIGNATURE).rules[0]
    memory.signs = {signs.name: SignatureProgress([None, memory.effective_at], [None, memory.effective_at], [T0])}
    memory.older = {"lux": (memory.effective_at, 5.0)}
    assert memory.faults and memory.reaches and memory.windows
    since = {name: fault.since for name, fault in memory.faults.items()}
    dates = dict(memory.reaches)
    play.now -= 50 * H
    play.report(soc_temp_c=85.0)
    assert all(45 * H < since[name] - fault.since < 80 * H for name, fault in memory.faults.items())
    assert all(45 * H < dates[name][0] - memory.reaches[name][0] < 80 * H for name in dates)
    assert all(at <= memory.effective_at for rows in memory.windows.values() for at, _ in rows)
    progress = memory.signs[signs.name]
    assert progress.began[1] == progress.came[1] <= memory.effective_at
    assert progress.complete[0] < T0
    assert memory.older["lux"][0] <= memory.effective_at
