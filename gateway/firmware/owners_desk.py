"""A device's software for its owner: what runs, what waits, and the answer. The adapter of `release_views.Software`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from firmware_updates.attempt_row import BEFORE_RISK, Attempt, State
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.fitness import is_on_target
from firmware_updates.ports import Done, UpdateStore
from firmware_updates.rollout import RolloutState
from firmware_updates.service import UpdateService
from firmware_updates.window_text import Locale, describe
from firmware_updates.work import Missing
from gateway.storage.update_desk import SqlUpdates
from gateway.web.release_views import SoftwareView
from gateway.web.updates import Refused

COMING: Final = frozenset({RolloutState.RUNNING, RolloutState.PAUSED})
"""Customers hear of an update once it is approved and under way, not of drafts."""


class OwnersDesk:
    """See `web.release_views.Software`."""

    def __init__(self, updates: SqlUpdates, service: UpdateService) -> None:
        self._updates, self._service = updates, service

    async def of(self, device_id: str, language: str, now: float) -> SoftwareView:
        """See `Software`."""
        return await self._updates.read(lambda store: _of(store, device_id, language, now))

    async def asking(self, device_ids: Sequence[str]) -> Sequence[str]:
        """See `Software`."""

        def find(store: UpdateStore) -> list[str]:
            return [one for one in device_ids if (row := _waiting(store, one)) and row.state is State.AWAIT_CONSENT]

        return await self._updates.read(find)

    async def answer(self, attempt_id: str, actor: str, text_sha256: str, now: float, *, given: bool) -> None:
        """See `Software`."""
        await self._follow(
            lambda store: self._service.consent(store, actor, attempt_id, text_sha256, now, given=given), now
        )

    async def postpone(self, attempt_id: str, actor: str, until: float, now: float) -> None:
        """See `Software`."""
        await self._follow(lambda store: self._service.postpone(store, actor, attempt_id, until, now), now)

    async def _follow(self, work: Callable[[UpdateStore], Done], now: float) -> None:
        try:
            await self._updates.follow(work, now)
        except (Missing, ValueError) as refused:
            raise Refused(str(refused.args[0])) from None


def _of(store: UpdateStore, device_id: str, language: str, now: float) -> SoftwareView:
    device = store.device(device_id)
    if device is None:
        return SoftwareView()
    running, waiting = _running(store, device), _waiting(store, device_id)
    coming = store.release(waiting.release_id) if waiting else None
    locale: Locale = "id" if language == "id" else "en"
    return SoftwareView(
        version=str(running.manifest.version) if running else "",
        notes=_notes(running, language),
        waiting=waiting.attempt_id if waiting else "",
        waiting_version=waiting.target_version if waiting else "",
        waiting_notes=_notes(coming, language),
        asks=waiting is not None and waiting.state is State.AWAIT_CONSENT,
        postponed_until=waiting.postponed_until if waiting else 0.0,
        expires_at=waiting.expires_at if waiting else 0.0,
        window=describe(device.windows, locale, datetime.fromtimestamp(now, UTC)) if device.windows else "",
    )


def _running(store: UpdateStore, device: UpdateDevice) -> Release | None:
    """The newest published release that the device reports to run."""
    return next(
        (one for one in store.releases() if device.hw_id in one.manifest.hw_ids and is_on_target(device, one)), None
    )


def _waiting(store: UpdateStore, device_id: str) -> Attempt | None:
    for row in store.live_attempts(device_id):
        rollout = store.rollout(row.rollout_id)
        planned = row.state in BEFORE_RISK and row.state is not State.INELIGIBLE
        if planned and rollout is not None and rollout.state in COMING:
            return row
    return None


def _notes(release: Release | None, language: str) -> str:
    if release is None:
        return ""
    return release.manifest.notes_id if language == "id" else release.manifest.notes_en
