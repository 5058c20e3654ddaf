"""What the health gate remembers: episodes and metrics of watched devices, before and after each one's own update."""

from firmware_updates.gate import Verdict, judge
from firmware_updates.health import EPISODES, HOUR_S, STEP_S, STEPS, WATCHED, HealthDiary

DAY = 24 * HOUR_S
UPDATED = 10 * DAY


def told(diary, device, until, metric="mem_used_pct", before=50.0, after=50.0, updated=UPDATED):
    at = updated - DAY
    while at < until:
        diary.sample(device, at, {metric: before if at < updated else after, "unknown_metric": 1.0})
        at += HOUR_S


def test_episodes_count_from_each_devices_own_update_on_so_its_reboot_and_silence_are_not_among_them():
    diary = HealthDiary()
    for at, device, fault in ((10.0, "a", "F1"), (20.0, "b", "F1"), (30.0, "a", "F2"), (40.0, "c", "F1")):
        diary.note(at, device, fault)
    seen = diary.cohort({"a": 15.0, "b": 20.0}, 15.0 + HOUR_S)
    assert dict(seen.counts) == {"F1": 1, "F2": 1}
    assert seen.device_hours == (2 * HOUR_S - 5) / HOUR_S
    assert dict(diary.cohort({"a": 0.0}, 30.0).counts) == {"F1": 1}


def test_the_oldest_episodes_are_forgotten_first():
    diary = HealthDiary()
    diary.note(1.0, "a", "F1")
    for number in range(EPISODES):
        diary.note(100.0 + number, "z", "F9")
    seen = diary.cohort({"a": 0.0, "z": 0.0}, 1e9).counts
    assert "F1" not in seen
    assert seen["F9"] >= EPISODES * 0.8


def test_metrics_are_turned_so_that_more_is_worse_in_units_of_what_matters():
    diary = HealthDiary()
    diary.watch(["leaks", "slows", "same", "silent"])
    told(diary, "leaks", UPDATED + DAY, after=66.0)
    told(diary, "slows", UPDATED + DAY, "fps_actual", 25.0, 20.0)
    told(diary, "same", UPDATED + DAY)
    seen = diary.cohort(dict.fromkeys(("leaks", "slows", "same", "silent"), UPDATED), UPDATED + DAY)
    assert seen.worsening == {"mem_used_pct": (2.0, 0.0), "fps_actual": (2.0,)}


def test_a_device_that_nobody_watched_before_its_update_says_nothing_about_it():
    diary = HealthDiary()
    told(diary, "cam", UPDATED, after=90.0)  # not watched yet
    diary.watch(["cam"])
    told(diary, "cam", UPDATED + DAY, after=90.0, updated=UPDATED + DAY)
    assert diary.cohort({"cam": UPDATED}, UPDATED + DAY).worsening == {}
    diary.watch(["other"])
    diary.watch(["cam"])
    assert diary.cohort({"cam": UPDATED}, UPDATED + DAY).worsening == {}, "forgotten with the end of its rollout"


def test_what_is_remembered_of_a_device_and_of_the_fleet_is_bounded():
    diary = HealthDiary()
    diary.watch(f"cam-{number}" for number in range(WATCHED + 5))
    diary.sample(f"cam-{WATCHED + 1}", UPDATED, {"cpu_pct": 1.0})
    assert diary.cohort({f"cam-{WATCHED + 1}": UPDATED}, UPDATED + DAY).worsening == {}
    end = UPDATED + 3 * STEPS * STEP_S
    told(diary, "cam-1", end, after=90.0)
    assert diary.cohort({"cam-1": UPDATED}, end).worsening == {}, "its day before is no longer kept"
    diary.sample("cam-1", UPDATED, {"mem_used_pct": 5.0})  # comes far too late
    before = diary.cohort({"cam-1": end - DAY}, end).worsening
    assert before == {"mem_used_pct": (0.0,)}


def test_a_leak_without_any_episode_stops_a_wave_and_a_leak_on_a_few_does_too():
    for bad in (400, 30):
        diary = HealthDiary()
        names = [f"new-{number}" for number in range(400)], [f"old-{number}" for number in range(300)]
        diary.watch(name for side in names for name in side)
        for number, name in enumerate(names[0]):
            told(diary, name, UPDATED + DAY, after=66.0 if number < bad else 50.0)
        for name in names[1]:
            told(diary, name, UPDATED + DAY)
        sides = (diary.cohort(dict.fromkeys(side, UPDATED), UPDATED + DAY) for side in names)
        verdict, findings = judge(*sides)
        assert verdict is Verdict.WORSE
        assert findings[0].name == ("mem_used_pct" if bad == 400 else "mem_used_pct on some")


def test_samples_are_wanted_of_watched_devices_alone():
    diary = HealthDiary()
    assert not diary.watched
    diary.watch(["cam"])
    assert set(diary.watched) == {"cam"}


def another_life(diary: HealthDiary) -> HealthDiary:
    """The diary of a gateway that was started again."""
    again = HealthDiary()
    for key in ("*", "leaks", "same"):
        if (row := diary.row(key)) is not None:
            again.load(key, row)
    return again


def test_after_a_restart_the_gate_sees_what_it_saw_before():
    diary = HealthDiary()
    diary.watch(["leaks", "same"])
    diary.note(UPDATED + 60, "leaks", "F22")
    told(diary, "leaks", UPDATED + DAY, after=66.0)
    told(diary, "same", UPDATED + 7 * STEP_S)
    again = another_life(diary)
    again.watch(["leaks", "same"])
    for life in (diary, again):
        told(life, "same", UPDATED + DAY, updated=UPDATED + DAY, before=51.0)
    since = dict.fromkeys(("leaks", "same"), UPDATED)
    assert again.cohort(since, UPDATED + DAY) == diary.cohort(since, UPDATED + DAY)
    assert dict(again.cohort(since, UPDATED + DAY).counts) == {"F22": 1}


def test_only_what_changed_is_written_and_what_nobody_watches_is_dropped():
    diary = HealthDiary()
    diary.watch(["leaks", "same"])
    diary.sample("leaks", UPDATED, {"mem_used_pct": 50.0})
    diary.sample("stranger", UPDATED, {"mem_used_pct": 50.0})
    diary.note(UPDATED, "same", "F22")
    assert diary.changed() == {"leaks", "*"}
    assert diary.changed() == set()
    assert diary.row("leaks") is not None
    assert diary.row("stranger") is None
    diary.sample("leaks", UPDATED, {"mem_used_pct": 50.0})
    diary.watch(["same"])
    assert diary.changed() == set()
    assert diary.useless() == {"leaks"}
    assert diary.useless() == set()
    assert another_life(diary).useless() == set()
