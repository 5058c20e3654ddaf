"""The embedded history: bounded, crash-safe, alone on its file, quick for a year."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.ports.history import HistoryAway, Latest, Sample
from gateway.storage.history import EmbeddedHistory, Retention, open_history
from gateway.storage.history.merge import BLOCK_ROWS
from gateway.storage.history.store import FLUSH_ROWS, SHAPES_A_DEVICE

NOW = 1_763_700_000.0
DAY = 86400.0
ROOT = Path(__file__).parents[3]


def reports(start: float, count: int, step: float = 60.0, device: str = "cam-1") -> list[Sample]:
    dice = random.Random(count)
    walk = [20.0]
    for _ in range(count):
        walk.append(round(walk[-1] + dice.choice((-0.1, 0, 0, 0.1)), 1))
    return [Sample.of(device, start + n * step, {"t": walk[n], "n": float(n), "fixed": 25.0}) for n in range(count)]


async def append(history: EmbeddedHistory, samples: list[Sample]) -> None:
    for start in range(0, len(samples), 1000):
        await history.append(start, samples[start : start + 1000])


async def count(history: EmbeddedHistory, start: float, end: float, columns: int = 1, metric: str = "t") -> int:
    return sum(column.count for column in await history.series("cam-1", metric, start, end, columns))


async def test_everything_is_there_after_a_restart_wherever_it_was(tmp_path: Path) -> None:
    path, clock = tmp_path / "h.db", ManualClock(NOW)
    async with open_history(path, clock=clock) as history:
        await append(history, reports(NOW - 5 * DAY, 3000))
        await history.settle()
        await append(history, reports(NOW - 2 * DAY, 500))
    async with open_history(path, clock=clock) as history:
        assert await count(history, NOW - 6 * DAY, NOW) == 3500
        assert (await history.latest("cam-1"))["n"] == Latest(NOW - 2 * DAY + 499 * 60, 499.0)
        assert history.position == 2000


async def test_a_full_tail_is_put_into_blocks_by_itself(tmp_path: Path) -> None:
    async with open_history(tmp_path / "h.db", clock=ManualClock(NOW)) as history:
        await append(history, reports(NOW - DAY, FLUSH_ROWS + 1000, step=1.0))
        while history._store.tail.rows > 5000 or history._store.pending.get("cam-1", 0) >= BLOCK_ROWS:
            await history.ready()
        assert await count(history, NOW - 2 * DAY, NOW) == FLUSH_ROWS + 1000


async def test_samples_go_after_their_days_and_rollups_after_theirs(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with open_history(tmp_path / "h.db", Retention(rollup_days=20, raw_days=5), clock) as history:
        start = NOW - 4 * DAY
        await append(history, reports(start, 4 * 1440))
        await history.settle()
        clock.move(6 * DAY)
        await history.settle()

        assert await history.raw("cam-1", "t", start, NOW, 9999) == []
        assert await count(history, start, NOW, 96) == 4 * 1440  # from hourly rollups
        assert await count(history, start, start + 3600, 3600) == 60  # finer than them: from 5 minute ones
        assert len(await history.series("cam-1", "t", start, start + 3600, 3600)) <= 13

        clock.move(20 * DAY)
        await history.settle()
        assert await count(history, start, NOW, 96) == 0
        assert (await history.latest("cam-1"))["fixed"].value == 25.0


async def test_data_older_than_the_samples_that_are_kept_is_counted_and_not_taken(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with open_history(tmp_path / "h.db", Retention(rollup_days=20, raw_days=5), clock) as history:
        await history.settle()
        await append(history, reports(NOW - 6 * DAY, 10) + reports(NOW - DAY, 7))
        assert history.too_old == 10
        assert await count(history, NOW - 9 * DAY, NOW) == 7


async def test_the_file_stays_below_its_bound_by_giving_up_the_oldest_samples(tmp_path: Path) -> None:
    path, clock, bound = tmp_path / "h.db", ManualClock(NOW), 400_000
    dice = random.Random(1)
    async with open_history(path, Retention(max_bytes=bound), clock) as history:
        noise = [
            Sample.of("cam-1", NOW - 20 * DAY + n * 20, {"t": dice.random(), "u": dice.random()}) for n in range(60_000)
        ]
        for start in range(0, len(noise), 20_000):
            await append(history, noise[start : start + 20_000])
            await history.settle()
        assert await history.bytes_used() <= bound
        newest = noise[-1].at
        assert 0 < await count(history, newest - 3600, newest + 1, 3600) <= 181
        assert await history.raw("cam-1", "t", noise[0].at, noise[100].at, 5) == []
    assert path.stat().st_size <= 2 * bound


async def test_late_rows_are_merged_into_the_blocks_they_hit_and_rollups_follow(tmp_path: Path) -> None:
    async with open_history(tmp_path / "h.db", clock=ManualClock(NOW)) as history:
        start = NOW - 10 * DAY
        await append(history, reports(start, 5000))
        await history.settle()
        late = [Sample.of("cam-1", start + 100_030 + n * 60, {"t": 99.0}) for n in range(50)]
        await append(history, late)
        assert await count(history, start, NOW, 200) == 5050  # merged while it is asked
        await history.settle()
        assert await count(history, start, NOW, 200) == 5050  # merged for good
        assert await count(history, start, NOW, 200, "n") == 5000
        await append(history, late)
        await history.settle()
        assert await count(history, start, NOW, 200) == 5050


async def test_a_device_that_reports_seldom_is_put_into_blocks_after_some_days(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with open_history(tmp_path / "h.db", Retention(rollup_days=400, raw_days=10), clock) as history:
        await append(history, reports(NOW - 5 * DAY, 20, step=3600))
        await history.settle()
        clock.move(30 * DAY)
        await history.settle()
        assert await history.raw("cam-1", "t", 0, NOW + DAY, 99) == []
        assert await count(history, NOW - 6 * DAY, NOW, 144) == 20


async def test_a_device_that_invents_metrics_does_not_grow_its_newest_values_without_bound(tmp_path: Path) -> None:
    async with open_history(tmp_path / "h.db", clock=ManualClock(NOW)) as history:
        await append(history, [Sample.of("cam-1", NOW - 5000 + n, {f"made_up_{n}": 1.0}) for n in range(1500)])
        await history.settle()
        assert len(await history.latest("cam-1")) == SHAPES_A_DEVICE
        assert "made_up_1499" in await history.latest("cam-1")


async def test_nothing_of_a_forgotten_device_is_left_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    async with open_history(path, clock=ManualClock(NOW)) as history:
        await append(history, reports(NOW - DAY, 1200, device="cam-secret"))
        await history.settle()
        await append(history, reports(NOW - 3600, 10, device="cam-secret"))
        await append(history, reports(NOW - 3600, 10))
        await history.forget("cam-secret")
        assert await history.fleet_latest("fixed") == {"cam-1": Latest(NOW - 3600 + 540, 25.0)}
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"cam-secret" not in left
    assert b"cam-1" in left


async def test_a_second_gateway_on_the_same_file_is_told_so(tmp_path: Path) -> None:
    async with open_history(tmp_path / "h.db", clock=ManualClock(NOW)):
        with pytest.raises(HistoryAway, match="in use; another gateway"):
            async with open_history(tmp_path / "h.db"):
                pass


async def test_a_file_that_is_no_history_is_refused_in_one_line(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"this is no database" * 100)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    for path, said in (
        (garbage, "damaged; restore it"),
        (newer, "format 99"),
        (tmp_path / "no" / "where.db", "unable to open"),
    ):
        with pytest.raises(HistoryAway, match=said) as caught:
            async with open_history(path):
                pass
        assert "\n" not in str(caught.value)


async def test_a_full_disk_is_said_and_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    async with open_history(tmp_path / "h.db", clock=ManualClock(NOW)) as history:
        await append(history, reports(NOW - DAY, 100))
        await history._run(lambda: history._store.file.run("PRAGMA max_page_count=30"))
        with pytest.raises(HistoryAway, match="full"):
            for _ in range(150):
                await history.append(1, reports(NOW - 3600, 1000, step=1))
        assert history.kept <= 1  # so the journal still has everything that came since
        with pytest.raises(HistoryAway, match="full"):
            await history.ready()
        taken = await count(history, NOW - 2 * DAY, NOW)
        await history._run(lambda: history._store.file.run("PRAGMA max_page_count=1000000"))
        await append(history, reports(NOW - 10, 5, step=0.5))
        assert await count(history, NOW - 2 * DAY, NOW) >= taken
        await history.settle()
        assert len(await history.raw("cam-1", "t", NOW - DAY, NOW - DAY + 6000, 1000)) == 100


async def test_an_error_of_the_caller_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_history(tmp_path / "h.db"):
            _ = 1 / 0
    async with open_history(tmp_path / "h.db") as history:
        with pytest.raises(ValueError, match="at least one column"):
            await history.series("cam-1", "t", 0, 1, 0)


CHILD = """
import asyncio, sys
from pathlib import Path
from gateway.ports.history import Sample
from gateway.storage.history import Retention, open_history
async def main():
    async with open_history(Path(sys.argv[1]), Retention(rollup_days=40000, raw_days=40000)) as history:
        async def settle():
            while True:
                await asyncio.sleep(0.01)
                await history.settle()
        async with asyncio.TaskGroup() as group:
            group.create_task(settle())
            start = number = int(sys.argv[2])
            while True:
                batch = range(number, number + 50)
                await history.append(number, [Sample.of("cam-1", 1e9 + n, {"t": n / 10}) for n in batch])
                number += 50
                print(history.kept * 50 + start, flush=True)
asyncio.run(main())
"""


def child(path: Path, number: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, str(path), str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


async def test_a_process_killed_at_random_moments_keeps_everything_that_was_said_to_be_kept(tmp_path: Path) -> None:
    path, dice, number = tmp_path / "h.db", random.Random(), 0
    for _ in range(4):
        with child(path, number) as process:
            assert process.stdout is not None
            said = [int(process.stdout.readline())]
            reader = threading.Thread(
                target=lambda p=process, s=said: s.extend(int(x) for x in p.stdout if x[-1] == "\n")
            )
            reader.start()
            time.sleep(dice.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            reader.join()
        number = said[-1]
        async with open_history(path, Retention(rollup_days=40_000, raw_days=40_000)) as history:
            found = await history.raw("cam-1", "t", 1e9, 1e9 + number, number + 1)
            assert [sample.value for sample in found] == [n / 10 for n in range(number)]
            assert await count(history, 1e9 - 1, 1e9 + number, 1) >= number
