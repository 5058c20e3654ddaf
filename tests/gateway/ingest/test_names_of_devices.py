"""A report that brings in too many names is refused, its neighbours are not, and a restart decides the same."""

import asyncio
import json

from diagnostics.catalogue import load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules
from diagnostics.topology import Device
from gateway.clock import SystemClock
from gateway.ingest import journal
from gateway.ingest.digest import NOWHERE, Digest, Digested
from gateway.ingest.recovery import recover
from gateway.ingest.vocabulary import Vocabulary
from gateway.live import FleetMemory
from gateway.ports.ingest import Inbound
from gateway.ports.ledger import JournalEntry, RejectReason
from gateway.storage.memory.ledger import MemoryLedger
from gateway.storage.memory.outboxes import MemoryDownlinkOutbox, MemoryNotificationOutbox
from gateway.storage.memory.registry import MemoryRegistry
from gateway.storage.memory.tickets import MemoryTickets

CATALOGUE = load_catalogue()
RULES = load_default_rules(CATALOGUE)
START = 1_795_255_200.0


class Gateway:
    """A fleet of two devices that may bring in two names each, three together."""

    def __init__(self) -> None:
        names = Vocabulary((*CATALOGUE.metric, *CATALOGUE.state), 2, 3)
        self.memory = FleetMemory(Fleet(Engine(RULES, CATALOGUE), (), START), vocabulary=names)
        for device_id in ("cam-1", "cam-2"):
            self.memory.fleet.register(Device(device_id, "camera", "m", "site"))
            self.memory.registered.add(device_id)
        self.digest = Digest(self.memory.fleet, self.memory.registered, vocabulary=names)

    def take(self, *payloads: object, device: str = "cam-1", at: float = START) -> Digested:
        said = [Inbound(device, "telemetry", json.dumps(body).encode(), at, NOWHERE, 1) for body in payloads]
        return self.digest.batch(said, at)


def report(seq: int, *names: str, **states: str) -> dict[str, object]:
    return {"v": 1, "boot": 1, "seq": seq, "metrics": dict.fromkeys(names, 1.0), "states": states}


def test_a_report_with_a_name_too_many_is_refused_and_says_which() -> None:
    gateway = Gateway()
    taken = gateway.take(report(1, "soc_temp_c", "own_a"), report(2, "own_a", own_b="x"), report(3, "own_c"))
    [reject] = taken.effects.rejects
    assert reject.reason is RejectReason.TOO_MANY_NAMES
    assert reject.detail == "own_c would be one name too many of this device's own; at most 2"
    assert [sorted(sample.metrics) for sample in taken.samples] == [["own_a", "soc_temp_c"], ["own_a"]]


def test_what_another_device_brought_in_may_be_used_until_the_fleet_has_enough() -> None:
    gateway = Gateway()
    gateway.take(report(1, "own_a", "own_b"))
    assert not gateway.take(report(1, "own_a", "own_b", "own_c"), device="cam-2").effects.rejects
    [reject] = gateway.take(report(2, "own_d"), device="cam-2").effects.rejects
    assert reject.detail == "own_d would be one name too many of the fleet's own; at most 3"


def test_a_refused_report_of_an_array_is_refused_alone_and_history_never_sees_it() -> None:
    gateway = Gateway()
    array = [report(1, "own_a"), report(2, "x", "y", "z"), report(3, "soc_temp_c")]
    taken = gateway.take(array)
    assert [reject.reason for reject in taken.effects.rejects] == [RejectReason.TOO_MANY_NAMES]
    effects = taken.effects
    entry = JournalEntry(1, effects.kind, effects.at, effects.count, effects.journal)
    kept = journal.samples(entry, CATALOGUE.possible)
    assert [sorted(sample.metrics) for sample in kept] == [["own_a"], ["soc_temp_c"]]
    assert [(one.at, one.metrics) for one in kept] == [(one.at, one.metrics) for one in taken.samples]


def test_after_a_crash_the_same_names_are_refused() -> None:
    async def run() -> None:
        tickets = MemoryTickets(MemoryRegistry(), MemoryNotificationOutbox(), SystemClock())
        ledger = MemoryLedger(tickets, MemoryDownlinkOutbox(), lambda _: 0.0)
        before = Gateway()
        done = await ledger.commit(before.take(report(1, "own_a")).effects)
        shared = before.memory.begin_checkpoint()
        await ledger.checkpoint(done.position, before.memory.some_of_checkpoint(10**6), shared)
        await ledger.commit(before.take(report(2, "own_b"), report(3, "own_c"), at=START + 60).effects)
        after = Gateway()
        await recover(ledger, after.memory, after.digest)
        assert after.memory.vocabulary.known == before.memory.vocabulary.known
        assert after.memory.save_shared() == before.memory.save_shared()
        again = [gateway.take(report(4, "own_c"), at=START + 120).effects.rejects for gateway in (before, after)]
        assert again[0] == again[1] != ()

    asyncio.run(run())
