"""What time does: deadlines of attempts, waves that follow one another, offers, ends. Every step is safe to repeat."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from firmware_updates.attempt import retried
from firmware_updates.attempt_row import BEFORE_RISK, FINAL, Attempt, Outcome, State
from firmware_updates.budget import is_exhausted
from firmware_updates.evidence import Timer, Told
from firmware_updates.fitness import is_on_target, misfits
from firmware_updates.gate import Verdict, judge
from firmware_updates.ports import HealthBook
from firmware_updates.rollout import GRANTING, Act, PauseReason, Rollout, RolloutState, WaveState, act, pause
from firmware_updates.tally import DOWNLOADS, downloads_of_site, state_key
from firmware_updates.waves import walk_waves
from firmware_updates.work import Work, quarantine_key

NONCE_KEPT_S = 7 * 86_400.0
BATCH = 500
COHORT_MOST = 2000
JUDGED = frozenset({State.SUCCEEDED, State.PROBATION, State.FAILED, State.ROLLED_BACK})
ACTIVE = frozenset({RolloutState.SCHEDULED, RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HALTED})
NOT_STARTED = frozenset({RolloutState.DRAFT, RolloutState.SIMULATED, RolloutState.PENDING_APPROVAL})


def pass_time(work: Work, health: HealthBook | None, freezes: Sequence[tuple[float, float]]) -> None:
    """Everything that is due at `work.now`, at most `BATCH` rows of each kind; call it again soon."""
    for attempt in work.store.due(work.now, BATCH):
        _ring(work, attempt)
    frozen = any(since <= work.now < until for since, until in freezes)
    for rollout in work.store.rollouts(ACTIVE | NOT_STARTED):
        _pass_rollout(work, rollout, health, frozen=frozen)
    work.store.unmark_older("nonce:", work.now - NONCE_KEPT_S)


def _ring(work: Work, attempt: Attempt) -> None:
    if attempt.state not in FINAL or attempt.state is State.LOST:
        work.apply(attempt, Timer())
        return
    rollout = work.rollout(attempt.rollout_id)
    if rollout.over:
        work.put(attempt, replace(attempt, deadline_at=None))
        return
    done, fresh = retried(attempt, work.now)
    work.put(attempt, done)
    work.insert(fresh)


def _pass_rollout(work: Work, rollout: Rollout, health: HealthBook | None, *, frozen: bool) -> None:
    if work.now >= rollout.deadline_at:
        _end(work, rollout)
        return
    if rollout.state is RolloutState.SCHEDULED and work.now >= rollout.starts_at:
        rollout = work.put_rollout(rollout, act(rollout, Act.START, work.now))
    if frozen and rollout.state is RolloutState.RUNNING:
        work.put_rollout(rollout, pause(rollout, PauseReason.BLACKOUT, work.now))
        return
    if not frozen and rollout.pause_reason is PauseReason.BLACKOUT:
        rollout = work.put_rollout(rollout, act(rollout, Act.RESUME, work.now))
    if rollout.state is not RolloutState.RUNNING:
        return
    policy = rollout.policy
    if is_exhausted(work.exposure(rollout), policy.k0, policy.per_success):
        work.put_rollout(rollout, pause(rollout, PauseReason.BUDGET, work.now))
        return
    rollout = _walk(work, rollout, health)
    if rollout.state is RolloutState.RUNNING:
        _plan(work, rollout)
        _offer(work, rollout)
        _finish(work, rollout)


def _end(work: Work, rollout: Rollout) -> None:
    (succeeded,) = work.store.counts((state_key(rollout.rollout_id, State.SUCCEEDED),))
    started = rollout.state in ACTIVE and rollout.state is not RolloutState.SCHEDULED
    what = Act.DEADLINE if started and succeeded else Act.EXPIRE
    work.put_rollout(rollout, act(rollout, what, work.now))  # the attempts' own deadlines end what has not begun


def _walk(work: Work, rollout: Rollout, health: HealthBook | None) -> Rollout:
    walked = walk_waves(
        rollout,
        lambda wave: work.wave_tally(rollout.rollout_id, wave),
        lambda wave: _judge(work, rollout, wave, health),
        work.now,
    )
    after = work.put_rollout(rollout, walked)
    if any(wave.state is WaveState.FAILED for wave in after.waves):
        return work.put_rollout(after, pause(after, PauseReason.HEALTH, work.now))
    return after


def _judge(work: Work, rollout: Rollout, wave: int, health: HealthBook | None) -> Verdict:
    control = len(rollout.waves) - 1
    if health is None or wave == control or not rollout.policy.control:
        return Verdict.OK
    updated = work.store.attempts(rollout.rollout_id, JUDGED, {wave}, "", COHORT_MOST)
    untouched = work.store.attempts(rollout.rollout_id, BEFORE_RISK, {control}, "", COHORT_MOST)
    if not untouched:
        return Verdict.OK
    since = {one.device_id: one.reported_at or one.granted_at for one in updated if one.grant_id}
    middle = median(since.values()) if since else work.now
    verdict, findings = judge(
        health.cohort(since, work.now),
        health.cohort(dict.fromkeys((one.device_id for one in untouched), middle), work.now),
    )
    for finding in findings:
        work.note("gate_worse", rollout.rollout_id, f"{finding.name} p={finding.p:.2g} size={finding.size:.2f}")
    return verdict


def _plan(work: Work, rollout: Rollout) -> None:
    """PLANNED rows of open waves; where consent is asked, of all waves, so that there is time to answer."""
    waves = None if rollout.policy.consent_required else _open_waves(rollout)
    for attempt in work.store.attempts(rollout.rollout_id, {State.PLANNED}, waves, "", BATCH):
        _plan_one(work, rollout, attempt)


def _plan_one(work: Work, rollout: Rollout, attempt: Attempt) -> None:
    device, release = work.device(attempt.device_id), work.release(attempt.release_id)
    for other in work.store.live_attempts(attempt.device_id):
        same = other.component == attempt.component and other.attempt_id != attempt.attempt_id
        if same and other.state in BEFORE_RISK:
            older, newer = (other, attempt) if other.target_counter < attempt.target_counter else (attempt, other)
            work.apply(older, Told(Outcome.SUPERSEDE, newer.rollout_id))
            if older is attempt:
                return
    if is_on_target(device, release):
        work.apply(attempt, Told(Outcome.NOOP, "already_on_target"))
        return
    reasons = [refusal.value for refusal in misfits(device, release, rollout.policy, work.now)]
    if work.store.marked_at(quarantine_key(device.device_id, release.release_id)) is not None:
        reasons.append("quarantined")
    if reasons:
        work.apply(attempt, Told(Outcome.NOT_ELIGIBLE, ",".join(reasons)))
    elif rollout.policy.consent_required and attempt.consent is None:
        work.apply(attempt, Told(Outcome.CONSENT_NEEDED))
    else:
        work.apply(attempt, Told(Outcome.ELIGIBLE))


def _offer(work: Work, rollout: Rollout) -> None:
    (busy,) = work.store.counts((DOWNLOADS,))
    room = rollout.policy.downloads_total - busy
    waves = _open_waves(rollout)
    for attempt in work.store.attempts(rollout.rollout_id, {State.READY}, waves, "", max(0, min(BATCH, room))):
        (here,) = work.store.counts((downloads_of_site(attempt.site_id),))
        topic_taken = work.device(attempt.device_id).desired_attempt
        if here < rollout.policy.downloads_per_site and not topic_taken:
            work.apply(attempt, Told(Outcome.OFFER))


def _finish(work: Work, rollout: Rollout) -> None:
    if any(wave.state is not WaveState.PASSED for wave in rollout.waves):
        return
    tallies = [work.wave_tally(rollout.rollout_id, wave) for wave in range(len(rollout.waves))]
    if any(tally.waiting or tally.at_risk for tally in tallies):
        return
    for attempt in work.store.attempts(rollout.rollout_id, {State.INELIGIBLE}, None, "", BATCH):
        work.apply(attempt, Told(Outcome.EXPIRE, attempt.reason))
    work.put_rollout(rollout, act(rollout, Act.FINISH, work.now))


def _open_waves(rollout: Rollout) -> list[int]:
    return [index for index, wave in enumerate(rollout.waves) if wave.state in GRANTING]
