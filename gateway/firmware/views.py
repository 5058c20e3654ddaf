"""Firmware updates as pages show them: a device's attempt, rollouts with their waves, and what staff may do."""

from collections.abc import Callable, Sequence

from firmware_updates.attempt_row import AT_RISK, Attempt, State
from firmware_updates.ports import UpdateStore
from firmware_updates.rollout import AbortMode, Rollout
from firmware_updates.service import UpdateService
from firmware_updates.tally import exposure_keys, exposure_of, state_key
from firmware_updates.window import next_span
from firmware_updates.work import Missing
from gateway.storage.database import Database
from gateway.storage.update_counts import wave_counts
from gateway.storage.update_desk import SqlUpdates
from gateway.web.updates import Refused, RolloutView, UpdateView, WaveView

WAITING = (State.PLANNED, State.AWAIT_CONSENT, State.READY, State.OFFERED)
DOWNLOADING = (State.DOWNLOADING, State.STAGED)
FAILED = (State.FAILED, State.REJECTED, State.LOST)
SHOWN_REASONS = (State.REJECTED, State.LOST, State.ROLLED_BACK, State.FAILED, State.INELIGIBLE)


class UpdatePages:
    """The adapters of `web.updates.UpdateViews` and `web.updates.Rollouts`."""

    def __init__(self, database: Database, updates: SqlUpdates, service: UpdateService) -> None:
        self._database, self._updates, self._service = database, updates, service

    async def of_device(self, device_id: str) -> UpdateView | None:
        """See `UpdateViews`."""
        return await self._updates.read(lambda store: _of_device(store, device_id))

    async def all(self) -> Sequence[RolloutView]:
        """See `Rollouts`."""
        rollouts = await self._updates.read(lambda store: list(store.rollouts()))
        views = [await self._view(rollout) for rollout in rollouts]
        return sorted(views, key=lambda view: -view.created_at)

    async def get(self, rollout_id: str) -> RolloutView | None:
        """See `Rollouts`."""
        rollout = await self._updates.read(lambda store: store.rollout(rollout_id))
        return await self._view(rollout) if rollout else None

    async def pause(self, rollout_id: str, actor: str, reason: str, now: float) -> None:
        """See `Rollouts`."""
        await self._act(lambda store: self._service.pause(store, actor, rollout_id, reason, now), rollout_id)

    async def resume(self, rollout_id: str, actor: str, now: float) -> None:
        """See `Rollouts`."""
        await self._act(lambda store: self._service.resume(store, actor, rollout_id, now), rollout_id)

    async def approve(self, rollout_id: str, actor: str, now: float) -> None:
        """See `Rollouts`. The approver agrees to exactly what is stored now."""

        def agree(store: UpdateStore) -> object:
            rollout = store.rollout(rollout_id)
            sha256 = rollout.content_sha256 if rollout else ""
            return self._service.approve(store, actor, rollout_id, sha256, now)

        await self._act(agree, rollout_id)

    async def stop(
        self, rollout_id: str, actor: str, reason: str, now: float, mode: AbortMode = AbortMode.KEEP
    ) -> None:
        """See `Rollouts`: finished devices keep the version, those that have not begun never begin."""
        try:
            await self._updates.follow(
                lambda store: self._service.abort(store, actor, rollout_id, mode, reason, now), now
            )
        except Missing:
            raise KeyError(rollout_id) from None
        except ValueError as refused:
            raise Refused(str(refused)) from None

    async def _act(self, work: Callable[[UpdateStore], object], rollout_id: str) -> None:
        try:
            await self._updates.act(work)
        except Missing:
            raise KeyError(rollout_id) from None
        except ValueError as refused:
            raise Refused(str(refused)) from None

    async def _view(self, rollout: Rollout) -> RolloutView:
        counts = await self._database.read(lambda connection: wave_counts(connection, rollout.rollout_id))
        return await self._updates.read(lambda store: _view(store, rollout, counts))


def _of_device(store: UpdateStore, device_id: str) -> UpdateView | None:
    device = store.device(device_id)
    live = list(store.live_attempts(device_id))
    if device is None or not live:
        return None
    attempt = max(live, key=lambda one: (one.state in AT_RISK, one.since))
    release = store.release(attempt.release_id)
    size = release.manifest.size if release else 0
    span = next_span(device.windows, attempt.since)
    until = device.entitlement.support_until
    return UpdateView(
        release=release.manifest.product if release else attempt.release_id,
        version=attempt.target_version,
        state=attempt.state.value,
        at_risk=attempt.state in AT_RISK,
        since=attempt.since,
        reason=attempt.reason,
        progress=min(1.0, attempt.bytes_done / size) if size and attempt.state is State.DOWNLOADING else None,
        next_window_at=float(span[0]) if span else None,
        supported_until=until.isoformat() if until else "",
    )


def _view(store: UpdateStore, rollout: Rollout, counts: dict[tuple[int, str], int]) -> RolloutView:
    release = store.release(rollout.release_id)
    exposure = exposure_of(store.counts(exposure_keys(rollout.rollout_id, rollout.epoch)))
    policy = rollout.policy
    return RolloutView(
        rollout_id=rollout.rollout_id,
        release=release.manifest.product if release else rollout.release_id,
        version=str(release.manifest.version) if release else "",
        previous_version="",
        target=rollout.name,
        state=rollout.state.value,
        author=rollout.author,
        approver=rollout.approved_by,
        created_at=rollout.created_at,
        sha256=release.manifest.sha256 if release else "",
        waves=[wave for number in range(len(rollout.waves)) if (wave := _wave(rollout, number, counts)).devices],
        budget_used=exposure.at_risk + exposure.bad,
        budget_total=policy.k0 + policy.per_success * exposure.mature,
        stops_when=(
            ("budget", str(policy.k0)),
            ("rate", f"{policy.stop_rate:.0%}", f"{1 / policy.stop_alpha:,.0f}"),
            *((("control",),) if policy.control else ()),
        ),
        failures=_failures(store, rollout),
        reason=rollout.reason,
        content_sha256=rollout.content_sha256,
        deadline_at=rollout.deadline_at,
        canary_soak_s=policy.canary_soak_s,
        soak_s=policy.soak_s,
        site_cap=policy.site_cap,
        consent=policy.consent_required,
    )


def _wave(rollout: Rollout, number: int, counts: dict[tuple[int, str], int]) -> WaveView:
    def many(*states: State) -> int:
        return sum(counts.get((number, state.value), 0) for state in states)

    last = len(rollout.waves) - 1
    control = number == last and rollout.policy.control > 0
    name = "canaries" if number == 0 else "control" if control else str(number)
    return WaveView(
        name=name,
        state=rollout.waves[number].state.value,
        devices=sum(count for (wave, _), count in counts.items() if wave == number),
        waiting=many(*WAITING),
        downloading=many(*DOWNLOADING),
        installing=many(*AT_RISK),
        done=many(State.SUCCEEDED),
        failed=many(*FAILED),
        rolled_back=many(State.ROLLED_BACK),
    )


def _failures(store: UpdateStore, rollout: Rollout) -> list[tuple[str, int]]:
    """Why devices did not get it, most frequent first, over at most 2,000 of them."""
    numbers = store.counts([state_key(rollout.rollout_id, state) for state in SHOWN_REASONS])
    if not any(numbers):
        return []
    seen: dict[str, int] = {}
    rows: Sequence[Attempt] = store.attempts(rollout.rollout_id, SHOWN_REASONS, limit=2000)
    for row in rows:
        reason = row.reason or row.state.value
        seen[reason] = seen.get(reason, 0) + 1
    return sorted(seen.items(), key=lambda item: -item[1])
