"""What the stores hold in the end: the ledger by a trigger's copy of its journal, the history by reading it back.

The journal is a queue that the gateway empties, so a trigger copies each entry in the very transaction that commits it.
"""

from collections import defaultdict
from math import isnan
from pathlib import Path

from sqlalchemy import Connection, select, text

from gateway.access import secret_hash
from gateway.ingest import wire
from gateway.ingest.journal import unpack
from gateway.ports.registry import Customer, RegisteredDevice, Site
from gateway.storage.database import Database, open_database
from gateway.storage.history import open_history
from gateway.storage.registry import SqlRegistry
from gateway.storage.schema.tickets import tickets
from gateway.torture.senders import NUMBER, PASSWORD

SILENCE_S = 30.0
_TRIGGER = {
    "sqlite": (
        "CREATE TABLE torture_witness (position INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
        """CREATE TRIGGER torture_witness_copy AFTER INSERT ON journal BEGIN
        INSERT INTO torture_witness VALUES (new.position, new.payload); END""",
    ),
    "postgresql": (
        "CREATE TABLE torture_witness (position BIGINT PRIMARY KEY, payload BYTEA NOT NULL)",
        """CREATE FUNCTION torture_witness_copy() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO torture_witness VALUES (new.position, new.payload); RETURN new; END'""",
        """CREATE TRIGGER torture_witness_copy AFTER INSERT ON journal
        FOR EACH ROW EXECUTE FUNCTION torture_witness_copy()""",
    ),
}


async def prepare(url: str, ids: list[str]) -> None:
    """A database with these devices, each on a site of its own, and the witness beside the journal."""
    async with open_database(url) as database:
        registry = SqlRegistry(database)
        sites = [Site(f"site-{device}", "torture", "Cellar", "UTC") for device in ids]
        made = [
            RegisteredDevice(device, device, "camera", "T100", f"site-{device}", silence_s=SILENCE_S) for device in ids
        ]
        await registry.put([Customer("torture", "Torture", "en", "UTC")], sites, made)
        for device in ids:
            await registry.set_device_secret(device, secret_hash(PASSWORD))
        await database.transact(lambda connection: _watch(connection, database.dialect))


def _watch(connection: Connection, dialect: str) -> None:
    for statement in _TRIGGER[dialect]:
        connection.exec_driver_sql(statement)


async def ledger_effects(url: str) -> tuple[dict[str, list[int]], list[str]]:
    """The reports that had an effect, by device in the order of commits; and the keys of all tickets."""
    async with open_database(url, upgrade=False) as database:
        effects: dict[str, list[int]] = defaultdict(list)
        for payload in await database.read(_copied):
            packed = unpack(payload)
            effective = iter(packed.effective)
            for name, reports, body in zip(packed.names, packed.reports, packed.payloads, strict=True):
                device = name.partition("/")[0]
                if reports and not isnan(next(effective)):
                    effects[device].append(wire.report(body, device, 0.0).seq)
        return dict(effects), await _ticket_keys(database)


def _copied(connection: Connection) -> list[bytes]:
    rows = connection.execute(text("SELECT payload FROM torture_witness ORDER BY position"))
    return [bytes(payload) for (payload,) in rows]


async def _ticket_keys(database: Database) -> list[str]:
    """The keys of all tickets; an incident of ours that is not over is another one."""
    asked = select(tickets.c.key, tickets.c.state)
    found = await database.read(lambda connection: connection.execute(asked).all())
    return sorted(
        f"{key} still {state}" if key.startswith("gateway:") and state != "solved" else key for key, state in found
    )


async def embedded_points(path: Path, ids: list[str]) -> dict[str, list[tuple[int, int]]]:
    """(time in ms, number) of every point of the embedded history, by device. The gateway must not run."""
    async with open_history(path) as history:
        found = {}
        for device in ids:
            points = await history.raw(device, NUMBER, 0.0, 9e9, 10**7)
            found[device] = [(round(point.at * 1000), round(point.value)) for point in points]
        return found
