"""The anomaly engine: what it calls an event, how it says why, and that it never learns to cry at the usual."""

import math
import random

import pytest

from diagnostics import baseline
from diagnostics.baseline import Stream
from diagnostics.baseline_numbers import BLOCK_ROWS, EVENT_AT, FIRST_ROWS, NOVELTY_WEIGHT, QUIET_ROWS
from diagnostics.baseline_score import Direction, Feature, Score

FIVE_MINUTES = 300.0


def daily(row: int, chance: random.Random, noise: float = 1.0) -> float:
    """A day of 288 rows: 40 at night, 60 at noon, and some noise."""
    return 50.0 + 10.0 * math.sin(2 * math.pi * row / 288) + chance.gauss(0.0, noise)


def taught(rows: int, seed: int = 1) -> tuple[Stream, random.Random]:
    stream, chance = Stream(), random.Random(seed)
    for row in range(rows):
        stream.update(row * FIVE_MINUTES, daily(row, chance))
    return stream, chance


def feed(stream: Stream, first: int, values: list[float]) -> list[Score]:
    events = [stream.update((first + row) * FIVE_MINUTES, value) for row, value in enumerate(values)]
    return [event for event in events if event is not None]


def test_an_ordinary_month_has_hardly_an_event() -> None:
    stream, chance = Stream(), random.Random(7)
    events = feed(stream, 0, [daily(row, chance) for row in range(8640)])
    assert len([event for event in events if event.at > 2000 * FIVE_MINUTES]) <= 3


def test_a_value_never_seen_is_an_event_at_once_and_says_by_how_much() -> None:
    stream, _ = taught(2000)
    [event] = feed(stream, 2000, [80.0])
    assert event.novelty is not None
    assert event.novelty.direction is Direction.HIGH
    assert event.novelty.by_share_of_range == pytest.approx((80 - 63) / 26, abs=0.2)
    assert event.value == 80.0
    assert event.at == 2000 * FIVE_MINUTES
    assert event.score >= EVENT_AT


def test_a_value_just_outside_the_range_counts_for_little_and_one_far_outside_for_no_more_than_its_full_weight() -> (
    None
):
    scores = []
    for beyond in (0.1, 0.5, 100.0, 1000.0):
        stream, _ = taught(2000)
        stream.update(2000 * FIVE_MINUTES, stream._origin + stream._highest + beyond)
        scores.append(stream.score)
    just, little, far, farther = scores
    assert 0.0 < just < little < NOVELTY_WEIGHT / 2
    assert NOVELTY_WEIGHT <= far <= farther < NOVELTY_WEIGHT + EVENT_AT


def test_a_score_of_just_the_least_that_counts_is_an_event(monkeypatch) -> None:
    stream, _ = taught(2000)
    [event] = feed(stream, 2000, [80.0])
    monkeypatch.setattr(baseline, "EVENT_AT", event.score)
    stream, _ = taught(2000)
    assert feed(stream, 2000, [80.0]) == [event]
    monkeypatch.setattr(baseline, "EVENT_AT", math.nextafter(event.score, math.inf))
    stream, _ = taught(2000)
    assert feed(stream, 2000, [80.0]) == []


def test_a_new_low_is_told_from_a_new_high() -> None:
    stream, _ = taught(2000)
    [event] = feed(stream, 2000, [10.0])
    assert event.novelty is not None
    assert event.novelty.direction is Direction.LOW


def test_a_value_far_from_all_others_is_an_event_though_it_is_inside_the_range() -> None:
    """A motor that stands at 0 or runs near 100 has never been at 50."""
    stream, chance = Stream(), random.Random(3)
    feed(stream, 0, [(100.0 if row % 40 < 20 else 0.0) + chance.gauss(0, 1) for row in range(1500)])
    stream.update(1500 * FIVE_MINUTES, 0.0)
    [event] = feed(stream, 1501, [50.0])
    assert event.novelty is not None
    assert event.novelty.direction is Direction.GAP
    assert event.novelty.by_share_of_range == pytest.approx(0.45, abs=0.1)


def test_the_usual_value_at_the_wrong_hour_is_an_event_and_the_hour_is_named() -> None:
    stream, chance = taught(288 * 21)
    first = 288 * 21
    noon_at_night = [60.0 + chance.gauss(0, 1) for _ in range(216 + 40)]
    usual = [daily(first + row, chance) for row in range(216 - 40)]
    feed(stream, first, usual)
    events = feed(stream, first + len(usual), noon_at_night[:80])
    assert events
    named = {sign.feature for event in events for sign in event.signs}
    assert named & {Feature.DAY_HOUR, Feature.WEEK_HOUR}
    assert all(event.novelty is None for event in events)


def test_the_signs_are_shares_of_history_the_rarest_first() -> None:
    stream, chance = taught(3000)
    values = [daily(3000 + row, chance, noise=6.0) for row in range(100)]
    events = feed(stream, 3000, values)
    assert events
    for event in events:
        rare, rarer = event.signs[1].share_of_history, event.signs[0].share_of_history
        assert 0 < rarer <= rare <= 1


def test_the_usual_value_is_known() -> None:
    stream = Stream()
    feed(stream, 0, [20.0 + row % 3 for row in range(1000)])
    assert stream.usual == pytest.approx(21.0, abs=0.1)


def test_one_incident_is_one_event() -> None:
    stream, chance = taught(3000)
    events = feed(stream, 3000, [95.0 + chance.gauss(0, 1) for _ in range(QUIET_ROWS)])
    assert len(events) == 1


def test_a_score_that_rises_in_the_quiet_time_can_still_be_read_and_explained() -> None:
    stream, _ = taught(3000)
    feed(stream, 3000, [70.0])
    [quiet] = [stream.update(3001 * FIVE_MINUTES, 400.0)]
    assert quiet is None
    assert stream.score > EVENT_AT
    assert stream.signs()[0].share_of_history < 0.1


def test_nothing_is_said_before_there_is_a_past() -> None:
    chance = random.Random(5)
    stream = Stream()
    events = feed(stream, 0, [chance.choice((-1e9, 0.0, 3.0, 1e9)) for _ in range(FIRST_ROWS + QUIET_ROWS)])
    assert events == []


def test_a_constant_that_moves_is_an_event_and_a_constant_that_stays_is_none() -> None:
    stream = Stream()
    assert feed(stream, 0, [7.5] * 3000) == []
    [event] = feed(stream, 3000, [7.6])
    assert event.novelty is not None
    assert event.novelty.direction is Direction.HIGH


def test_a_glitch_does_not_blind_for_good() -> None:
    """The range forgets within four blocks; then the same new high is news again."""
    stream, chance = taught(1000)
    assert feed(stream, 1000, [1e15])
    feed(stream, 1001, [daily(row, chance) for row in range(1001, 6 * BLOCK_ROWS)])
    events = feed(stream, 6 * BLOCK_ROWS, [90.0])
    assert events
    assert events[0].novelty is not None
    assert events[0].novelty.by_share_of_range == pytest.approx(27 / 26, abs=0.3)


def test_the_level_does_not_matter_only_the_form() -> None:
    """A counter near a billion is judged as finely as one near zero."""
    plain, raised = Stream(), Stream()
    chance = random.Random(11)
    values = [round(daily(row, chance)) + (25 if row == 2500 else 0) for row in range(3000)]
    events = feed(plain, 0, [float(value) for value in values])
    assert [event.at for event in feed(raised, 0, [value + 2.0**40 for value in values])] == [e.at for e in events]
    assert any(event.at == 2500 * FIVE_MINUTES for event in events)


def test_what_is_no_number_or_no_time_is_not_taken() -> None:
    stream, _ = taught(500)
    before = stream.to_bytes()
    assert stream.update(1.0, math.nan) is None
    assert stream.update(math.nan, 1.0) is None
    assert stream.update(math.inf, 1.0) is None
    assert stream.to_bytes() == before


def test_infinite_values_are_taken_as_very_large_ones() -> None:
    high, low, limit = taught(500)[0], taught(500)[0], taught(500)[0]
    [up], [down] = feed(high, 500, [math.inf]), feed(low, 500, [-math.inf])
    assert up.novelty is not None
    assert up.novelty.direction is Direction.HIGH
    assert down.novelty is not None
    assert down.novelty.direction is Direction.LOW
    feed(limit, 500, [1e30])
    assert limit.to_bytes() == high.to_bytes()
