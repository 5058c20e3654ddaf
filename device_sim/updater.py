"""The device's side of a firmware update, as real firmware must do it: no I/O, no clock, every step written first.

Feed it messages (`receive`), bytes (`downloaded`, `fetch_ended`) and time (`tick`), each with `now` in seconds of the
boot clock (monotonic, zero at boot: no wall clock is trusted, so its skew changes nothing); carry out what
`take_actions` returns; call `acknowledged` when the broker has a claim. A PowerCutError may come out of any call: throw
the updater away and make a new one from the same flash.

Rules kept: signature over the exact bytes, hardware, counter and space before the first byte; never more bytes than
the manifest says; hash before STAGED and again before the install; a grant counts once, for its nonce, within
`valid_for_s` of *sending* the request; what is irreversible is written before it happens; a new image is unconfirmed
until its self-test, which includes MQTT, has passed, else the old one comes back; the counter floor moves only after
the confirm.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from device_sim.download import Acquisition, Action, Fetch, Publish, Reboot
from device_sim.flash import Image, Job, Step
from device_sim.trust import KeyRing, Refused, check_grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_sim.flash import Flash

__all__ = ["Action", "Fetch", "Publish", "Reboot", "Updater"]

SELF_TEST_S: Final = 20.0
INSTALL_S: Final = 15.0
REPORT_EVERY_S: Final = 20 * 3600.0
_AFTER_REFUSAL_S: Final = 60.0
_AFTER_REPORT_S: Final = 5.0


class Updater(Acquisition):
    """One boot of one device. `next_seq` numbers its messages (shared with telemetry); `facts` adds to `reported`."""

    def __init__(
        self,
        device_id: str,
        hw_id: str,
        component: str,
        flash: Flash,
        keys: KeyRing,
        *,
        boot: int,
        next_seq: Callable[[], int],
        facts: dict[str, Any] | None = None,
        install_s: float = INSTALL_S,
        self_test_s: float = SELF_TEST_S,
    ) -> None:
        super().__init__(hw_id, component, flash, keys, boot=boot, next_seq=next_seq, facts=facts)
        self._device_id, self._install_s, self._self_test_s = device_id, install_s, self_test_s
        self._install_ends: float | None = None
        self._test_ends: float | None = None
        self._give_up_at: float | None = None
        self._online = False
        self._reported_at = 0.0
        self.mute = False
        self._wake()

    @property
    def next_step_at(self) -> float | None:
        """When, by the boot clock, an install, a self-test or the confirm timeout is due; None if nothing runs."""
        due = [at for at in (self._install_ends, self._test_ends, self._give_up_at) if at is not None]
        return min(due, default=None)

    @property
    def next_ask_at(self) -> float | None:
        """When, by the boot clock, it asks or fetches again if nobody answers before; None if it wants nothing."""
        wants = self._flash.record.offer is not None and not self._committed and not self._fetching
        return self._ask_again_at if wants and self._online and self._test_ends is None else None

    @property
    def asking(self) -> bool:
        """Whether its last question has no answer yet."""
        return self._nonce is not None

    @property
    def version(self) -> str:
        """The version that runs."""
        return self._flash.running.version

    def connected(self) -> None:
        """MQTT stands: say what runs here, repeat what was not acknowledged."""
        self._online = True
        self._actions = [action for action in self._actions if not (isinstance(action, Publish) and action.claim)]
        if not self.mute:
            self._say_reported()
            self._actions += [Publish("update/status", claim, claim=True) for claim in self._flash.record.claims]

    def disconnected(self) -> None:
        """MQTT is gone: what was asked is void, a transfer is broken, what arrived is kept."""
        self._online = False
        self._nonce, self._fetching, self._ask_again_at = None, False, 0.0
        self._actions.clear()

    def acknowledged(self, claim: dict[str, Any]) -> None:
        """The broker has a claim."""
        claims = self._flash.record.claims
        if claim in claims:
            claims.remove(claim)
            self._flash.write(Step.CLAIM_SENT)

    def receive(self, leaf: str, payload: bytes, now: float) -> None:
        """A message under `update/`; what cannot be read is passed over, as firmware must."""
        if self.mute:
            return
        try:
            if leaf == "update/desired":
                self._offered(json.loads(payload)) if payload else self._drop()
            elif leaf == "update/grant":
                self._granted(json.loads(payload), now)
            elif leaf == "update/response":
                self._answered(json.loads(payload), now)
            elif leaf == "update/cancel":
                self._cancelled(json.loads(payload))
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def tick(self, now: float) -> None:
        """Time passes: write, test, give up, ask."""
        offer = self._flash.record.offer
        if self._online and not self.mute and now >= self._reported_at + REPORT_EVERY_S:
            self._say_reported(now)
        if self._install_ends is not None:
            if now >= self._install_ends:
                self._install_ends = None
                self._switch()
        elif self._give_up_at is not None and now >= self._give_up_at:
            self._revert("confirm_timeout")
        elif self._test_ends is not None:
            if now >= self._test_ends and self._online:
                self._judge()
        elif offer is not None and self._online and not self._committed:
            self._pursue(offer, now)

    def _wake(self) -> None:
        """What a boot finds: an image on trial, an install that the power cut short, a trial that failed, or peace."""
        record, mishaps = self._flash.record, self._flash.mishaps
        job = record.job
        if record.trying is not None:
            self.mute = mishaps.brick
            if not self.mute:
                self._test_ends = self._self_test_s
            if not self.mute or mishaps.brick_heals:
                self._give_up_at = record.confirm_timeout_s
        elif job is not None and job.state == "installing":
            self._close(job, "failed", "power_cut")
        elif job is not None and job.state == "rebooting":
            self._close(job, "reverted", job.code if job.code != "none" else "boot_failed")
        elif record.pending_floor > record.floor and self._flash.running.confirmed:
            record.floor = record.pending_floor
            self._flash.write(Step.FLOOR_MOVED)

    def _close(self, job: Job, state: str, code: str) -> None:
        """The attempt is over without success."""
        record = self._flash.record
        job.state, job.code = state, code
        record.slots[self._flash.inactive] = None
        record.offer, record.staged = None, False
        self._end(job.attempt)
        self._claim(job.attempt, state, grant_id=job.grant_id, code=code)
        self._flash.write(Step.DROPPED)
        self._flash.bytes.clear()

    def _granted(self, body: dict[str, Any], now: float) -> None:
        record = self._flash.record
        try:
            terms = check_grant(body, self._keys, device_id=self._device_id, offer=record.offer)
        except Refused:
            return
        grant_id = str(terms["grant_id"])
        if self._committed or (record.job is not None and record.job.grant_id == grant_id):
            return
        offer = record.offer
        assert offer is not None, "check_grant refuses without an offer"
        if not record.staged or self._nonce is None or terms["nonce"] != self._nonce:
            self._not_started(grant_id, offer, "stale_nonce", now)
        elif now - self._asked_at > float(terms["valid_for_s"]):
            self._not_started(grant_id, offer, "late", now)
        elif self._spoiled(offer):
            record.staged = False
            self._flash.bytes.clear()
            self._not_started(grant_id, offer, "hash", now)
            self._claim(offer["attempt"], "downloading")
            self._flash.write(Step.DROPPED)
        else:
            self._nonce = None
            record.job = Job(grant_id, offer["attempt"], "installing")
            self._claim(offer["attempt"], "installing", grant_id=grant_id)
            self._flash.write(Step.INSTALLING)
            self._install_ends = now + self._install_s

    def _spoiled(self, offer: dict[str, Any]) -> bool:
        data = self._flash.bytes
        if self._flash.mishaps.rots:
            self._flash.mishaps.rots = False
            data[len(data) // 2] ^= 0x40
        return bool(hashlib.sha256(data).hexdigest() != offer["sha256"])

    def _not_started(self, grant_id: str, offer: dict[str, Any], code: str, now: float) -> None:
        self._nonce, self._ask_again_at = None, now + _AFTER_REFUSAL_S
        self._flash.record.job = Job(grant_id, offer["attempt"], "not_started", code)
        self._claim(offer["attempt"], "not_started", grant_id=grant_id, code=code)
        self._flash.write(Step.DROPPED)

    def _answered(self, body: dict[str, Any], now: float) -> None:
        """An answer; one that finds the inventory too old gets a fresh one, and is asked again soon."""
        awaited = self._nonce is not None and body["nonce"] == self._nonce
        super()._answered(body, now)
        if awaited and "inventory_stale" in str(body.get("reason")):
            self._say_reported()
            self._ask_again_at = now + _AFTER_REPORT_S

    def _cancelled(self, body: dict[str, Any]) -> None:
        record, attempt = self._flash.record, str(body["attempt"])
        if body["order"] == "revert":
            if record.trying is not None and record.job is not None and record.job.attempt == attempt:
                self._revert("asked")
        elif record.offer is not None and record.offer["attempt"] == attempt:
            self._drop()

    def _switch(self) -> None:
        """The image is in the slot: try it once at the next boot."""
        record = self._flash.record
        offer, job = record.offer, record.job
        assert offer is not None and job is not None, "an install has both"  # noqa: PT018
        record.slots[self._flash.inactive] = Image(
            offer["version"], offer["release_counter"], offer["sha256"], confirmed=False
        )
        record.trying, record.tries_left = self._flash.inactive, 1
        record.confirm_timeout_s = offer["confirm_timeout_s"]
        job.state = "rebooting"
        self._flash.write(Step.SWITCHED)
        self._claim(offer["attempt"], "rebooting", grant_id=job.grant_id)
        self._flash.write(Step.REBOOTING)
        self._actions.append(Reboot("update"))

    def _judge(self) -> None:
        """The self-test, MQTT included, is over."""
        record, job = self._flash.record, self._flash.record.job
        self._test_ends = None
        if not self._flash.mishaps.self_test_passes:
            self._revert("self_test")
            return
        assert job is not None and record.offer is not None, "an image on trial has both"  # noqa: PT018
        self._give_up_at = None
        self._flash.running.confirmed = True
        record.trying, record.pending_floor = None, int(record.offer["min_counter"])
        job.state = "done"
        self._end(job.attempt)
        record.offer, record.staged = None, False
        self._claim(job.attempt, "done", grant_id=job.grant_id)
        self._flash.write(Step.CONFIRMED)
        self._flash.bytes.clear()
        if record.pending_floor > record.floor:
            record.floor = record.pending_floor
            self._flash.write(Step.FLOOR_MOVED)
        self._say_reported()

    def _revert(self, code: str) -> None:
        record = self._flash.record
        self._test_ends = self._give_up_at = None
        if record.job is not None:
            record.job.code = code
        record.active, record.trying = self._flash.inactive, None
        self._flash.write(Step.REVERTING)
        self._actions.append(Reboot("update"))

    def _say_reported(self, now: float = 0.0) -> None:
        """The inventory: at each connection and change, and once a day (`now`) from then on."""
        self._reported_at = max(now, self._reported_at)
        record, image = self._flash.record, self._flash.running
        body: dict[str, Any] = {
            "v": 1,
            "boot": self._boot,
            "seq": self._next_seq(),
            "components": {
                self._component: {
                    "version": image.version,
                    "release_counter": image.release_counter,
                    "sha256": image.sha256,
                }
            },
            "slot": {"active": record.active, "confirmed": image.confirmed},
            "counter_floor": record.floor,
            "free_bytes": self._flash.size,
            "hw_id": self._hw_id,
            **self._facts,
        }
        if record.job is not None:
            body["last_job"] = record.job.wire()
        self._actions.append(Publish("update/reported", body, retain=True))
