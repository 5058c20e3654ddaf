"""Backtests over stored telemetry: whole sites, a bounded stretch at a time, in the background with progress."""

import asyncio
from dataclasses import replace

import pytest

from diagnostics.backtest import Verdict
from diagnostics.rule_file import parse_rules
from diagnostics.topology import Device
from gateway.commands.rules_backtest import report, span
from gateway.ports.history import HistoryAway, Sample
from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.rules import replay
from gateway.rules.desk import RuleRefused
from gateway.rules.jobs import Backtests, as_json, from_json
from gateway.rules.replay import backtest, chosen, groups, rows
from gateway.storage.history_memory import MemoryHistory
from gateway.storage.memory import MemoryRegistry
from tests.gateway.rules.desks import CATALOGUE, DAY, HOT, HOTTER, NOW, Room

DEVICES = [Device(f"cam-{number:02}", "camera", f"m{number % 2}", f"s{number // 4}") for number in range(20)]


async def history(devices=DEVICES, days: int = 10) -> MemoryHistory:
    """Hourly: 60 degrees; every fifth device has two hours of 84 on the seventh day."""
    made = MemoryHistory()
    for number, device in enumerate(devices):
        for hour in range(days * 24):
            hot = number % 5 == 0 and 150 <= hour < 152
            at = NOW - days * DAY + hour * 3600
            values = {"soc_temp_c": 84.0 if hot else 60.0, "cpu_pct": 10.0}
            await made.append(1, [Sample.of(device.device_id, at, values)])
    return made


async def done(job) -> None:
    async with asyncio.timeout(20):
        while job.running:  # noqa: ASYNC110 - pages ask it so too
            await asyncio.sleep(0.01)


def test_a_sample_is_made_of_whole_sites_and_is_the_same_each_time() -> None:
    assert {it.device_id for it in chosen(DEVICES, "", 0)} == {it.device_id for it in DEVICES}
    some = chosen(DEVICES, "", 9)
    assert (len(some), len({it.site_id for it in some})) == (8, 2)
    assert some == chosen(list(reversed(DEVICES)), "", 9)
    assert len(chosen(DEVICES, "", 3)) == 3, "a site larger than the sample is cut"
    assert [it.device_id for it in chosen(DEVICES, "cam-1?", 0)] and len(chosen(DEVICES, "m1", 0)) == 10
    assert len(chosen(DEVICES, "s2", 0)) == 4
    assert chosen(DEVICES, "nothing", 0) == []


def test_devices_are_replayed_with_their_neighbours(monkeypatch) -> None:
    monkeypatch.setattr(replay, "GROUP", 6)
    parts = groups(chosen(DEVICES, "", 0))
    assert [len(part) for part in parts] == [8, 8, 4]
    assert not {it.site_id for it in parts[0]} & {it.site_id for it in parts[1]}


@pytest.mark.parametrize("values", [20, 700, 100_000])
async def test_however_little_is_held_at_a_time_every_row_comes_once_and_in_order(monkeypatch, values) -> None:
    stored = await history(DEVICES[:4])
    whole = [
        it async for part in rows(stored, DEVICES[:4], {"soc_temp_c", "cpu_pct"}, NOW - 20 * DAY, NOW) for it in part
    ]
    monkeypatch.setattr(replay, "VALUES", values)
    parts = [part async for part in rows(stored, DEVICES[:4], {"soc_temp_c", "cpu_pct"}, NOW - 20 * DAY, NOW)]
    assert [it for part in parts for it in part] == whole
    assert len(whole) == 4 * 240
    assert [(it.at, it.device_id) for it in whole] == sorted((it.at, it.device_id) for it in whole)
    assert [part async for part in rows(stored, DEVICES, {"fan_rpm"}, 0, NOW)] == []


async def test_the_diff_says_which_tickets_come_go_and_move() -> None:
    old, new = (parse_rules(text, "x", CATALOGUE) for text in (HOT, HOT.replace("limit = 82", "limit = 86")))
    stored, told = await history(), []
    result = await backtest(old, new, CATALOGUE, stored, DEVICES, 50, NOW - 5 * DAY, NOW, told.append)
    assert [(it.rule, it.before, it.after, it.verdicts) for it in result.tallies] == [("hot", 4, 0, {Verdict.LOST: 4})]
    assert (result.devices, result.fleet, len(result.differences), result.left_out) == (20, 50, 4, 0)
    assert result.device_months == pytest.approx(20 * 5 / 30)
    assert (told[-1].devices, told[-1].of, told[-1].reports) == (20, 20, result.reports)
    assert from_json(as_json(result)) == result
    assert from_json("") is None
    assert from_json('{"of": "another version"}') is None
    text = "\n".join(report(result))
    assert "hot                                4       0" in text
    assert "lost" in text
    same = await backtest(old, old, CATALOGUE, stored, DEVICES, 20, NOW - DAY, NOW)
    assert (same.reports, same.tallies) == (0, ())
    assert "nothing of these metrics" in "\n".join(report(same))
    many = replace(result, differences=result.differences * 20, left_out=7)
    assert "... and 47 more" in "\n".join(report(many))


async def test_a_backtest_in_the_background_is_kept_with_its_draft_and_an_outage_is_told() -> None:
    room, registry = Room(), MemoryRegistry()
    await room.start()
    known = [RegisteredDevice(it.device_id, "", it.kind, it.model, it.site_id) for it in DEVICES]
    known.append(RegisteredDevice("gone", "", "camera", "m", "s0", status=DeviceStatus.RETIRED))
    await registry.put([Customer("c", "C", "en", "UTC")], [Site(f"s{n}", "c", "S", "UTC") for n in range(5)], known)
    stored = await history()
    tests = Backtests(room.desk, stored, registry, room.clock)
    draft = await room.desk.begin("hot", "", "dewi", NOW)
    draft = await room.desk.write(draft.draft_id, 1, HOTTER.replace("83", "84.5"), NOW)
    first = await room.desk.newest()
    job = tests.begin(draft.text, first, 5, "", draft_id=draft.draft_id, version=draft.version)
    assert tests.of_draft(draft.draft_id, 2) is job
    assert tests.get(job.job_id) is job
    for days in (0.0, 1e9, float("nan")):
        with pytest.raises(RuleRefused, match="days"):
            tests.begin(draft.text, first, days, "")

    class Away(MemoryHistory):
        async def latest(self, device_id):
            raise HistoryAway("the store is away")

    class Broken(MemoryHistory):
        async def latest(self, device_id):
            raise RuntimeError("a defect")

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(tests.run())
        await done(job)
        working.cancel()
    assert job.result is not None
    assert [(it.before, it.after) for it in job.result.tallies] == [(4, 0)]
    kept = await room.book.draft(draft.draft_id)
    assert kept is not None
    assert from_json(kept.backtest) == job.result
    for store, said in ((Away(), "the store is away"), (Broken(), "it failed: RuntimeError")):
        tests = Backtests(room.desk, store, registry, room.clock)
        bad = tests.begin(draft.text, first, 5, "")
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(tests.run())
            await done(bad)
            working.cancel()
        assert bad.problem == said


async def test_a_backtest_says_how_much_of_the_time_history_knows_and_of_how_many_devices() -> None:
    old, new = (parse_rules(text, "x", CATALOGUE) for text in (HOT, HOT.replace("limit = 82", "limit = 86")))
    stored = await history(DEVICES[:8], days=4)
    result = await backtest(old, new, CATALOGUE, stored, DEVICES, 20, NOW - 30 * DAY, NOW)
    assert (result.heard, result.first_at) == (8, NOW - 4 * DAY)
    assert (result.judged_s, result.warm_s) == (4 * DAY, 0.0)
    assert "Stored history begins" in "\n".join(report(result))
    whole = await backtest(old, new, CATALOGUE, stored, DEVICES, 20, NOW - 2 * DAY, NOW)
    assert (whole.judged_s, whole.warm_s) == (2 * DAY, whole.lookback_s)
    assert "Stored history begins" not in "\n".join(report(whole))


async def test_so_much_at_once_that_the_storm_guard_steps_in_is_counted_and_no_ticket() -> None:
    old, new = (parse_rules(text, "x", CATALOGUE) for text in (HOT.replace("limit = 82", "limit = 90"), HOT))
    many = [Device(f"cam-{number:03}", "camera", "m", f"s{number // 4}") for number in range(100)]
    result = await backtest(old, new, CATALOGUE, await history(many), many, 100, NOW - 5 * DAY, NOW)
    assert result.storms == (0, 1)
    assert result.tallies[0].rule == "hot"
    assert result.tallies[0].after < 20
    assert {it.ticket.rule for it in result.differences} == {"hot@1"}
    assert "storm" in "\n".join(report(result))


async def test_a_backtest_that_waits_or_runs_is_cancelled_and_a_new_one_of_its_draft_takes_its_place() -> None:
    room, registry = Room(), MemoryRegistry()
    first = await room.start()
    known = [RegisteredDevice(it.device_id, "", it.kind, it.model, it.site_id) for it in DEVICES]
    await registry.put([Customer("c", "C", "en", "UTC")], [Site(f"s{n}", "c", "S", "UTC") for n in range(5)], known)
    stored = await history()
    begun = asyncio.Event()

    class Slow(MemoryHistory):
        async def latest(self, device_id):
            begun.set()
            await asyncio.sleep(0)
            return await stored.latest(device_id)

        raw = stored.raw

    tests = Backtests(room.desk, Slow(), registry, room.clock)
    running, waiting = (tests.begin(HOTTER, first, 5, "", draft_id=name, version=1) for name in ("a", "b"))
    assert (tests.ahead(running), tests.ahead(waiting)) == (0, 1)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(tests.run())
        await begun.wait()
        assert running.begun_at == NOW
        again = tests.begin(HOTTER, first, 5, "", draft_id="a", version=2)
        waiting.cancel()
        await done(again)
        working.cancel()
    assert (running.problem, waiting.problem, waiting.begun_at) == ("it was cancelled", "it was cancelled", 0.0)
    assert again.result is not None
    assert again.progress.share == 1.0
    again.cancel()
    assert again.problem == "", "what is done stays done"
    nobody = tests.begin(HOTTER, first, 5, "nobody-*")
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(tests.run())
        await done(nobody)
        working.cancel()
    assert nobody.problem == "no device, model or site is like 'nobody-*'"


def test_the_time_to_look_at_is_days_or_dates() -> None:
    assert span("", "", 2, NOW) == (NOW - 2 * DAY, NOW)
    assert span("2026-11-01", "2026-11-02T12:00", 9, NOW) == (1793491200.0, 1793620800.0)
    for wrong in (("2026-13-01", "", 1), ("2027-01-01", "", 1), ("", "", 0)):
        with pytest.raises(ValueError, match=r"date|before"):
            span(*wrong, NOW)
