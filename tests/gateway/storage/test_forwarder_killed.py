"""kill -9 anywhere between commit and history: every committed report is in the history exactly once."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.storage.history import open_history
from tests.parts import forwarding_child
from tests.parts.forwarding_child import KEEP, START

ROOT = Path(__file__).parents[3]


def child(folder: Path, run: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", forwarding_child.__file__, str(folder), run]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})


def run_and_kill(folder: Path, run: str, seconds: float) -> int:
    """How many reports the child said were committed before it was killed at some moment after the first."""
    with child(folder, run) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline())]
        reader = threading.Thread(
            target=lambda: said.extend(int(line) for line in process.stdout if line.endswith("\n"))
        )
        reader.start()
        time.sleep(seconds)
        process.kill()
        reader.join()
    return said[-1]


async def check(folder: Path, seed: int, kills: int) -> None:
    random_ = random.Random(seed)
    committed = {str(k): run_and_kill(folder, str(k), random_.uniform(0.0, 0.5)) for k in range(kills)}
    with child(folder, "finish") as process:
        assert process.wait(60) == 0

    async with open_history(folder / "history.db", KEEP) as history:
        for run, said in committed.items():
            found = await history.raw(f"cam-{run}", "n", START - 1, START + 10**7, 10**7)
            assert [int(sample.value) for sample in found] == list(range(len(found)))
            assert len(found) >= said
            charted = await history.series(f"cam-{run}", "t", START, START + 10**7, 100)
            assert sum(column.count for column in charted) == len(found)
        print(f"kills {kills}, reports committed {sum(committed.values())}, lost 0, doubled 0")


async def test_a_gateway_killed_at_random_moments_forwards_every_report_once(tmp_path: Path) -> None:
    await check(tmp_path, random.randrange(10**6), kills=3)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(4))
async def test_a_gateway_killed_again_and_again_forwards_every_report_once(tmp_path: Path, seed: int) -> None:
    await check(tmp_path, seed, kills=12)
