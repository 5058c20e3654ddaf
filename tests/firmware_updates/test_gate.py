import random

from firmware_updates.gate import Cohort, Verdict, compare_counts, judge, rank_sum


def test_the_gate_waits_until_both_sides_were_watched():
    assert judge(Cohort(10.0, {"reboots": 0}), Cohort(500.0, {"reboots": 0})) == (Verdict.WAIT, ())
    assert judge(Cohort(500.0), Cohort(0.0)) == (Verdict.WAIT, ())
    assert judge(Cohort(500.0), Cohort(400.0)) == (Verdict.OK, ())


def test_more_faults_than_on_untouched_devices_is_worse_at_once():
    verdict, findings = judge(
        Cohort(20.0, {"reboots": 12, "recording_gap": 1}), Cohort(1000.0, {"reboots": 10, "recording_gap": 40})
    )
    assert verdict is Verdict.WORSE
    assert [finding.name for finding in findings] == ["reboots"]
    assert findings[0].size > 50


def test_a_metric_that_worsens_on_each_device_is_found_and_an_equal_one_is_not():
    chance = random.Random(1)
    steady = tuple(chance.gauss(0, 1) for _ in range(40))
    other = tuple(chance.gauss(0, 1) for _ in range(40))
    hotter = tuple(value + 2.5 for value in other)
    wave = Cohort(900.0, worsening={"soc_temp_c": hotter, "fps_actual": other})
    verdict, findings = judge(wave, Cohort(900.0, worsening={"soc_temp_c": steady, "fps_actual": steady}))
    assert verdict is Verdict.WORSE
    assert [finding.name for finding in findings] == ["soc_temp_c"]
    few = Cohort(900.0, worsening={"soc_temp_c": (9.0,) * 5})
    assert judge(few, Cohort(900.0, worsening={"soc_temp_c": steady}))[0] is Verdict.OK
    assert judge(Cohort(900.0, worsening={"odd": hotter[:9]}), Cohort(900.0))[0] is Verdict.OK


def test_a_difference_too_small_to_matter_is_not_worse():
    wave = Cohort(9000.0, worsening={"soc_temp_c": tuple(0.5 + n / 1000 for n in range(101))})
    control = Cohort(9000.0, worsening={"soc_temp_c": tuple(n / 1000 for n in range(101))})
    assert judge(wave, control)[0] is Verdict.OK
    assert judge(Cohort(1e5, {"x": 13_000}), Cohort(1e5, {"x": 12_000}))[0] is Verdict.OK


def test_equal_values_give_no_evidence():
    assert rank_sum((1.0,) * 9, (1.0,) * 9) == 1.0
    assert rank_sum((5.0,) * 9, (1.0,) * 9) < 0.001 < rank_sum((1.0,) * 9, (5.0,) * 9)
    assert compare_counts(3, 0.0, 3, 10.0) == (1.0, 1.0)


def test_a_wave_like_its_control_seldom_fails():
    chance, failed = random.Random(2), 0
    for _ in range(400):
        sides = [
            Cohort(
                500.0,
                {"reboots": sum(chance.random() < 0.02 for _ in range(500))},
                {"temp": tuple(chance.gauss(0, 1) for _ in range(20))},
            )
            for _ in range(2)
        ]
        failed += judge(*sides)[0] is Verdict.WORSE
    assert failed <= 8  # 1 % by design, and the size must matter too
