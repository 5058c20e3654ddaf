"""InfluxDB as the history: what it refuses, when it is away, and how it is set up. On a real 1.6 behind a proxy."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.clock import ManualClock, SystemClock
from gateway.ports.history import HistoryAway, Latest, Sample
from gateway.ports.ledger import Effects, JournalEntry, JournalKind
from gateway.storage.forwarder import Forwarder, Pace
from gateway.storage.influx import InfluxHistory, open_influx
from gateway.storage.influx.connection import Connection, Patience
from gateway.storage.influx.setup import Keep, Lacking, examine, mend
from gateway.storage.influx.setup_1 import downsampling
from tests.parts.influx import Proxy, real_address, set_up_influx
from tests.parts.stores import memory_stores
from tests.parts.victoria_metrics import running_victoria_metrics

pytestmark = pytest.mark.real
NOW = 1_763_700_000.0
KEEP = Keep(1000, 1000)
SHORT = Patience(write_ms=300, query_ms=300, ping_ms=300)


def report(number: int, device: str = "cam-1", **metrics: float) -> Sample:
    return Sample.of(device, NOW + number, metrics or {"t": number / 10, "u": 1.0})


@asynccontextmanager
async def store(
    influx: str, patience: Patience | None = None
) -> AsyncIterator[tuple[InfluxHistory, Proxy, ManualClock]]:
    clock = ManualClock(NOW)
    async with set_up_influx(influx, KEEP) as (address, proxy):
        opened = open_influx(*astuple(address), clock=clock, raw_days=1000, patience=patience)
        async with opened as history:
            yield history, proxy, clock


async def values(history: InfluxHistory, metric: str, device: str = "cam-1") -> list[float]:
    return [sample.value for sample in await history.raw(device, metric, NOW - 1e6, NOW + 1e6, 10**6)]


async def test_batches_go_out_compressed_and_at_most_five_thousand_lines_each(influx: str) -> None:
    async with store(influx) as (history, proxy, _):
        await history.append(1, [report(n) for n in range(12_000)])

        assert [status for status, _ in proxy.writes] == [204, 204, 204]
        assert set(proxy.encodings) == {"gzip"}
        assert len(await values(history, "t")) == 12_000


async def test_a_line_that_the_server_refuses_costs_itself_alone(influx: str) -> None:
    async def refuse(request: web.Request, body: bytes) -> web.Response | None:
        if b"cam-bad" in body:  # as 2.x does: nothing of the batch is kept
            return web.json_response(
                {"code": "invalid", "message": "unable to parse 'telemetry,device=cam-bad'"}, status=400
            )
        return None

    async with store(influx) as (history, proxy, _):
        proxy.fault = refuse
        batch = [report(n) for n in range(500)]
        batch[123] = report(123, "cam-bad", t=1.0)
        await history.append(1, batch)

        assert len(await values(history, "t")) == 499
        assert history.refused == 1
        assert len(proxy.writes) < 30


async def test_a_metric_whose_type_conflicts_in_the_store_costs_itself_alone_and_only_once_an_hour(influx: str) -> None:
    async with store(influx) as (history, proxy, clock):
        await asyncio.to_thread(history._connection.write, f"telemetry,device=other t=1i {int(NOW * 1000)}")
        proxy.writes.clear()

        await history.append(1, [report(n) for n in range(300)])
        assert await values(history, "u") == [1.0] * 300
        assert await values(history, "t") == []
        assert history.refused >= 300
        first = len(proxy.writes)
        assert first < 40

        await history.append(2, [report(n) for n in range(300, 600)])
        assert len(proxy.writes) == first + 1
        assert len(await values(history, "u")) == 600

        clock.move(3601)
        await history.append(3, [report(600)])
        assert len(proxy.writes) > first + 2


async def test_points_past_the_retention_are_counted_and_the_others_kept(influx: str) -> None:
    async with set_up_influx(influx, Keep(30, 400)) as (address, proxy):
        now = SystemClock().now()
        async with open_influx(*astuple(address)) as history:
            old = [Sample.of("cam-1", now - 50 * 86400 + n, {"t": 1.0}) for n in range(5)]
            await history.append(1, [*old, Sample.of("cam-1", now - 60, {"t": 2.0})])

            assert [s.value for s in await history.raw("cam-1", "t", now - 1e8, now, 10)] == [2.0]
            assert history.refused == 5
            assert len(proxy.writes) == 1


async def test_a_batch_that_is_too_large_for_the_server_is_split(influx: str) -> None:
    async def small_only(request: web.Request, body: bytes) -> web.Response | None:
        return web.json_response({"error": "Request Entity Too Large"}, status=413) if len(body) > 20_000 else None

    async with store(influx) as (history, proxy, _):
        proxy.fault = small_only
        await history.append(1, [report(n) for n in range(3000)])

        assert len(await values(history, "t")) == 3000
        assert history.refused == 0


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "120"}, 120),
        (503, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "Fri, 21 Nov 2025 10:01:00 GMT", "Date": "Fri, 21 Nov 2025 10:00:00 GMT"}, 60),
        (429, {"Retry-After": "999999"}, 3600),
        (503, {"Retry-After": "soon"}, 0),
        (503, {}, 0),
        (500, {}, 0),
        (502, {}, 0),
    ],
)
async def test_a_busy_server_is_asked_again_when_it_said(
    influx: str, status: int, headers: dict[str, str], seconds: float
) -> None:
    async def busy(request: web.Request, body: bytes) -> web.Response | None:
        return web.json_response({"message": "overloaded"}, status=status, headers=headers)

    async with store(influx) as (history, proxy, _):
        proxy.fault = busy
        with pytest.raises(HistoryAway, match=f"{status} overloaded") as caught:
            await history.append(1, [report(1)])
        assert caught.value.retry_after == seconds


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_token_is_said_with_what_to_check(influx: str, status: int) -> None:
    async def no(request: web.Request, body: bytes) -> web.Response | None:
        return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=status)

    async with store(influx) as (history, proxy, _):
        proxy.fault = no
        for call in (history.append(1, [report(1)]), history.latest("cam-1")):
            with pytest.raises(HistoryAway, match=r"unauthorized access .check history.token"):
                await call


async def test_a_missing_bucket_is_said_with_what_to_do(influx: str) -> None:
    async with store(influx) as (_, proxy, _), open_influx(proxy.url, "", "", "nowhere") as history:
        with pytest.raises(HistoryAway, match=r"not found.*siaga doctor --fix"):
            await history.append(1, [report(1)])
        with pytest.raises(HistoryAway, match=r"not found.*siaga doctor --fix"):
            await history.raw("cam-1", "t", NOW, NOW + 1, 1)


async def test_a_server_that_does_not_answer_or_is_not_there_is_away_and_says_so(influx: str) -> None:
    released = asyncio.Event()

    async def hang(request: web.Request, body: bytes) -> web.Response | None:
        await released.wait()
        return None

    async def cut(request: web.Request, body: bytes) -> web.Response | None:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with store(influx, SHORT) as (history, proxy, _):
        for fault in (hang, cut):
            proxy.fault = fault
            for call in (history.append(1, [report(1)]), history.latest("cam-1"), history.ready()):
                with pytest.raises(HistoryAway, match="is not reached"):
                    await call
        released.set()
        proxy.fault = None
        await history.ready()
    async with open_influx("http://127.0.0.1:9", "", "", "siaga", patience=SHORT) as history:
        with pytest.raises(HistoryAway, match=r"is not reached: .*refused"):
            await history.ready()


async def test_an_url_that_cannot_be_one_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        async with open_influx("influx:8086", "", "", "siaga"):
            pass


async def test_through_every_kind_of_trouble_each_sample_arrives_once(influx: str) -> None:
    dice = random.Random(7)
    troubles: list[str] = []

    async def trouble(request: web.Request, body: bytes) -> web.Response | None:
        kind = dice.choice(["fine", "fine", "429", "500", "cut", "hang", "lost answer"])
        troubles.append(kind)
        if kind in ("429", "500"):
            return web.json_response({"message": kind}, status=int(kind), headers={"Retry-After": "0"})
        if kind == "hang":
            await asyncio.sleep(0.5)
            return web.Response(status=503)
        if kind in ("cut", "lost answer"):
            if kind == "lost answer" and request.path == "/api/v2/write":
                proxy.fault = None
                await proxy.handle(request)
                proxy.fault = trouble
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return None

    def unpack(entry: JournalEntry) -> Sequence[Sample]:
        return [report(n) for n in json.loads(entry.payload)]

    async with store(influx, SHORT) as (history, proxy, _), asyncio.TaskGroup() as group:
        proxy.fault = trouble
        ledger = memory_stores().ledger
        pace = Pace(
            batch=10,
            journal_bytes=1,
            catch_up_per_second=1e6,
            linger_seconds=0,
            first_wait_seconds=0.001,
            longest_wait_seconds=0.01,
            poll_seconds=0.05,
        )
        forwarder = Forwarder(ledger, history, unpack, SystemClock(), pace=pace)
        task = group.create_task(forwarder.run())
        for batch in range(35):
            numbers = range(batch * 10, batch * 10 + 10)
            done = await ledger.commit(Effects(JournalKind.BATCH, NOW, 10, json.dumps([*numbers]).encode()))
            forwarder.offer(done.position, [report(n) for n in numbers])
            await asyncio.sleep(0.005)
        while (await ledger.backlog("history")).entries:  # noqa: ASYNC110 - a ledger has no event for it
            await asyncio.sleep(0.01)
        task.cancel()
        proxy.fault = None

        assert await values(history, "t") == [n / 10 for n in range(350)]
        assert {"429", "500", "cut", "hang", "lost answer"} <= set(troubles)


async def test_charts_beyond_the_samples_come_from_downsampled_data(influx: str) -> None:
    if real_address() is not None:
        pytest.skip("a 2.x task runs on the server's own clock: only the continuous query's text can be run at once")
    async with set_up_influx(influx, KEEP) as (address, _):
        clock = ManualClock(NOW + 40 * 86400)
        start = NOW // 3600 * 3600
        samples = [Sample.of("cam-1", start + n * 60, {"t": float(n % 7)}) for n in range(2000)]
        async with open_influx(*astuple(address), clock=clock, raw_days=1000) as history:
            await history.append(1, samples)
            from_samples = await history.series("cam-1", "t", start, start + 86400, 48)
        span = f"time >= {int(start * 1000)}ms AND time < {int((start + 2e5) * 1000)}ms"
        connection = Connection(address)
        await asyncio.to_thread(
            connection.query, downsampling(address.bucket, address.rollup_bucket, span), "", changes=True
        )
        connection.close()

        async with open_influx(*astuple(address), clock=clock, raw_days=30) as history:
            assert list(await history.series("cam-1", "t", start, start + 86400, 48)) == list(from_samples)
        clock = ManualClock(start + 30 * 86400 + 43_000)
        async with open_influx(*astuple(address), clock=clock, raw_days=30) as history:  # half of it is kept
            assert list(await history.series("cam-1", "t", start, start + 86400, 48)) == list(from_samples)


async def test_the_doctor_finds_what_is_missing_and_mends_it_once(influx: str) -> None:
    async with set_up_influx(influx, KEEP) as (address, _):
        other = replace(address, bucket=address.bucket + "_other")
        assert [lack.what for lack in await asyncio.to_thread(examine, other, KEEP)] == [Lacking.BUCKET] * 2

        mended = await asyncio.to_thread(mend, other, KEEP)
        assert {lack.what for lack in mended} >= {Lacking.BUCKET, Lacking.DOWNSAMPLING}
        assert await asyncio.to_thread(examine, other, KEEP) == []
        assert await asyncio.to_thread(mend, other, KEEP) == []

        (raw,) = await asyncio.to_thread(examine, other, Keep(30, 1000))
        assert raw.what is Lacking.RETENTION
        assert f"{other.bucket} keeps" in raw.text
        await asyncio.to_thread(mend, other, Keep(30, 1000))
        assert await asyncio.to_thread(examine, other, Keep(30, 1000)) == []


async def test_the_write_endpoint_of_influxdb_2_is_spoken_as_victoria_metrics_understands_it(tmp_path: Path) -> None:
    now = SystemClock().now() // 1
    with running_victoria_metrics(tmp_path) as url:
        async with open_influx(url, "token", "org", "siaga") as history:
            await history.append(
                1, [Sample.of("cam 1,a=b", now - n, {"soc_temp_c": n / 10, "u": 2.0}) for n in range(50)]
            )
            await history.ready()
        async with aiohttp.ClientSession() as session:
            await session.get(f"{url}/internal/force_flush")
            query = {"match[]": "telemetry_soc_temp_c", "start": str(now - 3600)}
            async with session.get(f"{url}/api/v1/export", params=query) as answer:
                exported = json.loads(await answer.text())

    assert exported["metric"]["device"] == "cam 1,a=b"
    assert dict(zip(exported["timestamps"], exported["values"], strict=True)) == {
        int((now - n) * 1000): n / 10 for n in range(50)
    }


async def test_the_newest_value_of_a_metric_seen_for_the_first_time_is_found_at_once(influx: str) -> None:
    async with store(influx) as (history, _, _):
        await history.append(1, [report(0, t=1.0)])
        await history.latest("cam-1")
        await history.append(2, [report(1, brand_new=2.0)])
        assert (await history.latest("cam-1"))["brand_new"] == Latest(NOW + 1, 2.0)
