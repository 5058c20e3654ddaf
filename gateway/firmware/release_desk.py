"""Releases and rollouts from their beginning, for the console and the API: the adapter of `web.release_views.Releases`.

A manifest comes first and says which bytes may be uploaded; a rollout can be made once they are all here.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from firmware_updates.attempt_row import Attempt, State
from firmware_updates.device import Release
from firmware_updates.ports import UpdateStore
from firmware_updates.refusal import Refusal
from firmware_updates.service import UpdateService
from firmware_updates.work import Missing
from gateway.firmware.images import ImageStore
from gateway.firmware.targets import chosen, known, planned, policy_of
from gateway.ports.registry import Registry
from gateway.storage.update_desk import SqlUpdates
from gateway.web.release_views import PlanView, ReleaseView, Wish
from gateway.web.updates import Refused

T = TypeVar("T")
RETRIED: Final = (State.FAILED, State.ROLLED_BACK, State.REJECTED)
LEFT_ALONE: Final = frozenset({"signature", Refusal.DOWNGRADE.value})
"""Refusals of a device that are events of security: trying again is no answer."""
DAY_S: Final = 86_400.0
COLUMNS: Final = ("device", "site", "wave", "state", "reason", "since")


class ReleaseDesk:
    """See `web.release_views.Releases`."""

    def __init__(self, updates: SqlUpdates, service: UpdateService, registry: Registry, images: ImageStore) -> None:
        self._updates, self._service = updates, service
        self._registry, self._images = registry, images

    async def all(self) -> Sequence[ReleaseView]:
        """See `Releases`."""
        return [await self._view(one) for one in await self._updates.read(lambda store: list(store.releases()))]

    async def get(self, release_id: str) -> ReleaseView | None:
        """See `Releases`."""
        found = await self._updates.read(lambda store: store.release(release_id))
        return await self._view(found) if found else None

    async def publish(self, document: bytes, signatures: Sequence[str], actor: str, now: float) -> ReleaseView:
        """See `Releases`."""
        return await self._view(
            await self._act(lambda store: self._service.publish_release(store, actor, document, signatures, now))
        )

    async def image(self, sha256: str) -> tuple[int, int] | None:
        """See `Releases`."""
        size = await self._announced(sha256)
        return None if size is None else (await self._images.uploaded(sha256), size)

    async def receive(self, sha256: str, offset: int, chunks: AsyncIterable[bytes]) -> bool:
        """See `Releases`."""
        size = await self._announced(sha256)
        if size is None:
            raise KeyError(sha256)
        try:
            return await self._images.receive(sha256, offset, size, chunks)
        except ValueError as wrong:
            raise Refused(str(wrong)) from None

    async def dry_run(self, wish: Wish, now: float) -> PlanView:
        """See `Releases`."""
        release = await self._whole(wish.release_id)
        ids = await self._chosen(wish)
        devices = await self._updates.read(lambda store: known(store, ids))
        policy = _checked(lambda: policy_of(wish, len(devices)))
        return await asyncio.to_thread(planned, devices, release, policy, "dry-run", now, now + wish.days * DAY_S)

    async def create(self, rollout_id: str, wish: Wish, actor: str, now: float) -> None:
        """See `Releases`."""
        release = await self._whole(wish.release_id)
        if await self._images.size(release.manifest.sha256) is None:
            raise Refused("its image is not here yet: upload it first")
        ids = await self._chosen(wish)
        deadline = now + wish.days * DAY_S

        def make(store: UpdateStore) -> None:
            ours = [device.device_id for device in known(store, ids)]
            policy = policy_of(wish, len(ours))
            self._service.create_rollout(
                store, actor, rollout_id, rollout_id, release.release_id, ours, policy, now, deadline, now
            )
            self._service.simulated(store, actor, rollout_id, now)

        await self._act(make)

    async def plan(self, rollout_id: str, now: float) -> PlanView:
        """See `Releases`."""
        rollout = await self._updates.read(lambda store: store.rollout(rollout_id))
        if rollout is None:
            raise KeyError(rollout_id)
        release = await self._whole(rollout.release_id)
        ids = [row.device_id async for row in self._rows(rollout_id)]
        devices = await self._updates.read(lambda store: known(store, ids))
        begins = max(now, rollout.starts_at)
        return await asyncio.to_thread(
            planned, devices, release, rollout.policy, rollout_id, begins, rollout.deadline_at
        )

    async def submit(self, rollout_id: str, actor: str, now: float) -> None:
        """See `Releases`. A draft that was declined is put forward on a new dry run of what is stored."""

        def forward(store: UpdateStore) -> None:
            rollout = store.rollout(rollout_id)
            if rollout is not None and not rollout.content_sha256:
                self._service.simulated(store, actor, rollout_id, now)
            self._service.submit(store, actor, rollout_id, now)

        await self._act(forward)

    async def decline(self, rollout_id: str, actor: str, now: float) -> None:
        """See `Releases`."""
        await self._act(lambda store: self._service.decline(store, actor, rollout_id, now))

    async def retry(self, rollout_id: str, actor: str, now: float) -> int:
        """See `Releases`."""
        ids = [
            row.attempt_id
            async for row in self._rows(rollout_id)
            if row.state in RETRIED and row.reason not in LEFT_ALONE
        ]
        for attempt_id in ids:
            await self._act(partial(_retry, service=self._service, actor=actor, attempt_id=attempt_id, now=now))
        return len(ids)

    async def export(self, rollout_id: str) -> AsyncIterator[Sequence[str]]:
        """See `Releases`."""
        yield COLUMNS
        async for row in self._rows(rollout_id):
            since = datetime.fromtimestamp(row.since, UTC).isoformat(timespec="seconds")
            yield (row.device_id, row.site_id, str(row.wave), row.state.value, row.reason, since)

    async def _rows(self, rollout_id: str) -> AsyncIterator[Attempt]:
        after = ""
        while rows := await self._updates.read(partial(_attempts, rollout_id=rollout_id, after=after)):
            after = rows[-1].attempt_id
            for row in rows:
                yield row

    async def _chosen(self, wish: Wish) -> list[str]:
        return await chosen(self._registry, wish)

    async def _whole(self, release_id: str) -> Release:
        found = await self._updates.read(lambda store: store.release(release_id))
        if found is None:
            raise KeyError(release_id)
        return found

    async def _announced(self, sha256: str) -> int | None:
        releases = await self._updates.read(lambda store: list(store.releases()))
        sizes = [one.manifest.size for one in releases if one.manifest.sha256 == sha256 and not one.revoked_reason]
        return sizes[0] if sizes else None

    async def _act(self, work: Callable[[UpdateStore], T]) -> T:
        try:
            return await self._updates.act(work)
        except Missing as missing:
            raise KeyError(str(missing)) from None
        except ValueError as refused:
            raise Refused(str(refused)) from None

    async def _view(self, release: Release) -> ReleaseView:
        manifest = release.manifest
        return ReleaseView(
            release_id=release.release_id,
            product=manifest.product,
            version=str(manifest.version),
            counter=manifest.release_counter,
            kind=manifest.release_class.value,
            cves=manifest.cves,
            hw_ids=sorted(manifest.hw_ids),
            size=manifest.size,
            sha256=manifest.sha256,
            notes_en=manifest.notes_en,
            notes_id=manifest.notes_id,
            published_at=release.published_at,
            expires_at=manifest.expires_at,
            uploaded=await self._images.uploaded(manifest.sha256),
            revoked=release.revoked_reason,
            fixes=manifest.fixes,
        )


def _checked(make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as wrong:
        raise Refused(str(wrong)) from None


def _attempts(store: UpdateStore, rollout_id: str, after: str) -> Sequence[Attempt]:
    return store.attempts(rollout_id, after=after)


def _retry(store: UpdateStore, service: UpdateService, actor: str, attempt_id: str, now: float) -> None:
    service.retry(store, actor, attempt_id, now)
