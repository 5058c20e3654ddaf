"""The bench's store counts what came, whoever wrote it; what cannot be compared here is said."""

import asyncio
import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.bench import node_red, stores
from gateway.bench.sink import Sink
from gateway.commands import bench
from gateway.ports.history import Sample
from gateway.storage.influx import open_influx


async def test_the_store_counts_the_lines_that_our_gateway_writes() -> None:
    with stores.sink() as (url, count):
        async with open_influx(url, "bench", "siaga", "siaga") as history:
            await history.ready()
            await history.append(1, [Sample.of("cam-1", 1_795_255_200.0 + n, {"poe_w": 6.1}) for n in range(7)])
        assert await asyncio.to_thread(count) == 7


@pytest.mark.parametrize(("text", "lines"), [(b"", 0), (b"a x=1", 1), (b"a x=1\nb x=2", 2), (b"a x=1\nb x=2\n", 2)])
def test_lines_are_counted_packed_and_plain(text: bytes, lines: int) -> None:
    for body, headers in ((text, {}), (gzip.compress(text), {"content-encoding": "gzip"})):
        sink = Sink()
        assert sink.answer("POST /api/v2/write?bucket=b HTTP/1.1", headers, body).startswith(b"HTTP/1.1 204")
        assert sink.answer("GET /count HTTP/1.1", {}, b"").endswith(b"\r\n\r\n%d" % lines)


def test_every_wire_of_the_flow_leads_to_a_node_and_the_store_is_at_the_end() -> None:
    flow = node_red.flow(1883, "http://127.0.0.1:9/api/v2/write")
    nodes = {node["id"]: node for node in flow}
    assert len(nodes) == len(flow)
    at, road = "in", []
    while at:
        road.append(nodes[at]["type"])
        at = next(iter(next(iter(nodes[at]["wires"]), [])), "")
    assert road == ["mqtt in", "json", "function", "function", "http request"]
    assert nodes["in"]["broker"] in nodes
    assert nodes["in"]["qos"] == "1"


def test_what_the_flow_takes_and_refuses_is_what_our_edge_does(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    validate = next(node["func"] for node in node_red.flow(1, "") if node["id"] == "validate")
    script = tmp_path / "validate.js"
    script.write_text(
        f"const judge = new Function('msg', {json.dumps(validate)});\n"
        "const cases = JSON.parse(process.argv[2]);\n"
        "const said = cases.map(payload => judge({topic: 'siaga/v1/cam-1/telemetry', payload}));\n"
        "console.log(JSON.stringify(said.map(msg => msg && msg.payload.split(' ').slice(0, 2).join(' '))));\n"
    )
    good = {"v": 1, "boot": 1, "seq": 2, "metrics": {"poe_w": 6.1, "fps_actual": 25}}
    cases = [good, {**good, "v": 2}, {**good, "seq": -1}, {**good, "metrics": {"poe_w": "6"}}, {**good, "metrics": {}}]
    done = subprocess.run(["node", str(script), json.dumps(cases)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["telemetry,device=cam-1 poe_w=6.1,fps_actual=25", None, None, None, None]


def test_what_cannot_be_compared_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAGA_BENCH_NODE_RED", "")
    monkeypatch.setenv("PATH", "")
    assert node_red.executable() is None
    assert bench._left_out(["broker", "store"], {}) == [
        "two processes: this version runs as one",
        "mosquitto + paho: mosquitto is not installed",
        "Node-RED: no node-red on PATH or in SIAGA_BENCH_NODE_RED",
    ]
    assert bench._left_out(["stages"], {}) == []
