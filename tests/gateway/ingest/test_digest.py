"""What a batch comes to, and its replay: what we tell ourselves, what is refused, and what must be kept exactly."""

import json

import pytest

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules
from diagnostics.topology import Device
from gateway.ingest.digest import EXPECT, INGEST, INTERNAL, NOWHERE, RULES, Digest, Digested
from gateway.ingest.vocabulary import Vocabulary
from gateway.ingest.wire import MAX_MESSAGE_BYTES
from gateway.ports.ingest import Inbound, Link
from gateway.ports.ledger import JournalEntry, JournalKind, RejectReason

CATALOGUE = load_catalogue()
NOW = 1_795_255_200.0
DEVICES = [Device(f"cam-{number}", "camera", "m", f"site-{number}") for number in range(4)]


class Desk:
    """A digest over a small fleet; `adopted` are the editions that it was told of."""

    def __init__(self) -> None:
        self.fleet = Fleet(Engine(load_default_rules(CATALOGUE), CATALOGUE), DEVICES, NOW)
        self.adopted: list[tuple[int, float]] = []
        names = Vocabulary((*CATALOGUE.metric, *CATALOGUE.state), 2, 100)
        self.digest = Digest(self.fleet, {one.device_id for one in DEVICES}, self.adopt, names)
        self.entries: list[JournalEntry] = []

    def adopt(self, number: int, now: float) -> list[Change]:
        self.adopted.append((number, now))
        return []

    def hear(self, channel: str, payload: object, now: float, device: str = "cam-1", link: Link = NOWHERE) -> Digested:
        """One message."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.keep(self.digest.batch([Inbound(device, channel, body, now, link, 1)], now))

    def keep(self, done: Digested) -> Digested:
        effects = done.effects
        entry = JournalEntry(len(self.entries) + 1, effects.kind, effects.at, effects.count, effects.journal)
        self.entries.append(entry)
        return done

    def report(self, seq: int, now: float, device: str = "cam-1", **more: object) -> Digested:
        return self.hear(
            "telemetry", {"v": 1, "boot": 1, "seq": seq, "metrics": {"cpu_pct": 20.0}, **more}, now, device
        )

    def silence(self, now: float) -> tuple[Digested, float]:
        """Ticks until something is told."""
        for step in range(10_000):
            if (done := self.digest.tick(now + step)) is not None:
                return self.keep(done), now + step
        raise AssertionError("nothing was told")

    def again(self) -> "Desk":
        """Another life, from the journal alone."""
        other = Desk()
        for entry in self.entries:
            other.digest.replay(entry)
        return other

    def state(self) -> list[object]:
        kept = [json.loads(self.fleet.save(one.device_id) or b"0") for one in DEVICES]
        return [self.fleet.save_shared(), self.adopted, *kept]


def reasons(done: Digested) -> list[RejectReason]:
    return [reject.reason for reject in done.effects.rejects]


def test_a_tick_that_changes_nothing_is_kept_with_the_next_entry_so_a_replay_is_exact() -> None:
    desk = Desk()
    for number in range(3):
        desk.report(1, NOW, f"cam-{number}")
        assert desk.digest.tick(NOW + 1 + number) is None
    desk.report(2, NOW + 100, "cam-2")
    told, at = desk.silence(NOW + 101)
    assert told.effects.kind is JournalKind.TICK
    assert told.effects.changes
    desk.report(3, at, "cam-2")
    assert desk.again().state() == desk.state()


def test_while_we_cannot_hear_nobody_falls_silent_and_the_incident_says_why() -> None:
    desk = Desk()
    desk.report(1, NOW)
    (change,) = desk.hear(INGEST, b"lost the disk is full", NOW + 1, "", INTERNAL).effects.changes
    assert change.evidence.note == "the disk is full"
    assert desk.hear(INGEST, b"lost again", NOW + 2, "", INTERNAL).effects.changes == ()
    assert all(desk.digest.tick(NOW + step) is None for step in range(3, 3000, 30))
    (over,) = desk.hear(INGEST, b"restored", NOW + 3000, "", INTERNAL).effects.changes
    assert over.kind.value == "recovered"
    assert desk.again().state() == desk.state()


def test_a_device_that_is_being_worked_on_and_other_rules_stand_in_the_journal_like_messages() -> None:
    desk = Desk()
    desk.report(1, NOW)
    desk.hear(EXPECT, {"until": NOW + 900, "reboots": 2}, NOW + 1, link=INTERNAL)
    desk.hear(RULES, b"7", NOW + 2, "", INTERNAL)
    assert desk.adopted == [(7, NOW + 2)]
    assert json.loads(desk.fleet.save("cam-1"))["expected_until"] == NOW + 900
    assert desk.again().state() == desk.state()


@pytest.mark.parametrize("channel", [EXPECT, INGEST, RULES, "made-up"])
def test_no_device_can_speak_as_the_gateway_itself(channel: str) -> None:
    desk = Desk()
    assert reasons(desk.hear(channel, b"7", NOW)) == [RejectReason.UNKNOWN_TOPIC]
    assert desk.adopted == []


def test_a_gateway_without_a_rule_book_refuses_other_rules_in_one_line() -> None:
    digest = Digest(Desk().fleet, ())
    with pytest.raises(ValueError, match="no rule book"):
        digest.batch([Inbound("", RULES, b"7", NOW, INTERNAL, 0)], NOW)


def test_strangers_and_topics_that_are_none_are_refused_each_for_its_own_reason() -> None:
    desk = Desk()
    assert reasons(desk.hear("telemetry", {}, NOW, "stranger")) == [RejectReason.UNREGISTERED]
    assert reasons(desk.hear("some/topic", {}, NOW, "")) == [RejectReason.UNKNOWN_TOPIC]


def test_whatever_cannot_be_read_is_refused_with_a_reason_and_the_rest_of_the_batch_is_taken() -> None:
    desk = Desk()
    for channel, payload, reason in (
        ("telemetry", b"{", RejectReason.NOT_JSON),
        ("telemetry", b"[", RejectReason.NOT_JSON),
        ("telemetry", {"v": 1}, RejectReason.SCHEMA),
        ("status", b"?", RejectReason.NOT_JSON),
        ("event", {"v": 1}, RejectReason.SCHEMA),
        ("update/reported", b"x" * (MAX_MESSAGE_BYTES + 1), RejectReason.TOO_LARGE),
    ):
        assert reasons(desk.hear(channel, payload, NOW)) == [reason], (channel, payload)
    said = desk.hear("update/reported", b"{}", NOW)
    assert [(one.device_id, one.channel) for one in said.effects.messages] == [("cam-1", "update/reported")]
    desk.hear("status", {"v": 1, "boot": 1, "state": "offline"}, NOW)
    assert desk.report(1, NOW + 1).samples
    assert desk.fleet.view("cam-1").link.value == "online"
    desk.hear("event", {"v": 1, "boot": 1, "seq": 2, "topic": "video/tamper", "data": {}}, NOW + 2)
    assert desk.again().state() == desk.state()


def test_in_an_array_what_cannot_be_read_or_names_too_much_is_left_out_and_the_rest_is_kept() -> None:
    desk = Desk()
    reports = [
        {"v": 1, "boot": 1, "seq": 1, "metrics": {"cpu_pct": 20.0}},
        {"v": 1, "boot": 1},
        {"v": 1, "boot": 1, "seq": 2, "metrics": {f"own_{number}": 1.0 for number in range(9)}},
        {"v": 1, "boot": 1, "seq": 1, "metrics": {"cpu_pct": 20.0}},
        {"v": 1, "boot": 1, "seq": 3, "metrics": {}},
    ]
    done = desk.hear("telemetry", reports, NOW)
    assert sorted(reasons(done), key=str) == [RejectReason.SCHEMA, RejectReason.TOO_MANY_NAMES]
    assert len(done.samples) == 1
    assert desk.again().state() == desk.state()


def test_what_a_report_opens_is_told_with_its_batch_and_an_impossible_value_is_not_stored() -> None:
    desk = Desk()
    told = [desk.report(seq, NOW + 60.0 * seq, metrics={"soc_temp_c": 99.0}).effects.changes for seq in range(1, 60)]
    assert [change.kind.value for changes in told for change in changes][:1] == ["opened"]
    odd = desk.report(60, NOW + 3600.0, metrics={"soc_temp_c": 9e9, "cpu_pct": 20.0})
    assert [sample.metrics for sample in odd.samples] == [{"cpu_pct": 20.0}]
    assert desk.again().state() == desk.state()


def test_a_report_of_more_new_names_than_a_device_may_bring_in_is_refused_whole() -> None:
    desk = Desk()
    done = desk.report(1, NOW, metrics={f"own_{number}": 1.0 for number in range(9)})
    assert reasons(done) == [RejectReason.TOO_MANY_NAMES]
    assert desk.fleet.save("cam-1") == b""
    assert desk.report(1, NOW, states={"own_state": "on"}).samples


def test_messages_to_acknowledge_after_a_replay_wait_for_nobody() -> None:
    NOWHERE.acknowledge([1, 2])
    INTERNAL.acknowledge([3])
