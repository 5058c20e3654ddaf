"""A release that harms is told once, to its makers; one that does not is never blamed."""

import json
from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.changes import ChangeKind, Scope
from diagnostics.faults import load_faults
from diagnostics.releases import ALPHA, DAY_S, FRESH_D, KEPT, QUIET_S, RELEASE_CLASS, RELEASES, Releases, at_least
from diagnostics.topology import Device
from tests.diagnostics.fleets import HOT, T0, Play, cameras

DAY = DAY_S
OLD, NEW = "2.4.1", "2.4.2"


def fleet(size: int = 60) -> Releases:
    """A model whose devices have spoken for twenty days."""
    releases = Releases()
    for _ in range(size):
        releases.runs("cam", "", OLD, T0)
    return releases


def took(releases: Releases, count: int, at: float, release: str = NEW) -> None:
    for _ in range(count):
        releases.runs("cam", OLD, release, at)


def falls_ill(releases: Releases, number: int, at: float, *, since: float, site: str = "", name: str = "F31"):
    release = NEW if since else OLD
    return releases.opened("cam", release, since, name, f"cam-{number}", site or f"site-{number}", at)


@given(trials=st.integers(1, 60), hits=st.integers(0, 60), share=st.floats(0.001, 0.999))
@settings(max_examples=200, deadline=None)
def test_the_chance_is_the_binomial_tail(trials, hits, share):
    hits = min(hits, trials)
    exact = sum(comb(trials, n) * share**n * (1 - share) ** (trials - n) for n in range(hits, trials + 1))
    found = at_least(hits, trials, share)
    assert found == (1.0 if hits <= trials * share else pytest.approx(exact, rel=1e-6, abs=1e-300))


def test_nothing_is_certain_of_a_release_that_nobody_has_lived_with():
    assert at_least(3, 5, 0.0) == 0.0
    assert at_least(3, 5, 1.0) == 1.0
    assert at_least(5000, 100_000, 0.01) < 1e-300


def test_three_sites_within_days_of_an_update_are_told_once_and_name_devices_and_numbers():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    assert falls_ill(releases, 1, at + DAY, since=at) is None
    assert falls_ill(releases, 2, at + DAY, since=at) is None
    told = falls_ill(releases, 3, at + 1.2 * DAY, since=at)
    assert told is not None
    assert (told.kind, told.scope, told.scope_id, told.fault_class) == (
        ChangeKind.OPENED,
        Scope.FLEET,
        f"cam {NEW}",
        RELEASE_CLASS,
    )
    assert told.devices == (), "customers read nothing of it"
    assert "F31 at 3 sites within 14 days of taking 2.4.2, 0 expected" in told.evidence.note
    assert told.evidence.note.endswith("cam-1, cam-2, cam-3.")
    assert falls_ill(releases, 4, at + 1.3 * DAY, since=at) is None
    assert RELEASE_CLASS in load_faults()


def test_devices_of_one_site_count_once():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    assert all(falls_ill(releases, n, at + DAY, since=at, site="one") is None for n in range(6))


def test_a_fault_that_the_other_devices_have_as_often_is_not_the_release():
    releases = fleet()
    for n in range(30):
        falls_ill(releases, 100 + n, T0 + (10 + n / 3) * DAY, since=0.0)
    at = T0 + 20 * DAY
    took(releases, 30, at)
    assert [falls_ill(releases, n, at + (1 + n) * DAY, since=at) for n in range(6)] == [None] * 6


def test_who_carried_the_release_from_the_beginning_or_took_it_long_ago_does_not_count():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    assert all(falls_ill(releases, n, at + DAY, since=0.0) is None for n in range(6))
    late = at + (FRESH_D + 1) * DAY
    assert all(falls_ill(releases, n, late, since=at) is None for n in range(6))


def test_a_release_that_everybody_took_is_measured_against_the_days_before():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 60, at)
    told = [falls_ill(releases, n, at + (0.1 + n / 20) * DAY, since=at) for n in range(20)]
    assert sum(change is not None for change in told) == 1


def test_a_week_without_another_one_ends_it_and_what_never_was_enough_is_forgotten():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    for n in range(3):
        falls_ill(releases, n, at + DAY, since=at)
        falls_ill(releases, n, at + 2 * DAY, since=at, name="F24")
    falls_ill(releases, 9, at + DAY, since=at, name="F22")
    assert releases.opened("other", "9.9", at, "F31", "other-1", "s", at + DAY) is None
    assert releases.tick(at + DAY + QUIET_S) == []
    assert releases.tick(at + DAY + QUIET_S + 1) == [], "another class of the same release is still open"
    [over] = releases.tick(at + 2 * DAY + QUIET_S + 1)
    assert (over.kind, over.scope_id, over.fault_class) == (ChangeKind.RECOVERED, f"cam {NEW}", RELEASE_CLASS)
    assert "No further F24" in over.evidence.note
    assert releases.export()[2] != []
    assert releases.tick(at + 16 * DAY) == []
    assert releases.export()[2] == []


def test_two_releases_that_harm_end_each_by_itself():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    took(releases, 6, at, "2.5.0")
    for n in range(3):
        told = falls_ill(releases, n, at + DAY, since=at)
    assert told is not None
    for n in range(3):
        told = releases.opened("cam", "2.5.0", at, "F31", f"other-{n}", f"other-site-{n}", at + 3 * DAY)
    assert told is not None
    assert told.scope_id == "cam 2.5.0"
    assert [change.scope_id for change in releases.tick(at + DAY + QUIET_S + 1)] == [f"cam {NEW}"]
    assert [change.scope_id for change in releases.tick(at + 3 * DAY + QUIET_S + 1)] == ["cam 2.5.0"]


def test_what_is_remembered_is_bounded_and_survives_a_restart_exactly():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    for n in range(200):
        falls_ill(releases, n, at + DAY + n, since=at)
    took(releases, 1, at + 40 * DAY, "2.4.3")
    kept = json.loads(json.dumps(releases.export()))
    assert len(kept[2][0][4]) == KEPT
    assert all(len(days) <= FRESH_D for *_, opened, taken in kept[1] for days in (*opened.values(), *taken.values()))
    again = Releases()
    again.load(kept)
    assert json.loads(json.dumps(again.export())) == kept
    assert not again.anew
    again.leaves("cam")
    again.joins("cam")
    assert json.loads(json.dumps(again.export()))[1][0][1] == kept[1][0][1]
    unwatched = Releases()
    unwatched.load([])
    assert unwatched.anew


def test_a_device_that_says_another_release_with_every_report_fills_no_memory_and_hides_no_harm():
    releases = fleet()
    at = T0 + 20 * DAY
    took(releases, 6, at)
    for n in range(1000):
        took(releases, 1, at + n, f"made-up-{n}")
    assert len(releases.export()[1][0][6]) == RELEASES
    told = [falls_ill(releases, n, at + DAY, since=at) for n in range(4)]
    assert any(told)
    assert releases.opened("cam", "made-up-1", at, "F31", "cam-77", "site-77", at + DAY) is None


def test_a_harmless_release_is_blamed_no_more_often_than_promised():
    """Six hundred harmless rollouts, each with about four openings on fresh devices: a look must be wrong once in
    10,000; two wrong ones among all would be one chance in a thousand.
    """
    random, blamed = Random(11), 0
    for _ in range(600):
        releases = fleet(40)
        events = sorted((random.uniform(5, 34), random.randrange(40)) for _ in range(14))
        updates = {n: 20 + random.uniform(0, 2) for n in range(20)}
        steps = sorted([(at, -1, n) for n, at in updates.items()] + [(at, 1, n) for at, n in events])
        for at, what, n in steps:
            if what < 0:
                releases.runs("cam", OLD, NEW, T0 + at * DAY)
            else:
                since = T0 + updates[n] * DAY if n in updates and updates[n] < at else 0.0
                blamed += falls_ill(releases, n, T0 + at * DAY, since=since) is not None
    assert blamed <= 1
    assert ALPHA == 1e-4


# --- in a fleet -------------------------------------------------------------------------------------------------------
def updated() -> Play:
    """Sixty cameras on twenty sites; after sixteen days six of them take a new version."""
    play = Play(HOT, cameras(3, *(f"s{number}" for number in range(20))))
    for device in play.devices:
        play.report(device.device_id, firmware=OLD, soc_temp_c=50.0)
    play.now += 16 * DAY
    for number in range(6):
        play.report(f"s{number}-0", firmware=NEW, soc_temp_c=50.0)
    play.now += DAY
    return play


def test_a_fleet_tells_of_the_release_beside_each_devices_own_ticket_and_blames_no_healthy_device():
    play = updated()
    play.report("s9-1", firmware=OLD, soc_temp_c=50.0)
    for number in range(4):
        play.report(f"s{number}-0", firmware=NEW, soc_temp_c=85.0)
    assert play.told() == [
        "opened device:s0-0:F07 warning",
        "opened device:s1-0:F07 warning",
        "opened device:s2-0:F07 warning",
        f"opened fleet:model {NEW}:F45 high",
        "opened device:s3-0:F07 warning",
    ]


def test_a_restart_between_two_openings_changes_nothing():
    play = updated()
    for number in range(2):
        play.report(f"s{number}-0", firmware=NEW, soc_temp_c=85.0)
    again = Play(HOT, play.devices)
    again.fleet.restore_shared(play.fleet.save_shared())
    for device in play.devices:
        again.fleet.restore(device.device_id, play.fleet.save(device.device_id))
    again.now, again.seq = play.now, dict(play.seq)
    again.report("s2-0", firmware=NEW, soc_temp_c=85.0)
    assert again.told() == ["opened device:s2-0:F07 warning", f"opened fleet:model {NEW}:F45 high"]


def test_what_was_saved_before_anybody_counted_is_counted_when_it_comes_back():
    play = updated()
    shared = json.loads(play.fleet.save_shared())
    shared["storms"] = shared["storms"][:4]
    again = Play(HOT, play.devices)
    again.fleet.restore_shared(json.dumps(shared).encode())
    for device in play.devices:
        kept = json.loads(play.fleet.save(device.device_id))
        del kept["firmware_since"]
        again.fleet.restore(device.device_id, json.dumps(kept).encode())
    assert count_of(again, "model") == 60


def count_of(play: Play, model: str) -> int:
    return {name: count for name, count, *_ in json.loads(play.fleet.save_shared())["storms"][4][1]}.get(model, 0)


def test_who_belongs_to_a_model_is_counted_through_registration_and_leaving():
    play = updated()
    assert count_of(play, "model") == 60
    play.fleet.register(Device("s0-0", "camera", "other", "s0"))
    assert (count_of(play, "model"), count_of(play, "other")) == (59, 1)
    play.fleet.register(Device("s0-0", "camera", "model", "s1"))
    play.fleet.register(Device("new", "camera", "model", "s1"))
    assert (count_of(play, "model"), count_of(play, "other")) == (60, 0)
    play.fleet.forget("s0-0")
    play.fleet.forget("new")
    play.report("s1-1", soc_temp_c=50.0)
    assert count_of(play, "model") == 59
    silent = Play(HOT)
    silent.report(soc_temp_c=50.0)
    silent.fleet.forget("cam")
    assert json.loads(silent.fleet.save_shared())["storms"][4][1] == []
