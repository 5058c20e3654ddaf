"""How waves follow one another: opened, settled, soaked, judged. Budget and guards bound what happens inside."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from firmware_updates.gate import Verdict
from firmware_updates.policy import Policy
from firmware_updates.rollout import Rollout, WaveState, WaveStep, step_wave


@dataclass(frozen=True, slots=True)
class WaveTally:
    """Members of one wave: still to come (retries too), at risk, and successes that have soaked."""

    waiting: int
    at_risk: int
    ended: int
    mature: int

    @property
    def members(self) -> int:
        """All of them."""
        return self.waiting + self.at_risk + self.ended


def walk_waves(
    rollout: Rollout, tally: Callable[[int], WaveTally], judge: Callable[[int], Verdict], now: float
) -> Rollout:
    """Every step that is due now. A wave that is judged worse stays FAILED and opens nothing."""
    waves = list(rollout.waves)
    for index, wave in enumerate(waves):
        if wave.state is WaveState.PENDING and (index == 0 or waves[index - 1].state is WaveState.PASSED):
            waves[index] = step_wave(wave, WaveStep.OPENED, now)
        if waves[index].state is WaveState.OPEN and is_settled(waves[index].since, tally(index), rollout.policy, now):
            waves[index] = step_wave(waves[index], WaveStep.SETTLED, now)
        soak_s = rollout.policy.wave_soak_s if tally(index).members else 0.0
        if waves[index].state is WaveState.SOAKING and now >= waves[index].since + soak_s:
            waves[index] = step_wave(waves[index], WaveStep.SOAKED, now)
        if waves[index].state is WaveState.GATE:
            verdict = judge(index) if tally(index).mature else _without_evidence(tally(index))
            if verdict is not Verdict.WAIT:
                step = WaveStep.JUDGED_OK if verdict is Verdict.OK else WaveStep.JUDGED_WORSE
                waves[index] = step_wave(waves[index], step, now)
        if waves[index].state is not WaveState.PASSED:
            break
    return replace(rollout, waves=tuple(waves)) if tuple(waves) != rollout.waves else rollout


def is_settled(since: float, tally: WaveTally, policy: Policy, now: float) -> bool:
    """Nobody at risk and nearly all ended, or the patience with those who are never online is over."""
    nearly_all = tally.ended >= policy.wave_settled * tally.members and not tally.at_risk
    return nearly_all or now >= since + policy.wave_patience_s


def _without_evidence(tally: WaveTally) -> Verdict:
    """Not one success: pass only if nobody is left who could give one."""
    return Verdict.WAIT if tally.waiting else Verdict.OK
