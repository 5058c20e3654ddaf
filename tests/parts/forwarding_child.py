"""A process that commits reports and forwards them to an embedded history, to be killed at any moment.

forwarding_child.py FOLDER RUN     commit batches for ever, printing how many reports are committed
forwarding_child.py FOLDER finish  forward what is left, then stop
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.clock import SystemClock
from gateway.ports.history import Sample
from gateway.ports.ledger import Effects, JournalEntry, JournalKind
from gateway.storage.database import open_database
from gateway.storage.forwarder import Forwarder, Pace
from gateway.storage.history import EmbeddedHistory, Retention, open_history
from gateway.storage.ledger import SqlLedger

START = 1_763_700_000.0
KEEP = Retention(rollup_days=40_000, raw_days=40_000)
BATCH = 20


def report(run: str, number: int) -> Sample:
    return Sample.of(f"cam-{run}", START + number, {"t": number / 10, "n": float(number), "constant": 25.0})


def unpack(entry: JournalEntry) -> Sequence[Sample]:
    return [report(run, number) for run, number in json.loads(entry.payload)]


async def produce(run: str, ledger: SqlLedger, forwarder: Forwarder) -> None:
    number = 0
    while True:
        numbers = range(number, number + BATCH)
        payload = json.dumps([[run, each] for each in numbers]).encode()
        done = await ledger.commit(Effects(JournalKind.BATCH, SystemClock().now(), BATCH, payload))
        forwarder.offer(done.position, [report(run, each) for each in numbers])
        number += BATCH
        print(number, flush=True)


async def settle(history: EmbeddedHistory) -> None:
    while True:
        await asyncio.sleep(0.03)
        await history.settle()


async def finish(ledger: SqlLedger) -> None:
    while (await ledger.backlog("history")).entries:  # noqa: ASYNC110 - a ledger has no event for it
        await asyncio.sleep(0.02)


async def main(folder: Path, run: str) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(f"sqlite:///{folder}/ledger.db"))
        history = await stack.enter_async_context(open_history(folder / "history.db", KEEP))
        ledger = SqlLedger(database, lambda _: 0.0)
        pace = Pace(linger_seconds=0.01, catch_up_per_second=1e6, poll_seconds=0.05)
        forwarder = Forwarder(ledger, history, unpack, SystemClock(), pace=pace)
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(forwarder.run()), group.create_task(settle(history))]
            if run == "finish":
                await finish(ledger)
            else:
                await produce(run, ledger, forwarder)
            for other in others:
                other.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
