"""Setting up an InfluxDB 2.x: the order of requests, on a stand-in for its HTTP API that keeps what it is given.

This proves what we ask for and that mending ends; that a real 2.x takes it is proved only with SIAGA_TEST_INFLUX_URL.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.ports.history import HistoryAway, Latest
from gateway.storage.influx import open_influx
from gateway.storage.influx.connection import Address, LinesRefused
from gateway.storage.influx.setup import Keep, Lacking, examine, mend
from gateway.storage.influx.setup_2 import downsampling


class InfluxTwo:
    """Organisations, buckets, mappings and tasks as 2.x answers with them."""

    def __init__(self, version: str = "v2.7.11", *, maps: bool = True, strict: bool = True) -> None:
        self.version = version
        self.strict = strict  # 404 for a name that nothing has, as 2.x answers for organisations and buckets
        self.maps = maps  # a virtual mapping for each bucket, as newer 2.x make
        self.kept: dict[str, list[dict[str, Any]]] = {"buckets": [], "tasks": [], "dbrps": []}
        self._ids = itertools.count(1)

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/ping":
            return web.Response(status=204, headers={"X-Influxdb-Version": self.version})
        if request.headers.get("Authorization") != "Token secret":
            return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
        kind = request.path.split("/")[3]
        if kind == "orgs":
            org = request.query["org"]
            return self._found("orgs", org, [{"id": "o1"}] if org == "siaga" else [])
        if request.method == "POST":
            made = {"id": str(next(self._ids)), **await request.json()}
            self.kept[kind].append(made)
            return web.json_response(made, status=201)
        if request.method == "PATCH":
            (found,) = [each for each in self.kept[kind] if each["id"] == request.path.split("/")[4]]
            found |= await request.json()
            return web.json_response(found)
        name = request.query.get("name") or request.query.get("db")
        if kind == "dbrps":
            virtual = [{"database": b["name"], "virtual": True} for b in self.kept["buckets"]] if self.maps else []
            found_ = [each for each in self.kept["dbrps"] + virtual if each["database"] == name]
            return web.json_response({"content": found_})
        named = [each for each in self.kept[kind] if name in (each.get("name"), _task_name(each.get("flux", "")))]
        return self._found(kind, str(name), named)

    def _found(self, kind: str, name: str, found: list[dict[str, Any]]) -> web.Response:
        if self.strict and not found and kind in ("orgs", "buckets"):
            return web.json_response({"code": "not found", "message": f'"{name}" not found'}, status=404)
        return web.json_response({kind: found})


def _task_name(flux: str) -> str:
    return flux.split('name: "', 1)[1].split('"', 1)[0] if "name: " in flux else ""


@asynccontextmanager
async def influx_two(server: InfluxTwo) -> AsyncIterator[Address]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Address(f"http://127.0.0.1:{runner.addresses[0][1]}", "secret", "siaga", "siaga")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("maps", [True, False])
async def test_buckets_mappings_and_the_task_are_made_once(maps: bool, strict: bool) -> None:
    server = InfluxTwo(maps=maps, strict=strict)
    async with influx_two(server) as address:
        found = await asyncio.to_thread(examine, address, Keep())
        assert [lack.what for lack in found] == [Lacking.BUCKET, Lacking.BUCKET]

        mended = [lack.what for lack in await asyncio.to_thread(mend, address, Keep())]
        mapped = [] if maps else [Lacking.MAPPING] * 2
        assert Counter(mended) == Counter([Lacking.BUCKET, Lacking.BUCKET, *mapped, Lacking.DOWNSAMPLING])
        assert await asyncio.to_thread(examine, address, Keep()) == []
        assert {b["name"]: b["retentionRules"][0]["everySeconds"] for b in server.kept["buckets"]} == {
            "siaga": 30 * 86400,
            "siaga_5m": 400 * 86400,
        }
        assert server.kept["tasks"][0]["flux"] == downsampling("siaga", "siaga_5m")


async def test_another_retention_and_a_stopped_task_are_mended() -> None:
    server = InfluxTwo()
    async with influx_two(server) as address:
        await asyncio.to_thread(mend, address, Keep())
        server.kept["tasks"][0]["status"] = "inactive"
        server.kept["buckets"][0]["retentionRules"] = []

        mended = await asyncio.to_thread(mend, address, Keep())

        assert [lack.what for lack in mended] == [Lacking.RETENTION, Lacking.DOWNSAMPLING]
        assert mended[0].text == "bucket siaga keeps everything and not 30 days"
        assert await asyncio.to_thread(examine, address, Keep()) == []


@pytest.mark.parametrize("strict", [True, False])
async def test_an_unknown_organisation_is_said(strict: bool) -> None:
    async with influx_two(InfluxTwo(strict=strict)) as address:
        other = Address(address.url, "secret", "nobody", "siaga")
        with pytest.raises(HistoryAway, match="no organisation 'nobody'"):
            await asyncio.to_thread(examine, other, Keep())


async def test_influxdb_3_is_told_what_it_cannot_do() -> None:
    async with influx_two(InfluxTwo("v3.2.0")) as address:
        (lack,) = await asyncio.to_thread(mend, address, Keep())
        assert (lack.what, lack.mend) == (Lacking.UNSUPPORTED, None)
        async with open_influx(address.url, "secret", "siaga", "siaga") as history:
            with pytest.raises(HistoryAway, match=r"3.2.0 cannot delete"):
                await history.forget("cam-1")


REFUSALS = {
    "1.x": ("partial write: points beyond retention policy dropped=3", 3, False),
    "2.x": (
        "failure writing points to database: partial write: dropped 350 points outside retention policy of duration "
        "72h0m0s - oldest point telemetry,device=cam-1 at 2026-08-26T03:26:38Z dropped because it violates a "
        "Retention Policy Lower Bound at 2026-09-02T09:04:10.7684903Z, newest point",
        350,
        False,
    ),
    "2.x types": (
        'failure writing points to database: partial write: field type conflict: input field "t" on measurement '
        '"telemetry" is type float, already exists as type string dropped=1',
        0,
        True,
    ),
    "3.x types": (
        "partial write of line protocol occurred; invalid column type for column 't', expected "
        "iox::column_type::field::string, got iox::column_type::field::float",
        0,
        True,
    ),
    "a bad line": ("unable to parse 'telemetry,device=cam-1 t=': missing field value", 0, False),
}


@pytest.mark.parametrize("said", REFUSALS.values(), ids=REFUSALS)
def test_what_each_version_says_of_lines_it_does_not_take_is_understood(said: tuple[str, int, bool]) -> None:
    reason, past_retention, field_conflict = said
    refused = LinesRefused(reason)
    assert (refused.past_retention, refused.field_conflict, refused.too_large) == (
        past_retention,
        field_conflict,
        False,
    )


async def test_influxdb_3_is_asked_one_statement_at_a_time_once_it_has_said_so() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        statement = request.query["q"]
        asked.append(statement)
        if ";" in statement:
            return web.json_response({"error": "must provide only one InfluxQl statement per query"}, status=400)
        if statement.startswith("SHOW"):
            series = {"columns": ["fieldKey", "fieldType"], "values": [["rssi_dbm", "float"], ["soc_temp_c", "float"]]}
        else:
            at = 1000 if "rssi_dbm" in statement else 2000
            series = {"columns": ["time", "v"], "values": [[at, -at / 100]]}
        return web.json_response({"results": [{"statement_id": 0, "series": [{"name": "telemetry", **series}]}]})

    app = web.Application()
    app.router.add_get("/query", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with open_influx(f"http://127.0.0.1:{runner.addresses[0][1]}", "", "", "siaga") as history:
            wanted = {"rssi_dbm": Latest(1.0, -10.0), "soc_temp_c": Latest(2.0, -20.0)}
            assert await history.latest("cam-1") == wanted
            assert await history.latest("cam-1") == wanted
    finally:
        await runner.cleanup()
    assert sum(";" in statement for statement in asked) == 1
