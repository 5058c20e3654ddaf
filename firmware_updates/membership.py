"""Which device is in which wave: by hash, stratified by model and site, the same answer whoever asks."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firmware_updates.policy import Policy

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Member:
    """A target as far as strata go."""

    device_id: str
    model: str
    site_id: str


def wave_sizes(targets: int, policy: Policy) -> tuple[int, ...]:
    """Canaries (k0), the policy's shares, the rest, and the control kept to the end."""
    control = math.floor(targets * policy.control)
    left = targets - control
    sizes = [min(policy.k0, left)]
    for share in policy.fractions:
        sizes.append(min(math.ceil(targets * share), left - sum(sizes)))
    return (*sizes, left - sum(sizes), control)


def assign_waves(rollout_id: str, members: Iterable[Member], policy: Policy) -> Mapping[str, int]:
    """Device to wave. Neighbours in (model, site, hash) order get quasi-random places, which fill strata evenly."""
    ordered = sorted(members, key=lambda one: (one.model, one.site_id, share_of(rollout_id, one.device_id)))
    offset = share_of(rollout_id, "")
    places = sorted(range(len(ordered)), key=lambda index: (offset + index * _GOLDEN) % 1.0)
    waves: dict[str, int] = {}
    start = 0
    for wave, size in enumerate(wave_sizes(len(ordered), policy)):
        for index in places[start : start + size]:
            waves[ordered[index].device_id] = wave
        start += size
    return waves


def share_of(rollout_id: str, device_id: str) -> float:
    """A number in [0, 1) that this device has in this rollout."""
    digest = hashlib.sha256(f"{rollout_id}\0{device_id}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56
