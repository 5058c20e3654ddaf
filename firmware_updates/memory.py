"""The store in memory: for tests, simulation and demos. Transactions are the caller's: one at a time, no roll-back."""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import count, islice

from firmware_updates.attempt_row import Attempt, State
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.ports import AuditEntry, Outgoing
from firmware_updates.rollout import Rollout, RolloutState


class MemoryUpdateStore:
    """An `UpdateStore`. Rows are immutable, so what is read never changes afterwards."""

    def __init__(self) -> None:
        self._devices: dict[str, UpdateDevice] = {}
        self._releases: dict[str, Release] = {}
        self._rollouts: dict[str, Rollout] = {}
        self._attempts: dict[str, Attempt] = {}
        self._by_device: dict[str, list[str]] = defaultdict(list)
        self._by_state: dict[tuple[str, State, int], list[str]] = defaultdict(list)  # sorted
        self._due: list[tuple[float, str]] = []
        self._counters: dict[str, int] = defaultdict(int)
        self._marks: dict[str, float] = {}
        self._meters: dict[str, float] = {}
        self._health: dict[str, str] = {}
        self._outbox: dict[int, Outgoing] = {}
        self._numbers = count(1)
        self._audit: dict[str, list[AuditEntry]] = defaultdict(list)

    def device(self, device_id: str) -> UpdateDevice | None:
        """By id."""
        return self._devices.get(device_id)

    def put_device(self, device: UpdateDevice) -> None:
        """Insert or replace."""
        self._devices[device.device_id] = device

    def devices(self, device_ids: Sequence[str]) -> Sequence[UpdateDevice]:
        """Those that are there."""
        return [self._devices[device_id] for device_id in device_ids if device_id in self._devices]

    def put_devices(self, devices: Sequence[UpdateDevice]) -> None:
        """Insert or replace many."""
        self._devices.update((device.device_id, device) for device in devices)

    def release(self, release_id: str) -> Release | None:
        """By id."""
        return self._releases.get(release_id)

    def put_release(self, release: Release) -> None:
        """Insert or replace."""
        self._releases[release.release_id] = release

    def releases(self) -> Sequence[Release]:
        """All, newest first."""
        return sorted(self._releases.values(), key=lambda one: (-one.published_at, one.release_id))

    def rollout(self, rollout_id: str) -> Rollout | None:
        """By id."""
        return self._rollouts.get(rollout_id)

    def put_rollout(self, rollout: Rollout) -> None:
        """Insert or replace."""
        self._rollouts[rollout.rollout_id] = rollout

    def rollouts(self, states: Collection[RolloutState] | None = None) -> Sequence[Rollout]:
        """Those in the states, oldest first."""
        chosen = (one for one in self._rollouts.values() if states is None or one.state in states)
        return sorted(chosen, key=lambda one: (one.created_at, one.rollout_id))

    def attempt(self, attempt_id: str) -> Attempt | None:
        """By id."""
        return self._attempts.get(attempt_id)

    def put_attempt(self, attempt: Attempt) -> None:
        """Insert or replace, with its indexes."""
        before = self._attempts.get(attempt.attempt_id)
        if before is None:
            insort(self._by_device[attempt.device_id], attempt.attempt_id)
        place = (attempt.rollout_id, attempt.state, attempt.wave) if attempt.current else None
        old_place = (before.rollout_id, before.state, before.wave) if before is not None and before.current else None
        if old_place is not None and old_place != place:
            members = self._by_state[old_place]
            del members[bisect_left(members, attempt.attempt_id)]
        if place is not None and old_place != place:
            insort(self._by_state[place], attempt.attempt_id)
        if attempt.deadline_at is not None and (before is None or before.deadline_at != attempt.deadline_at):
            heapq.heappush(self._due, (attempt.deadline_at, attempt.attempt_id))
        self._attempts[attempt.attempt_id] = attempt

    def live_attempts(self, device_id: str) -> Sequence[Attempt]:
        """Not final, or LOST."""
        rows = (self._attempts[attempt_id] for attempt_id in self._by_device.get(device_id, ()))
        return [row for row in rows if not row.final or row.state is State.LOST]

    def attempts(
        self,
        rollout_id: str,
        states: Collection[State] | None = None,
        waves: Collection[int] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> Sequence[Attempt]:
        """Current rows of a rollout."""
        parts = []
        for (owner, state, wave), members in self._by_state.items():
            if owner == rollout_id and (states is None or state in states) and (waves is None or wave in waves):
                first = bisect_right(members, after)
                parts.append(members[first : first + limit])
        return [self._attempts[attempt_id] for attempt_id in islice(heapq.merge(*parts), limit)]

    def due(self, now: float, limit: int) -> Sequence[Attempt]:
        """Earliest first; heap entries of earlier versions of a row are dropped on the way."""
        found: dict[str, tuple[float, str]] = {}
        while self._due and self._due[0][0] <= now and len(found) < limit:
            entry = heapq.heappop(self._due)
            if self._attempts[entry[1]].deadline_at == entry[0]:
                found[entry[1]] = entry
        for entry in found.values():
            heapq.heappush(self._due, entry)
        return [self._attempts[attempt_id] for attempt_id in found]

    def counts(self, keys: Sequence[str]) -> tuple[int, ...]:
        """The sums."""
        return tuple(self._counters.get(key, 0) for key in keys)

    def add(self, key: str, delta: int) -> None:
        """Move a counter."""
        self._counters[key] += delta

    def mark(self, key: str, at: float) -> None:
        """Keep the first time."""
        self._marks.setdefault(key, at)

    def marked_at(self, key: str) -> float | None:
        """When."""
        return self._marks.get(key)

    def unmark(self, key: str) -> None:
        """Forget."""
        self._marks.pop(key, None)

    def unmark_older(self, prefix: str, before: float) -> None:
        """Forget the old ones."""
        for key in [key for key, at in self._marks.items() if at < before and key.startswith(prefix)]:
            del self._marks[key]

    def meter(self, name: str) -> float:
        """The value last put."""
        return self._meters.get(name, 0.0)

    def put_meter(self, name: str, value: float) -> None:
        """Replace it."""
        self._meters[name] = value

    def keep_health(self, rows: Mapping[str, str]) -> None:
        """Replace."""
        self._health.update(rows)

    def kept_health(self, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """By key."""
        return sorted((key, row) for key, row in self._health.items() if key > after)[:limit]

    def drop_health(self, keys: Collection[str]) -> None:
        """Forget."""
        for key in keys:
            self._health.pop(key, None)

    def queue(self, message: Outgoing) -> None:
        """Append."""
        self._outbox[next(self._numbers)] = message

    def outbox(self, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """The oldest."""
        return list(islice(self._outbox.items(), limit))

    def drop(self, numbers: Collection[int]) -> None:
        """Remove."""
        for number in numbers:
            self._outbox.pop(number, None)

    def record(self, entry: AuditEntry) -> None:
        """Append."""
        self._audit[entry.rollout_id].append(entry)

    def audit(self, rollout_id: str, limit: int) -> Sequence[AuditEntry]:
        """Newest first."""
        return self._audit.get(rollout_id, [])[: -limit - 1 : -1]
