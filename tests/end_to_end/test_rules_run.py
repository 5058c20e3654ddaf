"""Rules changed while `siaga run` runs: by the command line, without a restart, and through kill -9."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.test_run import add_device, publish, until
from tests.gateway.rules.desks import HOT, WEAK
from tests.parts.gateway_process import GatewayProcess

pytestmark = pytest.mark.real
LOWER = HOT.replace("limit = 82, clear = 70", "limit = 73, clear = 60").replace("version = 1", "version = 2")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    (tmp_path / "rules.toml").write_text(f"{HOT}\n{WEAK}")
    process = GatewayProcess(tmp_path)
    process.config.write_text(f'rules = ["{tmp_path}/rules.toml"]\n{process.config.read_text()}')
    yield process
    process.stop()


def rows(gateway: GatewayProcess, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{gateway.folder}/data/siaga.db?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def test_an_activation_outlives_kill_9_and_each_report_is_judged_by_the_rules_of_its_time(gateway, tmp_path) -> None:
    gateway.start()
    secret = add_device(gateway, "cam-1")
    time.sleep(2.5)
    seq = iter(range(1, 100))

    def report(value: float) -> None:
        body = {"v": 1, "boot": 1, "seq": next(seq), "metrics": {"soc_temp_c": value}}
        publish(gateway.mqtt_port, "cam-1", secret, json.dumps(body))

    tickets = "select rule, state, episodes from tickets"
    for _ in range(3):
        report(75)
    assert rows(gateway, tickets) == []
    (tmp_path / "lower.toml").write_text(LOWER)
    done = gateway.command("rules", "activate", str(tmp_path / "lower.toml"), "--json", "--note", "warm yards")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["number"] == 2
    told = "select count(*) from journal where instr(payload, x'2472756c6573') and substr(payload, -1) = x'32'"
    until(lambda: rows(gateway, told) == [(1,)], what=lambda: rows(gateway, told))
    gateway.kill()
    gateway.start()
    report(75)
    assert rows(gateway, tickets) == [], "one value of two: what came before the activation is not judged again"
    gateway.kill()
    gateway.start()
    report(75)
    until(lambda: rows(gateway, tickets) == [("hot@2", "new", 1)], what=lambda: rows(gateway, tickets))
    gateway.kill()
    (tmp_path / "rules.toml").write_text(f"{HOT.replace('limit = 82', 'limit = 81')}\n{WEAK}")
    gateway.start()
    assert "rule 'hot' was changed in" in gateway.log.read_text()
    report(76)
    assert gateway.stop() == 0
    assert rows(gateway, tickets) == [("hot@2", "new", 1)]
    assert rows(gateway, "select number, reason from rule_editions") == [(1, "started"), (2, "activated")]
    ((shared,),) = rows(gateway, "select shared from checkpoint")
    assert bytes(shared).startswith(b"R2\n")  # type: ignore[arg-type]
