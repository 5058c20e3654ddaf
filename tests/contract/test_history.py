"""Every history adapter is held to the same promises."""

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.ports.history import Column, History, Latest, Sample, chart_grid, to_ms
from gateway.storage.history import EmbeddedHistory, Retention, open_history
from gateway.storage.history_memory import MemoryHistory
from gateway.storage.influx import open_influx
from gateway.storage.influx.setup import Keep
from tests.parts.influx import set_up_influx

START = 1_763_700_000.0  # not on an hour: grids have to cope
HOUR = 3600.0
DAY = 86400.0
KEEP = Retention(rollup_days=1000, raw_days=1000)
Opening = Callable[[], AbstractAsyncContextManager[History]]


@asynccontextmanager
async def _memory() -> AsyncIterator[History]:
    yield MemoryHistory()


@pytest.fixture(params=["memory", "embedded", pytest.param("influx", marks=pytest.mark.real)])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    if request.param == "memory":
        return _memory
    if request.param == "influx":
        return request.getfixturevalue("influx_history")
    return lambda: open_history(tmp_path / "history.db", KEEP, ManualClock(START + 400 * DAY))


@pytest.fixture
def influx_history(influx: str) -> Opening:
    @asynccontextmanager
    async def opened() -> AsyncIterator[History]:
        async with set_up_influx(influx, Keep(1000, 1000)) as (address, _):
            clock = ManualClock(START + 400 * DAY)
            async with open_influx(*astuple(address), clock=clock, raw_days=1000) as history:
                yield history

    return opened


class Oracle:
    """What a history has to answer, worked out the slow and plain way."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))

    def append(self, samples: list[Sample]) -> None:
        for sample in samples:
            for name, value in sample.metrics.items():
                self.values[sample.device_id][name][to_ms(sample.at)] = value

    def series(self, device: str, metric: str, start: float, end: float, columns: int) -> list[Column]:
        grid = chart_grid(start, end, columns)
        found = []
        for index in range(grid.columns):
            low = grid.start_ms + index * grid.width_ms
            own = [v for at, v in self.values[device][metric].items() if low <= at < low + grid.width_ms]
            if own:
                found.append(Column(low / 1000, min(own), math.fsum(own) / len(own), max(own), len(own)))
        return found

    def raw(self, device: str, metric: str, start: float, end: float, limit: int) -> list[Latest]:
        series = self.values[device][metric]
        times = sorted(at for at in series if to_ms(start) <= at < to_ms(end))
        return [Latest(at / 1000, series[at]) for at in times[:limit]]

    def latest(self, device: str) -> dict[str, Latest]:
        known = self.values[device].items()
        return {name: Latest(max(series) / 1000, series[max(series)]) for name, series in known if series}


def same(found: list[Column], expected: list[Column]) -> None:
    assert [(c.start, c.minimum, c.maximum, c.count) for c in found] == [
        (c.start, c.minimum, c.maximum, c.count) for c in expected
    ]
    assert [c.mean for c in found] == pytest.approx([c.mean for c in expected], rel=1e-9, abs=1e-9)


def report(at: float, device: str = "cam-1", **metrics: float) -> Sample:
    return Sample.of(device, START + at, metrics)


async def _settle(history: History) -> None:
    if isinstance(history, EmbeddedHistory):
        await history.settle()


async def test_what_was_appended_is_charted_with_extremes_and_mean(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(0, t=10.0), report(30, t=20.0), report(90, t=5.5)])

        columns = await history.series("cam-1", "t", START, START + 120, 2)

        same(list(columns), [Column(START, 10.0, 15.0, 20.0, 2), Column(START + 60, 5.5, 5.5, 5.5, 1)])


async def test_columns_without_a_sample_are_left_out(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(5, t=1.0), report(995, t=2.0)])

        columns = await history.series("cam-1", "t", START, START + 1000, 100)

        assert [column.start - START for column in columns] == [0, 990]


async def test_the_same_batch_twice_is_there_once(opening: Opening) -> None:
    async with opening() as history:
        batch = [report(at, t=float(at), u=1.0) for at in range(0, 600, 60)]
        await history.append(1, batch)
        await history.append(1, batch)
        await _settle(history)
        await history.append(2, batch)

        (column,) = await history.series("cam-1", "t", START, START + 590, 1)

        assert (column.count, column.minimum, column.maximum) == (10, 0.0, 540.0)
        assert len(await history.raw("cam-1", "u", START, START + 600, 100)) == 10


async def test_of_two_values_for_one_time_the_later_written_stays(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(0, t=1.0, u=7.0)])
        await _settle(history)
        await history.append(2, [report(0, t=2.0)])

        assert await history.raw("cam-1", "t", START, START + 1, 10) == [Latest(START, 2.0)]
        assert await history.latest("cam-1") == {"t": Latest(START, 2.0), "u": Latest(START, 7.0)}


async def test_late_data_is_charted_where_it_belongs_and_does_not_become_the_latest(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(at, t=1.0) for at in range(0, 7200, 60)])
        await _settle(history)
        await history.append(2, [report(30, t=99.0), report(-3600, t=50.0)])

        columns = await history.series("cam-1", "t", START, START + 120, 2)

        assert [(column.maximum, column.count) for column in columns] == [(99.0, 2), (1.0, 1)]
        assert (await history.latest("cam-1"))["t"] == Latest(START + 7140, 1.0)
        assert (await history.raw("cam-1", "t", START - DAY, START + DAY, 1))[0] == Latest(START - 3600, 50.0)


async def test_raw_samples_come_oldest_first_up_to_the_limit_and_without_the_end(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(at, t=float(at)) for at in (30, 10, 20, 0, 40)])

        assert [s.value for s in await history.raw("cam-1", "t", START + 10, START + 40, 2)] == [10.0, 20.0]
        assert [s.value for s in await history.raw("cam-1", "t", START + 10, START + 40, 9)] == [10.0, 20.0, 30.0]


async def test_unknown_devices_metrics_and_empty_ranges_answer_with_nothing(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(0, t=1.0)])

        assert list(await history.series("cam-2", "t", START, START + 60, 10)) == []
        assert list(await history.series("cam-1", "nope", START, START + 60, 10)) == []
        assert list(await history.series("cam-1", "t", START + 60, START, 10)) == []
        assert list(await history.raw("cam-1", "nope", START, START + 60, 10)) == []
        assert await history.latest("cam-2") == {}
        assert await history.fleet_latest("nope") == {}


async def test_the_newest_values_of_a_device_and_of_the_fleet(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(0, t=1.0, u=2.0), report(10, "cam-2", t=3.0)])
        await _settle(history)
        await history.append(2, [report(60, t=4.0), report(5, "cam-2", u=9.0)])

        assert await history.latest("cam-1") == {"t": Latest(START + 60, 4.0), "u": Latest(START, 2.0)}
        assert await history.fleet_latest("t") == {"cam-1": Latest(START + 60, 4.0), "cam-2": Latest(START + 10, 3.0)}
        assert await history.fleet_latest("u") == {"cam-1": Latest(START, 2.0), "cam-2": Latest(START + 5, 9.0)}


async def test_a_forgotten_device_is_gone_and_the_others_stay(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(0, t=1.0), report(0, "cam-2", t=2.0)])
        await _settle(history)
        await history.append(2, [report(60, t=1.0), report(60, "cam-2", t=2.0)])

        await history.forget("cam-1")

        assert list(await history.series("cam-1", "t", START, START + 120, 2)) == []
        assert await history.latest("cam-1") == {}
        assert len(await history.raw("cam-2", "t", START, START + 120, 9)) == 2


async def test_a_device_can_come_back_after_it_was_forgotten(opening: Opening) -> None:
    async with opening() as history:
        await history.append(1, [report(0, t=1.0)])
        await history.forget("cam-1")
        await history.append(2, [report(60, t=5.0)])

        assert await history.latest("cam-1") == {"t": Latest(START + 60, 5.0)}


async def test_names_with_odd_characters_are_only_names(opening: Opening) -> None:
    odd = ["a b", "a,b", "a=b", 'q"uote', "back\\slash", "ünï", "'; DROP TABLE x --", "time"]
    async with opening() as history:
        await history.append(1, [Sample.of("cam-1", START, {name: float(i) for i, name in enumerate(odd)})])

        for index, name in enumerate(odd):
            if name != "time":
                assert await history.raw("cam-1", name, START, START + 1, 9) == [Latest(START, float(index))], name


async def test_a_long_chart_agrees_with_the_samples_column_by_column(opening: Opening) -> None:
    oracle = Oracle()
    async with opening() as history:
        samples = [report(i * 600.0, t=round(20 + 5 * math.sin(i / 20), 1), n=float(i)) for i in range(3000)]
        oracle.append(samples)
        for start in range(0, 3000, 500):
            await history.append(start + 1, samples[start : start + 500])
        await _settle(history)
        for days, columns in ((20, 300), (20, 20), (7, 200), (3, 600), (1, 24)):
            for metric in ("t", "n"):
                asked = ("cam-1", metric, START + 0.5 * DAY, START + days * DAY, columns)
                same(list(await history.series(*asked)), oracle.series(*asked))


async def test_a_ready_history_says_nothing(opening: Opening) -> None:
    async with opening() as history:
        await history.ready()


values = st.one_of(
    st.integers(-500, 500).map(lambda n: n / 10),
    st.sampled_from([0.0, 25.0]),
    st.floats(-1e15, 1e15, allow_nan=False, allow_subnormal=False),
)
reports = st.builds(
    lambda device, at, metrics: Sample.of(device, START + at, metrics),
    st.sampled_from(["cam-1", "cam-2"]),
    st.one_of(st.integers(0, 40).map(lambda n: n * 300.0), st.integers(0, 12_000_000).map(lambda ms: ms / 1000)),
    st.dictionaries(st.sampled_from(["t", "u", "v"]), values, min_size=0, max_size=3),
)
steps = st.lists(st.one_of(st.lists(reports, max_size=12), st.just("settle")), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, columns=st.integers(1, 60), cut=st.integers(0, 4000))
def test_late_duplicate_and_disordered_samples_in_any_interleaving_chart_as_if_they_had_come_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[Sample] | str], columns: int, cut: int
) -> None:
    async def check() -> None:
        oracle = Oracle()
        path = tmp_path_factory.mktemp("history") / "history.db"
        opened = open_history(path, KEEP, ManualClock(START + 400 * DAY))
        async with _memory() as memory, opened as embedded:
            for position, step in enumerate(steps):
                if isinstance(step, str):
                    await embedded.settle()
                else:
                    oracle.append(step)
                    await memory.append(position, step)
                    await embedded.append(position, step)
            for history in (memory, embedded):
                for device in ("cam-1", "cam-2"):
                    assert await history.latest(device) == oracle.latest(device)
                    for metric in ("t", "u", "v"):
                        asked = (device, metric, START + cut, START + 12_000, columns)
                        same(list(await history.series(*asked)), oracle.series(*asked))
                        assert list(await history.raw(*asked)) == oracle.raw(*asked)

    asyncio.run(check())


@pytest.mark.real
async def test_a_real_influxdb_charts_disordered_samples_as_if_they_had_come_in_order(influx_history: Opening) -> None:
    dice = random.Random(11)
    async with influx_history() as history:
        for round_ in range(12):
            oracle, device = Oracle(), f"cam-{round_}"
            for position in range(dice.randrange(1, 6)):
                batch = [
                    Sample.of(
                        device,
                        START + dice.choice([dice.randrange(40) * 300, dice.randrange(12_000_000) / 1000]),
                        {name: dice.choice([dice.randrange(-50, 50) / 10, dice.uniform(-1e9, 1e9)]) for name in "tu"},
                    )
                    for _ in range(dice.randrange(1, 12))
                ]
                repeated = batch[: len(batch) // 2] if dice.random() < 0.5 else []
                oracle.append(batch + repeated)
                await history.append(position, batch + repeated)
            assert await history.latest(device) == oracle.latest(device)
            for metric in "tu":
                asked = (device, metric, START + dice.randrange(4000), START + 12_000, dice.randrange(1, 60))
                same(list(await history.series(*asked)), oracle.series(*asked))
                assert list(await history.raw(*asked)) == oracle.raw(*asked)
