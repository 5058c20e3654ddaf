"""UpdateService: the one door of the package. Thin and synchronous; every method is one transaction's work on a store.

What must reach devices is recorded in the outbox first and published second: `claim` hands it out, `published`
forgets it.
Nothing here reads a clock, opens a file or a connection.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from firmware_updates import desk
from firmware_updates.attempt import Expectation, expected
from firmware_updates.attempt_row import Attempt, State
from firmware_updates.clockwork import pass_time
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.evidence import Claim
from firmware_updates.inbox import Director, hear, see
from firmware_updates.messages import Channel, Phase
from firmware_updates.policy import Policy
from firmware_updates.ports import Done, HealthBook, Outgoing, UpdateStore
from firmware_updates.rollout import GRANTING, AbortMode, Act, Rollout, RolloutState
from firmware_updates.work import Work


@dataclass(frozen=True, slots=True)
class UpdateService:
    """Stateless. `freezes` are spans (epoch seconds) in which the organisation lets nothing start."""

    director: Director
    health: HealthBook | None = None
    freezes: tuple[tuple[float, float], ...] = ()

    # --- devices --------------------------------------------------------------------------------------------------
    def register(self, store: UpdateStore, devices: Sequence[UpdateDevice]) -> None:
        """Insert devices, or change what the registry knows of them; what they reported themselves is kept."""
        known = {device.device_id: device for device in store.devices([device.device_id for device in devices])}
        store.put_devices([_with_reported(device, known.get(device.device_id)) for device in devices])

    def handle(self, store: UpdateStore, device_id: str, channel: str, payload: bytes, now: float) -> Done:
        """One `update/*` message. BadMessage (one line) or Missing (unknown device): the message is a reject."""
        work = Work(store, now, "device")
        hear(work, self.director, device_id, channel, payload)
        return work.done()

    def seen(self, store: UpdateStore, device_id: str, now: float) -> Done:
        """A sign of life on any other topic. Cheap to call often; calling it once a minute is enough."""
        work = Work(store, now, "device")
        see(work, device_id)
        return work.done()

    def fault(self, store: UpdateStore, device_id: str, fault_class: str, now: float) -> Done:
        """A diagnostic rule fires on a device above its own baseline from before the update."""
        work = Work(store, now, "diagnostics")
        desk.report_fault(work, device_id, fault_class)
        return work.done()

    def expectation(self, store: UpdateStore, device_id: str) -> Expectation | None:
        """What other rules should put down to an update that is under way on this device."""
        found = (expected(attempt) for attempt in store.live_attempts(device_id))
        return next((each for each in found if each is not None), None)

    # --- time and the way down ------------------------------------------------------------------------------------
    def tick(self, store: UpdateStore, now: float) -> Done:
        """Everything that is due; once a minute is enough, and a restart only needs the next call."""
        work = Work(store, now, "clock")
        pass_time(work, self.health, self.freezes)
        return work.done()

    def claim(self, store: UpdateStore, now: float, limit: int = 200) -> Sequence[tuple[int, Outgoing]]:
        """The next messages to publish, in order. What may go out once is forgotten here, before it is published.

        A grant is handed out only while its rollout still runs and it is still good; one that is not never left, so its
        device is back at STAGED. Commit, publish, then call `published` with the numbers.
        """
        work = Work(store, now, "clock")
        ready, gone = [], []
        for number, message in store.outbox(limit):
            stale = message.expires_at is not None and now >= message.expires_at
            if message.channel is Channel.GRANT and (stale or not self._may_leave(work, message)):
                attempt = work.attempt(message.attempt_id)
                work.apply(attempt, Claim(Phase.NOT_STARTED, message.grant_id, "never_sent"))
                gone.append(number)
            elif stale:
                gone.append(number)
            else:
                ready.append((number, message))
                if message.once:
                    gone.append(number)
        store.drop(gone)
        return ready

    def published(self, store: UpdateStore, numbers: Collection[int]) -> None:
        """The broker has taken these: forget them."""
        store.drop(numbers)

    def _may_leave(self, work: Work, grant: Outgoing) -> bool:
        attempt = work.attempt(grant.attempt_id)
        rollout = work.rollout(attempt.rollout_id)
        return (
            attempt.state is State.GRANTED
            and attempt.grant_id == grant.grant_id
            and rollout.state is RolloutState.RUNNING
            and rollout.waves[attempt.wave].state in GRANTING
            and not work.release(attempt.release_id).revoked_reason
        )

    # --- people ---------------------------------------------------------------------------------------------------
    def publish_release(
        self, store: UpdateStore, who: str, document: bytes, signatures: Sequence[str], now: float
    ) -> Release:
        """Take in a signed manifest: ManifestError, Distrusted."""
        return desk.publish(Work(store, now, who), self.director.release_keys, document, signatures)

    def revoke_release(self, store: UpdateStore, who: str, release_id: str, reason: str, now: float) -> Done:
        """No further grant; its rollouts are aborted, unconfirmed devices are asked to revert."""
        work = Work(store, now, who)
        desk.revoke(work, release_id, reason)
        return work.done()

    def create_rollout(
        self,
        store: UpdateStore,
        who: str,
        rollout_id: str,
        name: str,
        release_id: str,
        device_ids: Sequence[str],
        policy: Policy,
        starts_at: float,
        deadline_at: float,
        now: float,
    ) -> Rollout:
        """A draft with its targets and waves: NotPossible, Missing."""
        work = Work(store, now, who)
        return desk.create_rollout(work, rollout_id, name, release_id, device_ids, policy, starts_at, deadline_at)

    def edit_rollout(
        self,
        store: UpdateStore,
        who: str,
        rollout_id: str,
        now: float,
        *,
        policy: Policy | None = None,
        starts_at: float | None = None,
        name: str | None = None,
    ) -> Rollout:
        """Back to DRAFT with the changes: NotPossible, Denied."""
        return desk.edit(Work(store, now, who), rollout_id, policy=policy, starts_at=starts_at, name=name)

    def join(self, store: UpdateStore, who: str, rollout_id: str, device_id: str, now: float) -> None:
        """A device that came later: NotPossible once the rollout is over."""
        desk.join(Work(store, now, who), rollout_id, device_id)

    def simulated(self, store: UpdateStore, who: str, rollout_id: str, now: float) -> Rollout:
        """The dry run was done on this content: DRAFT to SIMULATED."""
        return desk.act_on(Work(store, now, who), rollout_id, Act.SIMULATE)

    def submit(self, store: UpdateStore, who: str, rollout_id: str, now: float) -> Rollout:
        """Ask for approval."""
        return desk.act_on(Work(store, now, who), rollout_id, Act.SUBMIT)

    def approve(self, store: UpdateStore, who: str, rollout_id: str, content_sha256: str, now: float) -> Rollout:
        """A second person agrees to exactly this content: Denied otherwise."""
        return desk.act_on(Work(store, now, who), rollout_id, Act.APPROVE, content_sha256)

    def decline(self, store: UpdateStore, who: str, rollout_id: str, now: float) -> Rollout:
        """Back to the author."""
        return desk.act_on(Work(store, now, who), rollout_id, Act.DECLINE)

    def pause(self, store: UpdateStore, who: str, rollout_id: str, reason: str, now: float) -> Rollout:
        """No grant leaves after this is committed; installs under way end by themselves."""
        return desk.pause_rollout(Work(store, now, who), rollout_id, reason)

    def resume(self, store: UpdateStore, who: str, rollout_id: str, now: float) -> Rollout:
        """Go on; after a stop only a second person may, and only newer failures count: Denied."""
        return desk.act_on(Work(store, now, who), rollout_id, Act.RESUME)

    def abort(self, store: UpdateStore, who: str, rollout_id: str, mode: AbortMode, reason: str, now: float) -> Done:
        """For good. Flash writes that have begun are never interrupted."""
        work = Work(store, now, who)
        desk.abort(work, rollout_id, mode, reason)
        return work.done()

    def retry(self, store: UpdateStore, who: str, attempt_id: str, now: float) -> Attempt:
        """Staff tries one device again: NotPossible."""
        return desk.retry(Work(store, now, who), attempt_id)

    def consent(
        self, store: UpdateStore, who: str, attempt_id: str, text_sha256: str, now: float, *, given: bool
    ) -> Done:
        """The customer's answer to the words with this hash: NotPossible when nobody asked or it is too late."""
        work = Work(store, now, who)
        desk.consent(work, attempt_id, text_sha256, given=given)
        return work.done()

    def postpone(self, store: UpdateStore, who: str, attempt_id: str, until: float, now: float) -> Done:
        """The customer wants it later: NotPossible once it has begun."""
        work = Work(store, now, who)
        desk.postpone(work, attempt_id, until)
        return work.done()


def _with_reported(device: UpdateDevice, known: UpdateDevice | None) -> UpdateDevice:
    if known is None:
        return device
    kept = {name: getattr(known, name) for name in ("stock", "counters", "heard", "desired_attempt", "seen_at")}
    return replace(device, **kept)
