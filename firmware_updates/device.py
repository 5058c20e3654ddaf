"""A device and a release as the guards see them. Rows; times are epoch seconds by the gateway's clock."""

from dataclasses import dataclass, replace

from firmware_updates.entitlement import Entitlement
from firmware_updates.manifest import Manifest
from firmware_updates.messages import Channel, Component, Reported
from firmware_updates.version import Version, VersionError, parse_version
from firmware_updates.window import Window


@dataclass(frozen=True, slots=True)
class Stock:
    """The newest inventory: what `update/reported` said, and when we received it."""

    received_at: float
    boot: int
    seq: int
    components: tuple[tuple[str, Component], ...]
    confirmed: bool
    counter_floor: int
    free_bytes: int | None = None
    battery_pct: int | None = None

    def component(self, name: str) -> Component | None:
        """One component, or None."""
        return dict(self.components).get(name)


@dataclass(frozen=True, slots=True)
class UpdateDevice:
    """One device. `group` names devices that watch the same place; "" is none. `counters` are the highest release
    counters ever seen running and confirmed. `heard` holds the newest (boot, seq) of each channel. `open_critical`:
    staff is at work on it. `online_chance`: how likely it is online in a window, for plans.
    """

    device_id: str
    model: str
    hw_id: str
    site_id: str
    group: str
    windows: tuple[Window, ...]
    entitlement: Entitlement
    stock: Stock | None = None
    counters: tuple[tuple[str, int], ...] = ()
    heard: tuple[tuple[Channel, int, int], ...] = ()
    desired_attempt: str = ""
    seen_at: float = 0.0
    open_critical: bool = False
    online_chance: float = 0.9

    def counter_seen(self, component: str) -> int:
        """The highest release counter that ran confirmed; -1 if none is known."""
        return dict(self.counters).get(component, -1)


@dataclass(frozen=True, slots=True)
class Release:
    """A published release: the exact manifest bytes, what they say, and whether they still count."""

    release_id: str
    document: bytes
    signatures: tuple[str, ...]
    manifest: Manifest
    published_at: float
    revoked_reason: str = ""


def is_news(device: UpdateDevice, channel: Channel, boot: int, seq: int) -> bool:
    """Whether this message is newer than all that was heard on its channel; a copy or a late one is not."""
    for known, last_boot, last_seq in device.heard:
        if known is channel:
            return (boot, seq) > (last_boot, last_seq)
    return True


def heard(device: UpdateDevice, channel: Channel, boot: int, seq: int) -> UpdateDevice:
    """The device with this message as the newest of its channel."""
    others = tuple(entry for entry in device.heard if entry[0] is not channel)
    return replace(device, heard=(*others, (channel, boot, seq)))


def stocked(device: UpdateDevice, reported: Reported, now: float) -> UpdateDevice:
    """The device with a new inventory; confirmed counters only ever rise."""
    stock = Stock(
        received_at=now,
        boot=reported.boot,
        seq=reported.seq,
        components=tuple(sorted(reported.components.items())),
        confirmed=reported.slot.confirmed,
        counter_floor=reported.counter_floor,
        free_bytes=reported.free_bytes,
        battery_pct=reported.battery_pct,
    )
    counters = dict(device.counters)
    if reported.slot.confirmed:
        for name, component in reported.components.items():
            counters[name] = max(counters.get(name, -1), component.release_counter)
    hw_id = reported.hw_id or device.hw_id
    return replace(device, stock=stock, counters=tuple(sorted(counters.items())), hw_id=hw_id, seen_at=now)


def version_of(component: Component) -> Version | None:
    """Its version if it can be read as one."""
    try:
        return parse_version(component.version)
    except VersionError:
        return None
