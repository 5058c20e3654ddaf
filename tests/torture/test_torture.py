"""The short form of `siaga torture`: real processes, every message counted. `make torture` runs the long one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.torture.jumping_clock import JumpingClock, set_offset

ROOT = Path(__file__).parents[2]


@pytest.mark.real
def test_plugs_pulled_lose_nothing_double_nothing_and_keep_the_order() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "torture", "--short", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=570,
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert done.returncode == 0, [(one["scenario"], one["why"]) for one in found["scenarios"] if not one["good"]]
    for one in found["scenarios"]:
        for store in ("ledger", "history"):
            assert one[store]["effects"] == one["accepted"] > 0
    for name, lack in found["skipped"].items():
        print(f"skipped: {name}: {lack}")


def test_a_scenario_that_nobody_knows_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "torture", "--only", "earthquake"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("siaga torture: no scenario has these words; there are: kill -9 gateway")
    assert done.stderr.count("\n") == 1


def test_the_clock_under_torture_jumps_while_durations_go_on(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    set_offset(file, 0.0)
    clock = JumpingClock(file)
    before, steady = clock.now(), clock.monotonic()
    set_offset(file, -7200.0)
    assert clock.now() < before - 7000.0
    assert clock.monotonic() >= steady
    set_offset(file, 3600.0)
    assert clock.now() > before + 3500.0
