"""Memory on disk is exact: saving and restoring at any point changes nothing that is said later."""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from diagnostics.fleet import Fleet
from diagnostics.telemetry import Event, Presence, Report
from tests.diagnostics.fleets import CATALOGUE, HOT, SILENT, T0, Play, camera, rules, site
from tests.diagnostics.test_arrival import CLOCK
from tests.diagnostics.test_kinds import ERRORS, EVENTS, FROZEN, PEER, REBOOTS, SIGNATURE, STATES, USUAL, WEAR

from diagnostics.engine import Engine  # isort: skip

DEVICES = [*site("a", 4), *site("b", 3), *site("c", 2), *site("d", 2)]
NAMES = [device.device_id for device in DEVICES]
EVERYTHING = (
    SILENT
    + HOT.replace("clear_samples", "for_s = 600\nsite_share_max = 0.6\nclear_samples")
    + HOT.replace('"hot"', '"mean-hot"').replace("clear_samples", "average_s = 1800\nclear_samples")
    + CLOCK
    + ERRORS
    + EVENTS
    + FROZEN
    + PEER
    + REBOOTS
    + SIGNATURE
    + STATES
    + USUAL
    + WEAR
    + """
[[rule]]
name = "surprise"
kind = "baseline"
metric = "soc_temp_c"
steps = [{ severity = "warning", limit = 3 }]
"""
)
RULES = rules(EVERYTHING)
FINDING = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking sixty acts takes minutes

ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["report", "report", "report", "silence", "event", "will", "reboot", "late", "expect", "lost", "seen"]
        ),
        st.integers(0, len(NAMES) - 1),
        st.sampled_from([20.0, 60.0, 85.0, 95.0, 999.0]),
        st.sampled_from([30.0, 120.0, 900.0, 4000.0, 90_000.0]),
    ),
    min_size=5,
    max_size=60,
)


class Driver:
    """Turns acts into calls; remembers per device what was sent."""

    def __init__(self) -> None:
        self.now = T0
        self.boot = dict.fromkeys(NAMES, 1)
        self.seq = dict.fromkeys(NAMES, 0)
        self.fleet = Fleet(Engine(RULES, CATALOGUE), DEVICES, T0)

    def act(self, what: str, who: int, value: float, wait: float) -> list[object]:
        name, fleet, out = NAMES[who], self.fleet, []
        if what in {"report", "late", "reboot"}:
            if what == "reboot":
                self.boot[name] += 1
                self.seq[name] = 0
            for other in NAMES if what == "report" else [name]:
                self.seq[other] += 2 if what == "late" else 1
                out += self._report(other, self.seq[other], value if other == name else 55.0 + self.seq[other] % 7)
            if what == "late":
                out += self._report(name, self.seq[name] - 1, value, late=600.0)
        elif what == "event":
            self.seq[name] += 1
            event = Event(name, self.boot[name], self.seq[name], self.now, self.now, "security/login_failed", {})
            out += fleet.event(event)
        elif what == "will":
            fleet.presence(Presence(name, self.boot[name], value > 60, self.now))
        elif what == "expect":
            fleet.expect(name, self.now + wait)
        elif what == "lost":
            out += fleet.ingest_lost(self.now)
        elif what == "seen":
            out += fleet.ingest_restored(self.now)
        for step in (wait / 3, wait / 3, wait / 3):
            self.now += step
            out += fleet.tick(self.now)
        return out

    def _report(self, name: str, seq: int, value: float, late: float = 0.0) -> list[object]:
        metrics = {
            "soc_temp_c": value,
            "poe_v": 40.0 + value / 10,
            "sd_life_used_pct": min(99.0, value),
            "fs_err_cnt": seq // 3,
        }
        states = {
            "recording": "on" if value < 90 else "off",
            "daynight": "night" if seq % 5 else "day",
            "reset_reason": "power",
        }
        if value == 20.0:
            states["maintenance"] = "on"
        at = self.now - late
        report = Report(name, self.boot[name], seq, at, self.now, metrics, states, at - T0 + 100, f"{seq // 40}")
        found = list(self.fleet.observe(report))
        return [(report.standing, report.effective_at, report.metrics), *found]

    def restart(self) -> None:
        """Everything through bytes into a fresh fleet."""
        old = self.fleet
        fresh = Fleet(Engine(RULES, CATALOGUE), DEVICES, self.now)
        fresh.restore_shared(old.save_shared())
        for name in NAMES:
            fresh.restore(name, old.save(name))
        self.fleet = fresh


@given(ACTS, st.integers(0, 59))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], phases=FINDING)
def test_a_restart_at_any_point_changes_nothing_that_is_said_later(acts, cut):
    steady, restarted = Driver(), Driver()
    for number, act in enumerate(acts):
        if number == cut % len(acts):
            restarted.restart()
        assert steady.act(*act) == restarted.act(*act)
    for name in NAMES:
        assert steady.fleet.view(name) == restarted.fleet.view(name)
        assert json.loads(steady.fleet.save(name) or b"0") == json.loads(restarted.fleet.save(name) or b"0")


@given(ACTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], phases=FINDING)
def test_one_open_ticket_a_key_whatever_comes(acts):
    driver, running = Driver(), {}
    for act in acts:
        for change in driver.act(*act):
            if isinstance(change, tuple):
                continue
            who = (change.key, change.rule)
            if change.kind.value == "opened":
                assert not running.get(who), who
                running[who] = True
            elif change.kind.value in {"recovered", "withdrawn"}:
                assert running.get(who), who
                running[who] = False
            else:
                assert running.get(who), who


def test_what_changed_is_dirty_once():
    play = Play(HOT)
    assert play.fleet.dirty() == set()
    play.report()
    assert play.fleet.dirty() == {"cam"}
    assert play.fleet.dirty() == set()


@given(ACTS, st.integers(0, 59), st.integers(1, 4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], phases=FINDING)
def test_a_checkpoint_taken_piece_by_piece_is_the_fleet_as_it_was_when_it_began(acts, cut, limit):
    steady, began = Driver(), Driver()
    cut %= len(acts)
    pieces, shared = {}, b""
    for number, act in enumerate(acts):
        if number == cut:
            shared = steady.fleet.begin_checkpoint()
        if number >= cut:
            pieces |= steady.fleet.some_of_checkpoint(limit)
        else:
            began.act(*act)
        steady.act(*act)
    while more := steady.fleet.some_of_checkpoint(limit):
        pieces |= more
    assert shared == began.fleet.save_shared()
    assert {name: json.loads(kept) for name, kept in pieces.items()} == {
        name: json.loads(began.fleet.save(name)) for name in NAMES if began.fleet.save(name)
    }


def test_what_changes_while_a_checkpoint_is_taken_is_in_the_next_one():
    play = Play(HOT, [camera("one"), camera("two")])
    for name in ("one", "two"):
        play.report(name, soc_temp_c=50)
    play.fleet.begin_checkpoint()
    play.report("one", soc_temp_c=85)
    first = dict(play.fleet.some_of_checkpoint(10))
    assert set(first) == {"one", "two"}
    assert not json.loads(first["one"])["active"]
    play.fleet.begin_checkpoint()
    assert [name for name, _ in play.fleet.some_of_checkpoint(10)] == ["one"]
    assert not play.fleet.some_of_checkpoint(10)


def test_a_checkpoint_given_up_is_part_of_the_next_one():
    play = Play(HOT, [camera("one"), camera("two"), camera("three")])
    for name in ("one", "two", "three"):
        play.report(name, soc_temp_c=50)
    play.fleet.begin_checkpoint()
    play.report("one", soc_temp_c=55)
    play.fleet.forget("two")
    play.fleet.begin_checkpoint()
    assert {name for name, _ in play.fleet.some_of_checkpoint(10)} == {"one", "three"}


def test_a_device_registered_anew_while_a_checkpoint_is_taken_is_saved_as_it_was():
    play = Play(HOT, [camera("one", "a")])
    play.report("one", soc_temp_c=50)
    before = json.loads(play.fleet.save("one"))
    play.fleet.begin_checkpoint()
    play.fleet.register(camera("one", "b"))
    play.report("one", soc_temp_c=60)
    assert [(name, json.loads(kept)) for name, kept in play.fleet.some_of_checkpoint(10)] == [("one", before)]
    assert play.fleet.dirty() == {"one"}


def test_a_device_that_never_reported_has_no_memory_to_keep():
    play = Play(HOT)
    assert play.fleet.save("cam") == b""
    play.fleet.restore("cam", b"")
    play.fleet.restore("nobody", b"{}")
    assert play.fleet.spoke_count == 0


@pytest.mark.parametrize(
    ("kept", "says"), [(b"\xff", "not readable"), (b'{"v": 99}', "another version"), (b"[]", "another version")]
)
def test_memory_of_another_version_is_refused_in_one_line(kept, says):
    with pytest.raises(ValueError, match=says) as refused:
        Play(HOT).fleet.restore("cam", kept)
    assert "\n" not in str(refused.value)


def test_shared_memory_of_another_version_is_refused_in_one_line():
    with pytest.raises(ValueError, match="another version"):
        Play(HOT).fleet.restore_shared(b'{"v": 99}')


def test_other_rules_after_a_restart_start_from_what_still_fits():
    driver = Driver()
    for _ in range(30):
        driver.act("report", 0, 95.0, 900.0)
    kept = driver.fleet.save(NAMES[0])
    other = Fleet(Engine(rules(HOT), CATALOGUE), DEVICES, driver.now)
    other.restore(NAMES[0], kept)
    assert {episode.rule for episode in other.view(NAMES[0]).episodes} == {"hot@1"}
    assert other.view(NAMES[0]).metrics["soc_temp_c"][1] == 95.0


def test_sites_that_are_gone_are_left_out():
    play = Play(SILENT, site("a"))
    play.live(600)
    play.live(900, "a-cam1")
    kept = play.fleet.save_shared()
    Play(SILENT).fleet.restore_shared(kept)


def test_other_rules_take_over_without_a_restart():
    both = HOT + HOT.replace('"hot"', '"retired"').replace("F07", "F24")
    play = Play(both.replace('name = "retired"', 'name = "retired"\nfault_class = "F24"'), [*site("a"), *site("b")])
    play.live(120)
    play.report("a-cam1", soc_temp_c=85)
    assert len(play.seen) == 2
    stricter = Engine(rules(HOT.replace("limit = 80, clear = 75", "limit = 60, clear = 55")), CATALOGUE)
    changes = play.fleet.adopt(stricter, play.now)
    assert [(change.kind.value, change.rule) for change in changes] == [("withdrawn", "retired@1")]
    play.report("a-cam1", soc_temp_c=58)
    play.report("a-cam2", soc_temp_c=65)
    assert play.told()[2:] == ["opened device:a-cam2:F07 warning"]
    play.report("a-cam1", soc_temp_c=50)
    assert play.told()[3:] == ["recovered device:a-cam1:F07 warning"]


def test_a_storm_whose_last_device_is_forgotten_is_over():
    many = [camera(f"cam{number}", f"s{number}") for number in range(12)]
    play = Play(HOT, many)
    for device in many:
        play.report(device.device_id, soc_temp_c=85)
    play.wait(10)
    for device in many:
        play.fleet.forget(device.device_id)
    play.wait(10)
    assert play.told()[-1] == "recovered fleet:fleet:F07 warning"


@pytest.mark.parametrize("set_back", [0.0, 7200.0])
def test_ticks_that_changed_nothing_before_a_checkpoint_may_be_replayed_after_it(set_back):
    """The gateway keeps them with the next message, whether or not a checkpoint came first."""

    def play_on(crash):
        play = Play(SILENT, [camera(f"cam{number}", f"site{number % 3}") for number in range(9)], every_s=60)
        play.live(3 * 3600)
        idle = [play.now + 5.0 * number for number in range(1, 30)]
        for at in idle:
            if at < idle[0] + 100:  # nobody is late yet
                assert list(play.fleet.tick(at)) == []
        seen = [at for at in idle if at < idle[0] + 100]
        if crash:
            old = play.fleet
            play.fleet = type(old)(play.engine, play.devices, play.now)
            play.fleet.restore_shared(old.save_shared())
            for device in play.devices:
                play.fleet.restore(device.device_id, old.save(device.device_id))
            for at in seen:
                assert list(play.fleet.tick(at)) == []
        play.now = seen[-1] - set_back
        play.seen.clear()
        play.live(600, "cam0")
        play.live(600)
        return play

    calm, crashed = play_on(crash=False), play_on(crash=True)
    assert crashed.seen == calm.seen != []
    assert json.loads(crashed.fleet.save_shared()) == json.loads(calm.fleet.save_shared())
