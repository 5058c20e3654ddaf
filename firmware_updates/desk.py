"""What people do: releases, rollouts and single devices. Every act names who did it."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from firmware_updates.attempt import retried
from firmware_updates.attempt_row import BEFORE_RISK, FINAL, Attempt, Consent, Outcome, State
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.evidence import Fault, Postponed, Told
from firmware_updates.inbox import is_trusted
from firmware_updates.manifest import parse_manifest, release_id
from firmware_updates.membership import Member, assign_waves, wave_sizes
from firmware_updates.messages import Cancel, Order
from firmware_updates.policy import Policy
from firmware_updates.rollout import AbortMode, Act, PauseReason, Rollout, Wave, act, pause
from firmware_updates.signing import Distrust, Distrusted, KeySet
from firmware_updates.work import Work, quarantine_key


class NotPossible(ValueError):
    """The act makes no sense now; one line says why."""


def publish(work: Work, keys: KeySet, document: bytes, signatures: Sequence[str]) -> Release:
    """Take in a signed manifest. ManifestError or Distrusted if it is not one; publishing it again changes nothing."""
    manifest = parse_manifest(document)
    if not is_trusted(keys, document, tuple(signatures)):
        raise Distrusted(Distrust.UNSIGNED)
    name = release_id(document)
    known = work.store.release(name)
    if known is not None:
        return known
    release = Release(name, document, tuple(signatures), manifest, work.now)
    work.store.put_release(release)
    work.note("release_published", "", f"{manifest.component} {manifest.version} {name}")
    return release


def revoke(work: Work, name: str, reason: str) -> None:
    """No further grant for this release; what has not begun ends."""
    release = work.release(name)
    work.store.put_release(replace(release, revoked_reason=reason or "revoked"))
    work.note("release_revoked", "", f"{name} {reason}")
    for rollout in work.store.rollouts():
        if rollout.release_id == name and not rollout.over:
            abort(work, rollout.rollout_id, AbortMode.REVERT, reason)


def create_rollout(
    work: Work,
    rollout_id: str,
    name: str,
    release: str,
    device_ids: Sequence[str],
    policy: Policy,
    starts_at: float,
    deadline_at: float,
) -> Rollout:
    """A DRAFT with one PLANNED row a target. NotPossible where it could never run."""
    manifest = work.release(release).manifest
    targets = sorted(set(device_ids))
    if work.store.rollout(rollout_id) is not None:
        raise NotPossible(f"rollout {rollout_id!r} exists already")
    if not targets:
        raise NotPossible("no device is selected")
    if not starts_at < deadline_at:
        raise NotPossible("the deadline must come after the start")
    devices = [work.device(device_id) for device_id in targets]
    waves = assign_waves(rollout_id, [Member(one.device_id, one.model, one.site_id) for one in devices], policy)
    rollout = Rollout(
        rollout_id=rollout_id,
        name=name,
        release_id=release,
        component=manifest.component,
        author=work.who,
        created_at=work.now,
        starts_at=starts_at,
        deadline_at=deadline_at,
        policy=policy,
        targets=len(targets),
        targets_sha256=hashlib.sha256("\n".join(targets).encode()).hexdigest(),
        waves=(Wave(),) * len(wave_sizes(len(targets), policy)),
    )
    work.store.put_rollout(rollout)
    for device in devices:
        work.insert(_planned(work, rollout, device, waves[device.device_id]))
    work.note("created", rollout_id, name)
    return rollout


def join(work: Work, rollout_id: str, device_id: str) -> None:
    """A late joiner goes to the last wave; nothing if it is a target already."""
    rollout, device = work.rollout(rollout_id), work.device(device_id)
    if rollout.over:
        raise NotPossible("the rollout is over")
    row = _planned(work, rollout, device, len(rollout.waves) - 1)
    if work.store.attempt(row.attempt_id) is None:
        work.insert(row)
        work.put_rollout(rollout, replace(rollout, targets=rollout.targets + 1))
        work.note("joined", rollout_id, device_id)


def _planned(work: Work, rollout: Rollout, device: UpdateDevice, wave: int) -> Attempt:
    manifest, policy = work.release(rollout.release_id).manifest, rollout.policy
    expires_at = min(rollout.deadline_at, manifest.expires_at)
    return Attempt(
        attempt_id=f"{rollout.rollout_id}/{device.device_id}/1",
        rollout_id=rollout.rollout_id,
        release_id=rollout.release_id,
        device_id=device.device_id,
        site_id=device.site_id,
        group=device.group,
        component=manifest.component,
        number=1,
        wave=wave,
        state=State.PLANNED,
        since=work.now,
        expires_at=expires_at,
        deadline_at=expires_at,
        target_version=str(manifest.version),
        target_counter=manifest.release_counter,
        soak_s=policy.canary_soak_s if wave == 0 else policy.soak_s,
        overdue_s=policy.overdue_s,
    )


def act_on(work: Work, rollout_id: str, what: Act, content: str = "") -> Rollout:
    """SIMULATE, SUBMIT, APPROVE, DECLINE or RESUME. Denied with the named reason."""
    rollout = work.rollout(rollout_id)
    return work.put_rollout(rollout, act(rollout, what, work.now, work.who, content))


def edit(
    work: Work,
    rollout_id: str,
    *,
    policy: Policy | None = None,
    starts_at: float | None = None,
    name: str | None = None,
) -> Rollout:
    """Change a rollout that has not started: back to DRAFT. The wave's make-up needs a new rollout."""
    rollout = work.rollout(rollout_id)
    if policy and wave_sizes(rollout.targets, policy) != wave_sizes(rollout.targets, rollout.policy):
        raise NotPossible("waves are made when a rollout is created: create another one")
    draft = rollout if not rollout.content_sha256 else act(rollout, Act.EDIT, work.now)
    changed = replace(
        draft,
        policy=policy or rollout.policy,
        starts_at=rollout.starts_at if starts_at is None else starts_at,
        name=name or rollout.name,
    )
    if not changed.starts_at < changed.deadline_at:
        raise NotPossible("the deadline must come after the start")
    return work.put_rollout(rollout, changed)


def pause_rollout(work: Work, rollout_id: str, reason: str) -> Rollout:
    """No grant is published after this is committed."""
    rollout = work.rollout(rollout_id)
    return work.put_rollout(rollout, pause(rollout, PauseReason.MANUAL, work.now, reason))


def abort(work: Work, rollout_id: str, mode: AbortMode, reason: str) -> Rollout:
    """End what has not begun; REVERT also asks devices whose new image is unconfirmed to go back."""
    rollout = work.rollout(rollout_id)
    ended = replace(act(rollout, Act.ABORT, work.now), abort_mode=mode, reason=reason)
    ended = work.put_rollout(rollout, ended)
    after = ""
    while rows := work.store.attempts(rollout_id, None, None, after):
        for attempt in rows:
            if attempt.state not in FINAL:
                work.apply(attempt, Told(Outcome.CANCEL, "aborted"))
            if mode is AbortMode.REVERT and attempt.at_risk and not attempt.confirmed_at:
                work.send(attempt, Cancel(attempt.attempt_id, Order.REVERT, "aborted"))
        after = rows[-1].attempt_id
    return ended


def retry(work: Work, attempt_id: str) -> Attempt:
    """Staff tries a failed, rolled back or rejected device once more: its quarantine for this release is lifted."""
    attempt = work.attempt(attempt_id)
    if attempt.state not in (State.FAILED, State.ROLLED_BACK, State.REJECTED, State.CANCELED) or not attempt.current:
        raise NotPossible(f"attempt {attempt_id} cannot be retried: it is {attempt.state.value}")
    if work.rollout(attempt.rollout_id).over:
        raise NotPossible("the rollout is over")
    work.store.unmark(quarantine_key(attempt.device_id, attempt.release_id))
    done, fresh = retried(attempt, work.now)
    work.put(attempt, done)
    work.insert(fresh)
    work.note("retried_by_staff", attempt.rollout_id, attempt_id, fresh)
    return fresh


def consent(work: Work, attempt_id: str, text_sha256: str, *, given: bool) -> Attempt:
    """The customer's answer; a denied release is not offered again by this rollout."""
    attempt = work.attempt(attempt_id)
    outcome = Outcome.CONSENT_GIVEN if given else Outcome.CONSENT_DENIED
    if attempt.state not in BEFORE_RISK:
        raise NotPossible(f"too late: the update is {attempt.state.value}")
    if given and attempt.state is not State.AWAIT_CONSENT:
        raise NotPossible("nobody asked for consent")
    return work.apply(attempt, Told(outcome, "customer", Consent(work.who, work.now, text_sha256)))


def postpone(work: Work, attempt_id: str, until: float) -> Attempt:
    """The customer asks for later; the rollout's deadline stays."""
    attempt = work.attempt(attempt_id)
    if attempt.state not in BEFORE_RISK:
        raise NotPossible(f"too late: the update is {attempt.state.value}")
    return work.apply(attempt, Postponed(min(until, attempt.expires_at)))


def report_fault(work: Work, device_id: str, fault_class: str) -> None:
    """A rule fires above the device's own baseline from before its update."""
    for attempt in work.store.live_attempts(device_id):
        work.apply(attempt, Fault(fault_class))
