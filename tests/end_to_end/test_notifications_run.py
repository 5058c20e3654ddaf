"""`siaga run` tells on-call of a ticket within seconds of the report that opened it, signed."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from gateway.notify.signing import secret_of, signature
from tests.end_to_end.test_run import add_device, publish, until
from tests.parts.gateway_process import GatewayProcess
from tests.parts.rule_texts import HOT_HEAD

pytestmark = pytest.mark.real
SECRET = "whsec_" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
HOT = (
    HOT_HEAD
    + """direction = "above"
steps = [{ severity = "high", limit = 82, clear = 70 }]
reason = "A rule of one test: the first report past its limit opens."

[[rule.example]]
say = "it opens at once"
segments = [{ for_s = 600, metrics = { soc_temp_c = 90 } }]
expect = ["opened high"]
"""
)


class Hook(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        self.seen.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hook() -> Iterator[int]:
    Hook.seen.clear()
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(5)


def test_a_ticket_reaches_on_call(tmp_path: Path, hook: int) -> None:
    (tmp_path / "rules.toml").write_text(HOT)
    extra = (
        f'[[webhook]]\nname = "oncall"\nurl = "http://127.0.0.1:{hook}/"\nsecret = "{SECRET}"\nallow_private = true\n'
    )
    gateway = GatewayProcess(tmp_path, extra=extra)
    gateway.config.write_text(f'rules = ["{tmp_path}/rules.toml"]\n{gateway.config.read_text()}')
    gateway.start()
    try:
        secret = add_device(gateway, "cam-1")
        time.sleep(2.5)  # the gateway follows the registry
        for seq in range(1, 4):
            body = {"v": 1, "boot": 1, "seq": seq, "metrics": {"soc_temp_c": 91.0}}
            publish(gateway.mqtt_port, "cam-1", secret, json.dumps(body))
        until(lambda: Hook.seen)
    finally:
        gateway.stop()
    headers, body_sent = Hook.seen[0]
    said = json.loads(body_sent)
    assert (said["type"], said["data"]["device_id"], said["data"]["severity"]) == ("ticket.opened", "cam-1", "high")
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(headers["webhook-id"], stamp, body_sent, [secret_of(SECRET)])
    assert len(Hook.seen) == 1
