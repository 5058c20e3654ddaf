"""Which counters a row stands in. The store keeps the sums, so that no guard ever counts a fleet."""

from firmware_updates.attempt_row import Attempt, State
from firmware_updates.budget import Exposure
from firmware_updates.refusal import Refusal
from firmware_updates.waves import WaveTally

DOWNLOADS = "load"


def tally_keys(attempt: Attempt) -> frozenset[str]:
    """The counters in which this row counts one. A change of a row moves exactly the difference."""
    keys = set()
    rollout, epoch = f"r:{attempt.rollout_id}", attempt.score_epoch
    if attempt.at_risk:
        keys |= {f"{rollout}:risk", f"risk:device:{attempt.device_id}", f"risk:site:{attempt.site_id}"}
        if attempt.group:
            keys.add(f"risk:group:{attempt.site_id}:{attempt.group}")
    if attempt.bad:
        keys.add(f"{rollout}:{'overdue' if attempt.at_risk else 'bad'}:{epoch}")
    if attempt.mature:
        keys.add(f"{rollout}:mature:{epoch}")
    if attempt.state is State.DOWNLOADING:
        keys |= {DOWNLOADS, downloads_of_site(attempt.site_id)}
    if attempt.current:
        keys.add(state_key(attempt.rollout_id, attempt.state))
        wave = f"w:{attempt.rollout_id}:{attempt.wave}"
        keys.add(f"{wave}:{_bucket(attempt)}")
        if attempt.mature:
            keys.add(f"{wave}:mature")
    return frozenset(keys)


def _bucket(attempt: Attempt) -> str:
    if attempt.at_risk:
        return "risk"
    will_retry = attempt.state is State.FAILED and attempt.deadline_at is not None
    # A device that has not said yet what it runs may still come; who is unfit for another reason is not waited for.
    unfit = attempt.state is State.INELIGIBLE and attempt.reason != Refusal.NO_INVENTORY.value
    return "waiting" if will_retry or not (attempt.final or unfit) else "ended"


def state_key(rollout_id: str, state: State) -> str:
    """Current rows of a rollout in a state: over all states they sum to its targets."""
    return f"r:{rollout_id}:state:{state.value}"


def downloads_of_site(site_id: str) -> str:
    """Downloads under way at a site."""
    return f"load:{site_id}"


def exposure_keys(rollout_id: str, epoch: int) -> tuple[str, str, str, str]:
    """At risk, bad, overdue, mature: in the order of `Exposure`."""
    rollout = f"r:{rollout_id}"
    return f"{rollout}:risk", f"{rollout}:bad:{epoch}", f"{rollout}:overdue:{epoch}", f"{rollout}:mature:{epoch}"


def wave_keys(rollout_id: str, wave: int) -> tuple[str, str, str, str]:
    """Waiting, at risk, ended, mature: in the order of `WaveTally`."""
    base = f"w:{rollout_id}:{wave}"
    return f"{base}:waiting", f"{base}:risk", f"{base}:ended", f"{base}:mature"


def exposure_of(counts: tuple[int, ...]) -> Exposure:
    """From counts in the order of `exposure_keys`."""
    return Exposure(*counts)


def wave_tally_of(counts: tuple[int, ...]) -> WaveTally:
    """From counts in the order of `wave_keys`."""
    return WaveTally(*counts)
