"""The disk judgement: every point has a reason, growth weighs more than old counts, and a model only hints."""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.wear import (
    GROWTH_HALF_LIFE_S,
    RECORD_CAP,
    SCORECARD,
    Counters,
    DiskMemory,
    Level,
    Reason,
    judge,
    record_ratio,
    remember,
)

DAY = 86_400.0
CLEAN = Counters(0, 0, 0, 0, 0)

counts = st.none() | st.integers(0, 2**48)
reports = st.lists(
    st.tuples(st.floats(0, 1e9), st.builds(Counters, counts, counts, counts, counts, counts)), min_size=1, max_size=8
)


def after(*course: tuple[float, Counters]) -> DiskMemory:
    memory: DiskMemory | None = None
    for at, seen in course:
        memory = remember(memory, at, seen)
    assert memory is not None
    return memory


def reasons(memory: DiskMemory) -> set[Reason]:
    return {sign.reason for sign in judge(memory).signs}


def test_a_clean_drive_has_no_points_and_no_level() -> None:
    judgement = judge(after((0.0, CLEAN)))
    assert judgement.points == 0
    assert judgement.signs == ()
    assert judgement.level is None


def test_a_drive_that_reports_nothing_is_not_suspected() -> None:
    assert judge(after((0.0, Counters()))).level is None


def test_a_first_pending_sector_is_suspect_and_a_dozen_is_dying() -> None:
    assert judge(after((0.0, CLEAN), (DAY, Counters(0, 0, 0, 1, 0)))).level is Level.SUSPECT
    assert judge(after((0.0, CLEAN), (DAY, Counters(0, 0, 0, 16, 0)))).level is Level.DYING


def test_old_remapped_sectors_are_watched_and_new_ones_are_suspect() -> None:
    old = after((0.0, Counters(31, 0, 0, 0, 0)), (DAY, Counters(31, 0, 0, 0, 0)))
    new = after((0.0, CLEAN), (DAY, Counters(31, 0, 0, 0, 0)))
    assert judge(old).level is Level.WATCH
    assert judge(new).level is Level.SUSPECT
    assert {Reason.REALLOCATING, Reason.REALLOCATING_FAST} == reasons(new) - reasons(old)


@pytest.mark.parametrize(
    ("name", "growth", "sign"),
    [
        ("reallocated", "grown_reallocated", Reason.REALLOCATING),
        ("uncorrectable", "grown_uncorrectable", Reason.UNCORRECTABLE_NEW),
        ("pending", "grown_pending", Reason.PENDING_NEW),
    ],
)
def test_what_grew_since_the_last_report_is_a_sign_of_its_own_and_adds_to_what_grew_before(name, growth, sign) -> None:
    def shows(count: int) -> Counters:
        return replace(CLEAN, **{name: count})

    assert sign not in reasons(after((0.0, shows(3))))
    once = after((0.0, shows(3)), (DAY, shows(5)))
    assert getattr(once, growth) == 2
    assert sign in reasons(once)
    again = remember(once, DAY + GROWTH_HALF_LIFE_S, shows(9))
    assert getattr(again, growth) == 1 + 4


def test_growth_fades_in_weeks_while_the_count_stays() -> None:
    grown = Counters(5, 0, 0, 0, 0)
    memory = after((0.0, CLEAN), (DAY, grown))
    assert Reason.REALLOCATING in reasons(memory)
    later = remember(memory, DAY + 4 * GROWTH_HALF_LIFE_S, grown)
    assert Reason.REALLOCATING not in reasons(later)
    assert Reason.REALLOCATED in reasons(later)


def test_a_counter_that_falls_has_not_grown_and_one_left_out_keeps_its_value() -> None:
    memory = after((0.0, Counters(0, 0, 0, 8, 0)), (DAY, Counters(0, 0, 0, 2, 0)), (2 * DAY, Counters()))
    assert memory.grown_pending == 0
    assert memory.pending == 2


def test_the_lowest_sixteen_bits_of_the_timeouts_count() -> None:
    """131,081 is 2 and 9 in one number."""
    assert after((0.0, Counters(timeouts=131_081))).timeouts == 9


def test_a_time_that_runs_back_makes_no_growth() -> None:
    memory = after((10 * DAY, CLEAN), (0.0, Counters(4, 0, 0, 0, 0)))
    assert memory.at == 10 * DAY
    assert memory.grown_reallocated == 4


def test_a_weak_model_is_watched_without_a_sign_and_never_more_than_watched() -> None:
    clean = after((0.0, CLEAN))
    judgement = judge(clean, model_ratio=9.0)
    assert judgement.level is Level.WATCH
    assert [sign.reason for sign in judgement.signs] == [Reason.MODEL]
    assert judge(clean, model_ratio=1e9).points == RECORD_CAP < Level.SUSPECT.value


def test_a_good_model_excuses_nothing() -> None:
    memory = after((0.0, Counters(0, 3, 0, 0, 0)))
    assert judge(memory, model_ratio=0.1) == judge(memory, model_ratio=1.0)


def test_what_the_drive_shows_outweighs_the_record_of_its_model() -> None:
    memory = after((0.0, Counters(0, 3, 0, 0, 0)))
    assert judge(memory, model_ratio=9.0) == judge(memory)


def test_the_heaviest_sign_is_named_first() -> None:
    signs = judge(after((0.0, Counters(1, 1, 20, 16, 1)))).signs
    assert [sign.points for sign in signs] == sorted((sign.points for sign in signs), reverse=True)
    assert signs[0].reason is Reason.UNCORRECTABLE


def test_a_model_must_prove_itself_before_its_record_says_much() -> None:
    proved = record_ratio(100, 1000.0, 1000, 100_000.0)
    assert record_ratio(0, 0.0, 0, 0.0) == pytest.approx(1.0)
    assert 1 < record_ratio(1, 10.0, 1000, 100_000.0) < 2 < proved < 10


@settings(max_examples=40)
@given(reports)
def test_points_are_the_sum_of_their_signs_and_bounded(course: list[tuple[float, Counters]]) -> None:
    judgement = judge(after(*course))
    assert judgement.points == pytest.approx(sum(sign.points for sign in judgement.signs))
    most = sum(sign.points for steps in SCORECARD.values() for _, sign in steps)
    assert 0 <= judgement.points <= most + 0.1 * 50
    assert all(sign.points > 0 for sign in judgement.signs)


@settings(max_examples=40)
@given(reports, st.sampled_from([field.name for field in fields(Counters)]), st.integers(1, 10**6))
def test_a_worse_count_never_lowers_the_points(course: list[tuple[float, Counters]], name: str, more: int) -> None:
    memory = after(*course)
    same = Counters(**{field.name: getattr(memory, field.name) for field in fields(Counters)})
    worst = 0xFFFF if name == "timeouts" else 2**60
    worse = replace(same, **{name: min(worst, getattr(memory, name) + more)})
    assert judge(remember(memory, memory.at, worse)).points >= judge(remember(memory, memory.at, same)).points


def test_every_field_of_the_scorecard_is_remembered() -> None:
    assert set(SCORECARD) <= {field.name for field in fields(DiskMemory)}
