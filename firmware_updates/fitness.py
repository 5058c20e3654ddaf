"""Whether a release fits a device at all: hardware, versions, counters, space, support. Asked when planning and again
with every grant. Whether it may start *now* is asked in `grant`.
"""

from firmware_updates.device import Release, UpdateDevice, version_of
from firmware_updates.entitlement import Right, right_to_update
from firmware_updates.policy import Policy
from firmware_updates.refusal import Refusal


def misfits(device: UpdateDevice, release: Release, policy: Policy, now: float) -> tuple[Refusal, ...]:
    """Every reason why this release is not for this device; empty if it fits."""
    manifest = release.manifest
    found = []
    if release.revoked_reason:
        found.append(Refusal.RELEASE_REVOKED)
    if now >= manifest.expires_at:
        found.append(Refusal.MANIFEST_EXPIRED)
    right = right_to_update(device.entitlement, manifest.release_class, policy.security, now)
    if right is Right.SUPPORT_ENDED:
        found.append(Refusal.SUPPORT_ENDED)
    if not device.windows:
        found.append(Refusal.NO_WINDOW)
    if device.hw_id not in manifest.hw_ids:
        found.append(Refusal.HARDWARE)
    return (*found, *_stock_misfits(device, release))


def is_on_target(device: UpdateDevice, release: Release) -> bool:
    """Whether the newest inventory shows exactly this release."""
    manifest = release.manifest
    running = device.stock.component(manifest.component) if device.stock else None
    return (
        running is not None
        and running.release_counter == manifest.release_counter
        and version_of(running) == manifest.version
    )


def _stock_misfits(device: UpdateDevice, release: Release) -> list[Refusal]:
    stock, manifest = device.stock, release.manifest
    running = stock.component(manifest.component) if stock else None
    if stock is None or running is None:
        return [Refusal.NO_INVENTORY]
    found = []
    highest = max(device.counter_seen(manifest.component), running.release_counter)
    if manifest.release_counter < stock.counter_floor or manifest.release_counter <= highest:
        found.append(Refusal.DOWNGRADE)
    version = version_of(running)
    if version is None or version not in manifest.from_versions:
        found.append(Refusal.FROM_VERSION)
    others = {name: version_of(component) for name, component in stock.components}
    for name, wanted in manifest.depends:
        if (other := others.get(name)) is None or other not in wanted:
            found.append(Refusal.DEPENDS)
            break
    for name, unwanted in manifest.conflicts:
        if name in others and ((other := others[name]) is None or other in unwanted):
            found.append(Refusal.CONFLICTS)
            break
    if stock.free_bytes is not None and stock.free_bytes < manifest.free_bytes:
        found.append(Refusal.SPACE)
    return found
