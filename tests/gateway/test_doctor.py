"""`siaga doctor` on an embedded installation: what it says before the first start, and while telemetry waits."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.ingest.broker_knock import knock
from gateway.ingest.broker_link import BrokerAddress
from gateway.ports.ledger import Effects, JournalKind
from gateway.storage.database import open_database
from gateway.storage.history import open_history
from gateway.storage.ledger import SqlLedger
from tests.parts.mosquitto import running_mosquitto


def findings(
    folder: Path, capsys: pytest.CaptureFixture[str], more: str = ""
) -> tuple[int, dict[str, tuple[bool, str]]]:
    config = folder / "siaga.toml"
    config.write_text(f'data_dir = "{folder}"\n[pipeline]\noutbox_max_bytes = 1000000\n{more}')
    code = main(["doctor", "-c", str(config), "--json"])
    found = json.loads(capsys.readouterr().out)
    return code, {each["part"]: (each["good"], each["says"]) for each in found}


def test_a_database_that_the_next_start_will_make_is_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = findings(tmp_path, capsys)
    assert code == 0
    assert found["database"][0]
    assert found["database"][1].endswith("; the next start upgrades it")


def test_an_outbox_that_is_nearly_full_is_said_with_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def wait(size: int) -> None:
        async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
            await SqlLedger(database, lambda _: 0.0).commit(Effects(JournalKind.BATCH, 1.0, 1, bytes(size)))

    asyncio.run(wait(100_000))
    code, found = findings(tmp_path, capsys)
    assert (code, found["outbox"]) == (0, (True, "0.1 of 1 MB wait for the history store"))
    asyncio.run(wait(800_000))
    code, found = findings(tmp_path, capsys)
    assert (code, found["outbox"]) == (1, (False, "0.9 of 1 MB wait for the history store"))


@pytest.mark.parametrize("damage", ["shorter", "another file"])
def test_a_damaged_history_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    async def start() -> None:
        async with open_history(tmp_path / "history.db"):
            pass

    asyncio.run(start())
    assert findings(tmp_path, capsys)[1]["history"] == (True, "embedded")
    file = tmp_path / "history.db"
    kept = file.read_bytes()
    file.write_bytes(kept[:5000] if damage == "shorter" else b"not a database at all, but a letter" * 200)
    for beside in tmp_path.glob("history.db-*"):
        beside.unlink()
    code, found = findings(tmp_path, capsys)
    assert (code, found["history"][0]) == (1, False)
    assert found["history"][1].endswith("move it away (telemetry in it is gone, tickets are not)")


@pytest.mark.real
def test_a_broker_is_knocked_at_and_what_it_answers_is_said(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(port: int) -> tuple[bool, str]:
        return findings(tmp_path, capsys, f'[broker]\nurl = "mqtt://127.0.0.1:{port}"\n')[1]["broker"]

    with running_mosquitto(tmp_path_factory.mktemp("open")) as broker:
        assert said(broker.port) == (True, f"127.0.0.1:{broker.port} lets us in")
    good, why = said(broker.port)
    assert not good
    assert "does not answer: " in why
    with running_mosquitto(tmp_path_factory.mktemp("shut"), "allow_anonymous false\n") as broker:
        good, why = said(broker.port)
        assert (good, why) == (False, f"127.0.0.1:{broker.port} refuses us: Not authorized")


def test_a_broker_that_takes_connections_and_says_nothing_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        why = knock(BrokerAddress("127.0.0.1", mute.getsockname()[1]), 0.3)
    assert why == "takes connections and says nothing within 0.3 s"
