"""May this device install now? Every guard is asked, by the gateway's clock; all that do not hold are named.

A permit ends so early that the slowest usual install still ends inside the window, whatever the device's clock says:
the device may start only `valid_for_s` after *sending* its request, which was before `now`. Whatever ends soon
(support, the manifest, the day before a blackout) must still hold `MIN_VALID_S` from now, and ends the permit too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_updates.attempt_row import Attempt, State
from firmware_updates.budget import Exposure, headroom
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.entitlement import DAY_S, right_ends_at
from firmware_updates.fitness import misfits
from firmware_updates.messages import Request
from firmware_updates.policy import MIN_VALID_S, Policy
from firmware_updates.refusal import PERMANENT, Refusal, Refused
from firmware_updates.rollout import GRANTING, Rollout, RolloutState
from firmware_updates.window import Window, end_of_local_day, local_date_at, next_span

SOON_S, LATER_S = 300.0, 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is at risk around this device in all rollouts, and when the global rate has room."""

    device: int
    site: int
    group: int
    rate_at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the guards look at, read in one transaction."""

    rollout: Rollout
    attempt: Attempt
    device: UpdateDevice
    release: Release
    request: Request
    exposure: Exposure
    load: Load
    key_trusted: bool = True
    nonce_used: bool = False
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Permit:
    """What the grant may say. `not_after` leaves room to finish inside the window."""

    valid_for_s: int
    not_after: float


def decide(facts: Facts, now: float) -> Permit | tuple[Refused, ...]:
    """A permit, or every refusal there is."""
    span = next_span(facts.device.windows, now)
    refused = tuple(each for guard in GUARDS for each in guard(facts, span, now))
    if refused or span is None:
        return refused
    valid_for_s = int(_latest_start(facts, span, now) - now)
    return Permit(valid_for_s, now + valid_for_s)


def _latest_start(facts: Facts, span: tuple[int, int], now: float) -> float:
    policy, manifest, windows = facts.rollout.policy, facts.release.manifest, facts.device.windows
    limits = [now + policy.valid_for_s, span[1] - manifest.fit_s, manifest.expires_at]
    right = right_ends_at(facts.device.entitlement, manifest.release_class, policy.security)
    if right is not None:
        limits.append(right)
    tomorrow = day_ends_at(windows[0].zone, now)
    if is_blacked_out(policy, windows, tomorrow):
        limits.append(tomorrow)
    return min(limits)


def retry_at(refused: tuple[Refused, ...], now: float) -> float:
    """When asking again may help: when the last of the refusals may be gone."""
    return max((each.retry_at for each in refused if each.retry_at > now), default=now + SOON_S)


def is_denied(refused: tuple[Refused, ...]) -> bool:
    """Whether waiting alone cannot help."""
    return any(each.refusal in PERMANENT for each in refused)


Span = tuple[int, int] | None
Guard = Callable[[Facts, Span, float], Iterator[Refused]]


def _rollout_runs(facts: Facts, _: Span, now: float) -> Iterator[Refused]:
    if facts.rollout.state is not RolloutState.RUNNING:
        yield Refused(Refusal.ROLLOUT_NOT_RUNNING, now + LATER_S)
    wave = facts.rollout.waves[facts.attempt.wave]
    if wave.state not in GRANTING:
        yield Refused(Refusal.WAVE_NOT_OPEN, now + LATER_S)
    if facts.attempt.state is not State.STAGED:
        yield Refused(Refusal.NOT_STAGED, now + SOON_S)


def _window_has_room(facts: Facts, span: Span, now: float) -> Iterator[Refused]:
    if span is None:
        yield Refused(Refusal.NO_WINDOW)
        return
    opens, closes = span
    if now < opens:
        yield Refused(Refusal.WINDOW_CLOSED, opens)
    elif closes - now < facts.release.manifest.fit_s + MIN_VALID_S:
        following = next_span(facts.device.windows, closes)
        yield Refused(Refusal.WINDOW_TOO_SHORT, float(following[0]) if following else 0.0)


def _no_blackout(facts: Facts, _: Span, now: float) -> Iterator[Refused]:
    policy, windows = facts.rollout.policy, facts.device.windows
    for at in (now, now + MIN_VALID_S):
        if is_blacked_out(policy, windows, at):
            yield Refused(Refusal.BLACKOUT_DATE, day_ends_at(windows[0].zone, at))
            return


def _release_fits(facts: Facts, _: Span, now: float) -> Iterator[Refused]:
    for refusal in misfits(facts.device, facts.release, facts.rollout.policy, now + MIN_VALID_S):
        if refusal is not Refusal.NO_WINDOW:  # told by the window's own guard
            yield Refused(refusal, 0.0 if refusal in PERMANENT else now + DAY_S)
    if not facts.key_trusted:
        yield Refused(Refusal.KEY_NOT_TRUSTED)
    if facts.quarantined:
        yield Refused(Refusal.QUARANTINED)
    stock = facts.device.stock
    if stock is not None and now - stock.received_at > facts.rollout.policy.inventory_max_age_s:
        yield Refused(Refusal.INVENTORY_STALE, now + SOON_S)


def _caps_hold(facts: Facts, _: Span, now: float) -> Iterator[Refused]:
    if facts.load.device > 0:
        yield Refused(Refusal.DEVICE_AT_RISK, now + LATER_S)
    if facts.load.site >= facts.rollout.policy.site_cap:
        yield Refused(Refusal.SITE_CAP, now + 2 * SOON_S)
    if facts.device.group and facts.load.group > 0:
        yield Refused(Refusal.GROUP_CAP, now + 2 * SOON_S)
    if facts.load.rate_at > now:
        yield Refused(Refusal.RATE, facts.load.rate_at)
    policy = facts.rollout.policy
    if headroom(facts.exposure, policy.k0, policy.per_success) <= 0:
        yield Refused(Refusal.BUDGET, now + 2 * SOON_S)


def _people_agree(facts: Facts, _: Span, now: float) -> Iterator[Refused]:
    if facts.rollout.policy.consent_required and facts.attempt.consent is None:
        yield Refused(Refusal.CONSENT, now + LATER_S)
    if now < facts.attempt.postponed_until:
        yield Refused(Refusal.POSTPONED, facts.attempt.postponed_until)
    if facts.device.open_critical:
        yield Refused(Refusal.CRITICAL_TICKET, now + LATER_S)


def _device_agrees(facts: Facts, _: Span, now: float) -> Iterator[Refused]:
    if facts.request.busy:
        yield Refused(Refusal.DEVICE_BUSY, now + SOON_S)
    battery = facts.request.battery_pct
    if battery is not None and battery < facts.release.manifest.needs_battery_pct:
        yield Refused(Refusal.LOW_BATTERY, now + LATER_S)
    if facts.nonce_used:
        yield Refused(Refusal.NONCE_USED, now + SOON_S)


GUARDS: tuple[Guard, ...] = (
    _rollout_runs,
    _window_has_room,
    _no_blackout,
    _release_fits,
    _caps_hold,
    _people_agree,
    _device_agrees,
)


def day_ends_at(zone: str, now: float) -> float:
    """When the local day of this instant is over."""
    return end_of_local_day(zone, local_date_at(zone, now)).timestamp()


def is_blacked_out(policy: Policy, windows: tuple[Window, ...], now: float) -> bool:
    """Whether today, where the device stands, is a day on which nothing starts."""
    return bool(policy.blackouts and windows) and local_date_at(windows[0].zone, now) in policy.blackouts
