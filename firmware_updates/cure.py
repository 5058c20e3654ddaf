"""A ticket whose fault a release ends: where the cure stands on its device. The ticket itself is not known here."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from firmware_updates.attempt_row import AT_RISK, BEFORE_RISK, Attempt, State
from firmware_updates.ports import UpdateStore
from firmware_updates.rollout import Rollout, RolloutState
from firmware_updates.window import next_span

PROOF_S = 24 * 3600.0
"""How long after the update the fault may still be seen: rules need their time to take it back."""
_PLANNED = frozenset({RolloutState.SCHEDULED, RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HALTED})


class Stage(Enum):
    """AHEAD: its window is to come. PROVING: installed, the evidence must follow. FAILED: nobody cures it now."""

    AHEAD = "ahead"
    UNDER_WAY = "under_way"
    PROVING = "proving"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Cure:
    """The newest approved attempt with a release that ends the fault. `opens` and `closes`: the window it waits for."""

    attempt: Attempt
    stage: Stage
    opens: float = 0.0
    closes: float = 0.0


def cure_of(store: UpdateStore, device_id: str, fault_class: str, now: float) -> Cure | None:
    """The cure of one fault on one device; None if nobody planned one. A draft promises nothing."""
    found = [
        (rollout, attempt)
        for rollout in store.rollouts()
        if rollout.approved_by
        and (release := store.release(rollout.release_id)) is not None
        and fault_class in release.manifest.fixes
        for attempt in _attempts(store, rollout, device_id)
    ]
    return _judged(store, *found[-1], now) if found else None


def _attempts(store: UpdateStore, rollout: Rollout, device_id: str) -> Iterator[Attempt]:
    number = 1
    while (attempt := store.attempt(f"{rollout.rollout_id}/{device_id}/{number}")) is not None:
        yield attempt
        number += 1


def _judged(store: UpdateStore, rollout: Rollout, attempt: Attempt, now: float) -> Cure:
    if attempt.state in AT_RISK:
        return Cure(attempt, Stage.UNDER_WAY)
    if attempt.state is State.SUCCEEDED and now < attempt.since + PROOF_S:
        return Cure(attempt, Stage.PROVING)
    again = attempt.state is State.FAILED and attempt.current and attempt.deadline_at is not None
    device = store.device(attempt.device_id)
    if device is None or rollout.state not in _PLANNED or not (again or attempt.state in BEFORE_RISK):
        return Cure(attempt, Stage.FAILED)
    span = next_span(device.windows, max(now, rollout.starts_at, attempt.postponed_until, attempt.retry_at))
    if span is None or attempt.state is State.INELIGIBLE:
        return Cure(attempt, Stage.FAILED)
    return Cure(attempt, Stage.AHEAD, float(span[0]), float(span[1]))
