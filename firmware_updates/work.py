"""One unit of work: every change of a row goes through `Work`, which keeps counters, tickets, outbox, audit in step."""

from dataclasses import replace
from typing import TypeVar

from firmware_updates.attempt import Do, Effect, advance
from firmware_updates.attempt_row import Attempt, Cause, State
from firmware_updates.budget import Exposure, must_stop
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.evidence import Event
from firmware_updates.messages import (
    CHANNEL_OF,
    Cancel,
    Channel,
    Desired,
    Order,
    Signed,
    ToDevice,
    encode_message,
)
from firmware_updates.ports import AuditEntry, Done, Notice, Outgoing, TicketEdit, UpdateStore
from firmware_updates.rollout import Act, Rollout, RolloutState, act
from firmware_updates.tally import exposure_keys, exposure_of, tally_keys, wave_keys, wave_tally_of
from firmware_updates.waves import WaveTally

ANSWER_GOOD_FOR_S = 300.0
_Row = TypeVar("_Row")


class Missing(LookupError):
    """There is no such row; the message names it."""


class Work:
    """Collects what a transaction does. Use one for one call of the service; `done()` is what it recorded."""

    def __init__(self, store: UpdateStore, now: float, who: str) -> None:
        self.store = store
        self.now = now
        self.who = who
        self._messages: list[Outgoing] = []
        self._tickets: list[TicketEdit] = []
        self._notices: list[Notice] = []
        self._audit: list[AuditEntry] = []

    def done(self) -> Done:
        """All that was recorded so far."""
        return Done(tuple(self._messages), tuple(self._tickets), tuple(self._notices), tuple(self._audit))

    # --- rows -----------------------------------------------------------------------------------------------------
    def device(self, device_id: str) -> UpdateDevice:
        """Missing if it was never registered."""
        return _found(self.store.device(device_id), "device", device_id)

    def release(self, release_id: str) -> Release:
        """Missing if it was never published."""
        return _found(self.store.release(release_id), "release", release_id)

    def rollout(self, rollout_id: str) -> Rollout:
        """Missing if it was never created."""
        return _found(self.store.rollout(rollout_id), "rollout", rollout_id)

    def attempt(self, attempt_id: str) -> Attempt:
        """Missing if it was never planned."""
        return _found(self.store.attempt(attempt_id), "attempt", attempt_id)

    def exposure(self, rollout: Rollout) -> Exposure:
        """Of the rollout's present epoch; at risk counts from any."""
        return exposure_of(self.store.counts(exposure_keys(rollout.rollout_id, rollout.epoch)))

    def wave_tally(self, rollout_id: str, wave: int) -> WaveTally:
        """Of one wave."""
        return wave_tally_of(self.store.counts(wave_keys(rollout_id, wave)))

    # --- attempts -------------------------------------------------------------------------------------------------
    def insert(self, attempt: Attempt) -> None:
        """A row that was not there before."""
        for key in tally_keys(attempt):
            self.store.add(key, 1)
        self.store.put_attempt(attempt)

    def put(self, before: Attempt, after: Attempt) -> Attempt:
        """A changed row: counters move with it, and a new failure may stop the rollout at once."""
        if after == before:
            return after
        after = self._scored(before, after)
        old, new = tally_keys(before), tally_keys(after)
        for key in old - new:
            self.store.add(key, -1)
        for key in new - old:
            self.store.add(key, 1)
        self.store.put_attempt(after)
        if after.state is not before.state:
            self.note(after.state.value, after.rollout_id, after.reason, after)
        if after.bad and not before.bad:
            self.note("counts_as_bad", after.rollout_id, after.reason, after)
            self.stop_if_must(after.rollout_id)
        return after

    def apply(self, attempt: Attempt, event: Event) -> Attempt:
        """Let an event happen to a row and do what follows."""
        after, effects = advance(attempt, event, self.now)
        after = self.put(attempt, after)
        for effect in effects:
            self._do(effect, after)
        if after.state in (State.ROLLED_BACK, State.REJECTED) and after.state is not attempt.state:
            self.store.mark(quarantine_key(after.device_id, after.release_id), self.now)
        if after.state is State.SUCCEEDED and after.state is not attempt.state:
            for cause in Cause:
                self._close_ticket(after, cause)
        return after

    def _scored(self, before: Attempt, after: Attempt) -> Attempt:
        if not (after.bad or after.mature):
            epoch = -1
        elif (before.bad, before.mature) == (after.bad, after.mature):
            epoch = before.score_epoch
        else:
            epoch = self.rollout(after.rollout_id).epoch
        return after if after.score_epoch == epoch else replace(after, score_epoch=epoch)

    # --- rollouts -------------------------------------------------------------------------------------------------
    def put_rollout(self, before: Rollout, after: Rollout) -> Rollout:
        """A changed rollout; every change of state and wave is audited."""
        if after == before:
            return after
        self.store.put_rollout(after)
        if after.state is not before.state:
            why = after.pause_reason.value if after.pause_reason else after.reason
            self.note(after.state.value, after.rollout_id, why)
        for index, (old, new) in enumerate(zip(before.waves, after.waves, strict=True)):
            if old.state is not new.state:
                self.note(f"wave_{index}_{new.state.value}", after.rollout_id)
        return after

    def stop_if_must(self, rollout_id: str) -> None:
        """HALT when the stop test says so, in the same transaction as the failure that shows it."""
        rollout = self.rollout(rollout_id)
        policy = rollout.policy
        running = rollout.state in (RolloutState.RUNNING, RolloutState.PAUSED)
        if running and must_stop(self.exposure(rollout), policy.stop_rate, policy.stop_alpha):
            halted = replace(act(rollout, Act.HALT, self.now), reason="stop_test")
            self.put_rollout(rollout, halted)

    # --- effects --------------------------------------------------------------------------------------------------
    def send(self, attempt: Attempt, message: ToDevice, *, retain: bool = False, grant_id: str = "") -> None:
        """Record a message for the attempt's device. Grants and answers are never repeated and soon stale."""
        channel = CHANNEL_OF[type(message)]
        once = channel in (Channel.GRANT, Channel.RESPONSE)
        self._queue(
            Outgoing(
                device_id=attempt.device_id,
                channel=channel,
                payload=encode_message(message),
                retain=retain,
                once=once,
                expires_at=self.now + ANSWER_GOOD_FOR_S if once else None,
                attempt_id=attempt.attempt_id,
                grant_id=grant_id,
            )
        )

    def note(self, what: str, rollout_id: str, detail: str = "", attempt: Attempt | None = None) -> None:
        """One line of history."""
        attempt_id, device_id = (attempt.attempt_id, attempt.device_id) if attempt else ("", "")
        entry = AuditEntry(self.now, rollout_id, attempt_id, device_id, self.who, what, detail)
        self.store.record(entry)
        self._audit.append(entry)

    def _queue(self, message: Outgoing) -> None:
        self.store.queue(message)
        self._messages.append(message)

    def _do(self, effect: Effect, attempt: Attempt) -> None:
        match effect.do:
            case Do.PUBLISH_DESIRED:
                self.store.put_device(replace(self.device(attempt.device_id), desired_attempt=attempt.attempt_id))
                self.send(attempt, self._desired(attempt), retain=True)
            case Do.CLEAR_DESIRED:
                self._clear_desired(attempt)
            case Do.SEND_CANCEL:
                self.send(attempt, Cancel(attempt.attempt_id, Order.CANCEL))
            case Do.SEND_REVERT:
                self.send(attempt, Cancel(attempt.attempt_id, Order.REVERT))
            case Do.ASK_CONSENT:
                self._notices.append(Notice(attempt.device_id, attempt.rollout_id, attempt.attempt_id, "consent"))
            case Do.OPEN_TICKET:
                self._open_ticket(attempt, effect.cause)
            case _:
                self._close_ticket(attempt, effect.cause)

    def _desired(self, attempt: Attempt) -> Desired:
        release = self.release(attempt.release_id)
        signed = tuple(Signed(*text.split(":")) for text in release.signatures)
        return Desired(attempt.attempt_id, attempt.component, release.document.decode(), signed)

    def _clear_desired(self, attempt: Attempt) -> None:
        device = self.device(attempt.device_id)
        if device.desired_attempt == attempt.attempt_id:  # a newer attempt may have taken the topic
            self.store.put_device(replace(device, desired_attempt=""))
            self._queue(Outgoing(attempt.device_id, Channel.DESIRED, b"", retain=True, attempt_id=attempt.attempt_id))

    def _open_ticket(self, attempt: Attempt, cause: Cause | None) -> None:
        key = ticket_key(attempt, cause)
        if cause is not None and self.store.marked_at(key) is None:
            self.store.mark(key, self.now)
            urgent = cause in (Cause.LOST, Cause.SECURITY)
            self._tickets.append(
                TicketEdit(
                    attempt.device_id, attempt.rollout_id, cause, open=True, reason=attempt.reason, urgent=urgent
                )
            )

    def _close_ticket(self, attempt: Attempt, cause: Cause | None) -> None:
        key = ticket_key(attempt, cause)
        if cause is not None and self.store.marked_at(key) is not None:
            self.store.unmark(key)
            reason = attempt.state.value
            self._tickets.append(TicketEdit(attempt.device_id, attempt.rollout_id, cause, open=False, reason=reason))


def quarantine_key(device_id: str, release_id: str) -> str:
    """Set once a release rolled back or was rejected on a device: staff must lift it."""
    return f"quarantine:{device_id}:{release_id}"


def nonce_key(device_id: str, nonce: str) -> str:
    """Set once a nonce was granted."""
    return f"nonce:{device_id}:{nonce}"


def ticket_key(attempt: Attempt, cause: Cause | None) -> str:
    """Set while the ticket of (device, rollout, cause) is open."""
    return f"ticket:{attempt.device_id}:{attempt.rollout_id}:{cause.value if cause else ''}"


def _found(row: _Row | None, kind: str, key: str) -> _Row:
    if row is None:
        raise Missing(f"no such {kind}: {key!r}")
    return row
