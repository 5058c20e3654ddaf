"""The rate of everybody's reports: a time without any is counted as long as it was."""

from diagnostics.ingest_rate import BUCKET_S, KEPT_BUCKETS, IngestRate

T0 = 1_767_225_600.0


def heard(*reports: tuple[float, int], learn: bool = True) -> IngestRate:
    """A rate that has heard so many reports at these times (since T0), each in the bucket of its time."""
    rate = IngestRate()
    for at, count in reports:
        rate.roll(T0 + at, learn=learn)
        rate.count += count
    return rate


def test_what_was_heard_before_a_gap_lies_as_far_back_as_it_was() -> None:
    rate = heard((0, 7), (10, 5), (200, 3))
    assert rate.heard_since(T0 + 200) == 3
    assert rate.heard_since(T0 + 20) == 3
    assert rate.heard_since(T0 + 10) == 8
    assert rate.heard_since(T0) == 15
    assert len(rate.past) == 20


def test_a_gap_of_days_forgets_what_was_before_it_and_keeps_no_more_than_three_hours() -> None:
    rate = heard((0, 7), (3 * 86_400, 1))
    assert len(rate.past) == KEPT_BUCKETS + 1
    rate = heard((0, 7), (10, 7), (3 * 86_400, 1), (3 * 86_400 + 1200, 1))
    assert len(rate.past) == KEPT_BUCKETS
    assert rate.heard_since(T0) == 2


def test_a_bucket_ends_ten_seconds_after_it_began_and_moves_with_our_clock() -> None:
    rate = heard((0, 1), (205, 1))
    assert rate.ends_at == T0 + 210
    rate.set_back(100.0)
    assert rate.ends_at == T0 + 110
    assert rate.heard_since(T0 + 100) == 1
    assert rate.last_heard == T0 - 100 + BUCKET_S


def test_the_normal_rate_is_a_mean_over_all_time_that_passed_and_not_over_that_with_reports() -> None:
    rate = heard(*((100.0 * number, 30) for number in range(30)))
    assert round(rate.expected_since(T0, T0 + 1000)) == 300
    assert rate.quiet_s == 90.0
