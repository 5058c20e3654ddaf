"""Node-RED doing what the gateway does up to the store, to compare with: MQTT at QoS 1, JSON, validation, batches of
lines, HTTP. Without rules, tickets or a journal, and it acknowledges before anything is stored.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.bench.processes import free_port, process

BATCH: Final = 500
FLUSH_MS: Final = 100

_VALIDATE: Final = """
const said = msg.payload;
if (said === null || typeof said !== "object" || said.v !== 1) return null;
if (!Number.isInteger(said.boot) || !Number.isInteger(said.seq) || said.boot < 0 || said.seq < 0) return null;
const names = Object.keys(said.metrics || {});
if (names.length === 0 || names.length > 100) return null;
const fields = [];
for (const name of names) {
  const value = said.metrics[name];
  if (!/^[a-z][a-z0-9_]{0,47}$/.test(name) || typeof value !== "number" || !(Math.abs(value) <= 1e15)) return null;
  fields.push(name + "=" + value);
}
msg.payload = "telemetry,device=" + msg.topic.split("/")[2] + " " + fields.join(",") + " " + Date.now();
return msg;
"""
_BATCH: Final = """
const lines = context.get("lines");
lines.push(msg.payload);
if (lines.length < %d) return null;
context.set("lines", []);
return {payload: lines.join("\\n")};
"""
_START: Final = """
context.set("lines", []);
context.set("timer", setInterval(() => {
  const lines = context.get("lines");
  if (lines.length) { context.set("lines", []); node.send({payload: lines.join("\\n")}); }
}, %d));
"""
_SETTINGS: Final = """
module.exports = { uiHost: "127.0.0.1", httpAdminRoot: false, httpNodeRoot: false, flowFile: "flows.json",
  credentialSecret: false, logging: { console: { level: "warn" } } };
"""


def executable() -> str | None:
    """The program: named by SIAGA_BENCH_NODE_RED, or on the PATH; None where there is none."""
    return os.environ.get("SIAGA_BENCH_NODE_RED") or shutil.which("node-red")


def flow(broker_port: int, url: str) -> list[dict[str, Any]]:
    """The flow, as Node-RED keeps flows. `url` is the store's write endpoint."""
    place = {"z": "flow", "x": 0, "y": 0}
    return [
        {"id": "flow", "type": "tab", "label": "telemetry to the store"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(broker_port),
            "clientid": "node-red",
            "autoConnect": True,
            "usetls": False,
            "protocolVersion": "5",
            "keepalive": "60",
            "cleansession": True,
        },
        {
            "id": "in",
            "type": "mqtt in",
            "topic": "siaga/v1/+/telemetry",
            "qos": "1",
            "datatype": "utf8",
            "broker": "broker",
            "inputs": 0,
            "wires": [["json"]],
            **place,
        },
        {"id": "json", "type": "json", "property": "payload", "action": "obj", "wires": [["validate"]], **place},
        {
            "id": "validate",
            "type": "function",
            "func": _VALIDATE,
            "outputs": 1,
            "initialize": "",
            "finalize": "",
            "libs": [],
            "wires": [["batch"]],
            **place,
        },
        {
            "id": "batch",
            "type": "function",
            "func": _BATCH % BATCH,
            "outputs": 1,
            "initialize": _START % FLUSH_MS,
            "finalize": 'clearInterval(context.get("timer"));',
            "libs": [],
            "wires": [["write"]],
            **place,
        },
        {
            "id": "write",
            "type": "http request",
            "method": "POST",
            "ret": "txt",
            "paytoqs": "ignore",
            "url": url,
            "persist": True,
            "insecureHTTPParser": False,
            "authType": "",
            "senderr": False,
            "headers": [],
            "wires": [[]],
            **place,
        },
    ]


@contextlib.contextmanager
def running(program: str, folder: Path, broker_port: int, url: str) -> Iterator[Any]:
    """Node-RED with that flow on core 0, subscribed; yields its process. OSError if it does not come up."""
    (folder / "flows.json").write_text(json.dumps(flow(broker_port, url)))
    (folder / "settings.js").write_text(_SETTINGS)
    command = [program, "--userDir", str(folder), "--port", str(free_port()), "--settings", str(folder / "settings.js")]
    with process(*command, core=0) as child:
        # It says nothing when it is ready; what it does first is done after a few seconds.
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise OSError(f"{program} ended at once")
            time.sleep(0.2)
        yield child
