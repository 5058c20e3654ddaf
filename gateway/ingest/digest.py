"""What a batch of messages means: parse, observe, decide. No I/O, no clock: the same calls give the same answers.

The digest drives the fleet's memory (`diagnostics.fleet.Fleet`) and returns all that has to be committed. It is called
again on the journal after a crash, so nothing in here may depend on anything but its arguments and the fleet.
"""

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Protocol

from diagnostics.changes import Change
from diagnostics.telemetry import Event, Presence, Report, Standing
from gateway.ingest import topics, wire
from gateway.ingest.journal import Packed, unpack
from gateway.ingest.vocabulary import Vocabulary
from gateway.ports.history import Sample
from gateway.ports.ingest import Inbound, Link
from gateway.ports.ledger import DeviceMessage, Effects, JournalEntry, JournalKind, Reject, RejectReason

SAMPLE_BYTES = 512


class Observer(Protocol):
    """The part of `diagnostics.fleet.Fleet` that a digest drives."""

    def observe(self, report: Report) -> Sequence[Change]:
        """Take one report; fills its standing and effective time."""

    def event(self, event: Event) -> Sequence[Change]:
        """Take one event."""

    def presence(self, presence: Presence) -> Sequence[Change]:
        """Take one status message or last will."""

    def expect(self, device_id: str, until: float, reboots: int = 1) -> None:
        """The device is being worked on: until then silence and that many restarts are no news."""

    def ingest_lost(self, now: float) -> Sequence[Change]:
        """We know that we cannot hear: verdicts of silence freeze."""

    def ingest_restored(self, now: float) -> Sequence[Change]:
        """We can hear again."""

    def tick(self, now: float) -> Sequence[Change]:
        """Time has passed."""


@dataclass(frozen=True, slots=True)
class Digested:
    """What to commit, and what history gets once it is committed."""

    effects: Effects
    samples: Sequence[Sample]


class _Nowhere:
    """The link of a replayed message."""

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """Nobody waits."""


NOWHERE: Link = _Nowhere()
INTERNAL: Link = _Nowhere()
"""The link of what the gateway tells itself. No device's message can have it."""
EXPECT = "$expect"
"""Channel of an internal message: {"until": s, "reboots": n}; the device is being worked on (see `Fleet.expect`)."""
INGEST = "$ingest"
"""Channel of an internal message: whether we can hear at all (see `Fleet.ingest_lost`): b"restored", or b"lost" with
the reason behind it, which the incident says.
"""
RULES = "$rules"
"""Channel of an internal message: the number of an edition of the rules; from here on it judges (see `Fleet.adopt`)."""
Adopt = Callable[[int, float], Sequence[Change]]
"""Judge by the rules of an edition from a time on; what that changes. ValueError for an edition nobody knows."""


def _no_other_rules(number: int, _now: float) -> Sequence[Change]:
    raise ValueError(f"rules of edition {number}: this gateway has no rule book")


class Digest:
    """Turns batches into effects. `registered` answers which device ids the gateway listens to."""

    def __init__(
        self,
        fleet: Observer,
        registered: Container[str],
        adopt: Adopt = _no_other_rules,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self._fleet = fleet
        self._registered = registered
        self._adopt = adopt
        self._vocabulary = vocabulary or Vocabulary()
        self._idle_ticks: list[float] = []

    def tick(self, now: float) -> Digested | None:
        """Let time pass. None where nothing changed; that tick is then kept with the next entry, for exact replay."""
        changes = self._fleet.tick(now)
        self._idle_ticks.append(now)
        if not changes:
            return None
        packed = Packed(ticks=self._take_ticks())
        return Digested(Effects(JournalKind.TICK, now, 0, packed.pack(), changes=tuple(changes)), ())

    def batch(self, messages: Sequence[Inbound], now: float) -> Digested:
        """Digest a batch in its order."""
        kept = Packed(ticks=self._take_ticks())
        work = _Batch(self._fleet, kept, self._adopt, self._vocabulary)
        registered, take, telemetry = self._registered, work.take, work.telemetry
        for message in messages:
            if message.device_id in registered or message.link is INTERNAL:
                (telemetry if message.channel == "telemetry" else take)(message)
            else:
                work.refuse_stranger(message)
        effects = Effects(
            JournalKind.BATCH,
            now,
            len(messages),
            kept.pack(),
            changes=tuple(work.changes),
            rejects=tuple(work.rejects),
            messages=tuple(work.messages),
        )
        return Digested(effects, work.samples)

    def replay(self, entry: JournalEntry) -> Sequence[Change]:
        """Bring the fleet's memory past a committed entry. The changes were committed with it already."""
        packed = unpack(entry.payload)
        changes: list[Change] = []
        work = _Batch(self._fleet, Packed(), self._adopt, self._vocabulary)
        for tick in packed.ticks:
            changes += self._fleet.tick(tick)
        for name, received, payload in zip(packed.names, packed.received, packed.payloads, strict=True):
            device_id, _, channel = name.partition("/")
            # What the journal holds was accepted once; of internal messages only our own ever were.
            message = Inbound(device_id, channel, payload, received, INTERNAL, 0)
            (work.telemetry if channel == "telemetry" else work.take)(message)
        return changes + work.changes

    def _take_ticks(self) -> list[float]:
        ticks, self._idle_ticks = self._idle_ticks, []
        return ticks


class _Batch:
    """What one batch has come to so far."""

    def __init__(self, fleet: Observer, kept: Packed, adopt: Adopt, vocabulary: Vocabulary) -> None:
        self.kept = kept
        self._adopt = adopt
        self._vocabulary = vocabulary
        self.changes: list[Change] = []
        self.rejects: list[Reject] = []
        self.messages: list[DeviceMessage] = []
        self.samples: list[Sample] = []
        self._fleet = fleet
        self._observe = fleet.observe
        self._usual: tuple[str, ...] = ()  # the names of the report before: they are known

    def take(self, message: Inbound) -> None:
        """Take one message of a registered device; telemetry has a way of its own."""
        channel = message.channel
        try:
            if channel == "status":
                said = wire.presence(message.payload, message.device_id, message.received_at)
                self.changes += self._fleet.presence(said)
                self._keep(message)
            elif channel == "event":
                event = wire.event(message.payload, message.device_id, message.received_at)
                self.changes += self._fleet.event(event)
                self._keep(message)
            elif channel in (EXPECT, INGEST, RULES) and message.link is INTERNAL:
                self._internal(message)
                self._keep(message)
            elif channel in topics.UPLINK:
                if len(message.payload) > wire.MAX_MESSAGE_BYTES:
                    raise wire.Refused(f"{len(message.payload)} bytes; too large", too_large=True)
                self.messages.append(DeviceMessage(message.device_id, channel, message.payload, message.received_at))
            else:
                self._refuse(message, RejectReason.UNKNOWN_TOPIC, "no device speaks on this topic")
        except wire.Refused as refused:
            self._refuse(message, _reason(refused), refused.detail)

    def _internal(self, message: Inbound) -> None:
        if message.channel == EXPECT:
            told = json.loads(message.payload)
            self._fleet.expect(message.device_id, float(told["until"]), int(told["reboots"]))
        elif message.channel == RULES:
            self.changes += self._adopt(int(message.payload), message.received_at)
        elif message.payload.startswith(b"lost"):
            why = message.payload[5:].decode()
            for change in self._fleet.ingest_lost(message.received_at):
                self.changes.append(replace(change, evidence=replace(change.evidence, note=why)))
        else:
            self.changes += self._fleet.ingest_restored(message.received_at)

    def refuse_stranger(self, message: Inbound) -> None:
        """Refuse a message of nobody we know."""
        if message.device_id:
            self._refuse(message, RejectReason.UNREGISTERED, "this device is not registered, or retired")
        else:
            self._refuse(message, RejectReason.UNKNOWN_TOPIC, "not a topic siaga/v1/{device}/{channel}")

    def telemetry(self, message: Inbound) -> None:
        """Take one telemetry message of a registered device."""
        payload, device_id, received_at = message.payload, message.device_id, message.received_at
        try:
            if payload[:1] == b"{" or payload.lstrip()[:1] != b"[":
                if self._report(message, wire.report(payload, device_id, received_at)):
                    self._keep(message, 1)
                return
            parsed = wire.catch_up(payload, device_id, received_at)
        except wire.Refused as refused:
            self._refuse(message, _reason(refused), refused.detail)
            return
        for detail in parsed.refused:
            self._refuse(message, RejectReason.SCHEMA, detail)
        for report in parsed.reports:
            if not self._report(message, report):
                self.kept.effective.append(nan)
        self._keep(message, len(parsed.reports))

    def _report(self, message: Inbound, report: Report) -> bool:
        """Take one report. False: it was refused for its names."""
        metrics = report.metrics
        names = report.names = tuple(metrics)
        if names != self._usual or report.states:
            known = self._vocabulary.known
            if not (known.issuperset(names) and known.issuperset(report.states)):
                refusal = self._vocabulary.learn(report.device_id, (*names, *report.states))
                if refusal:
                    self._refuse(message, RejectReason.TOO_MANY_NAMES, refusal)
                    return False
            self._usual = names
        changes = self._observe(report)
        if changes:
            self.changes += changes
        if report.standing is Standing.DUPLICATE:
            self.kept.effective.append(nan)
            return True
        at = report.effective_at
        self.kept.effective.append(at)
        if report.packed:
            self.samples.append(Sample(report.device_id, at, report.names, report.packed))
        elif metrics:
            self.samples.append(Sample.of(report.device_id, at, metrics))
        return True

    def _keep(self, message: Inbound, reports: int = 0) -> None:
        kept = self.kept
        kept.names.append(f"{message.device_id}/{message.channel}")
        kept.received.append(message.received_at)
        kept.reports.append(reports)
        kept.payloads.append(message.payload)

    def _refuse(self, message: Inbound, reason: RejectReason, detail: str) -> None:
        topic = topics.topic(message.device_id, message.channel) if message.device_id else message.channel
        self.rejects.append(
            Reject(message.device_id, topic[:256], reason, detail, message.received_at, message.payload[:SAMPLE_BYTES])
        )


def _reason(refused: wire.Refused) -> RejectReason:
    if refused.too_large:
        return RejectReason.TOO_LARGE
    return RejectReason.NOT_JSON if refused.not_json else RejectReason.SCHEMA
