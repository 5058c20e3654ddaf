"""What harmless spells write into a report, second part: weather in the housing, power, Wi-Fi, planned work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_sim.faults.fault import add, put, times

if TYPE_CHECKING:
    from device_sim.confounders import Disturbance
    from device_sim.device import Device
    from device_sim.physics import Metrics, States

_HOUR: Final = 3600.0


def microwave(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """An oven at noon."""
    if 12.0 <= d.slot.hour < 13.0:
        add(m, "retry_pct", 18.0 + 4.0 * d.z[44])


def wall_of_rain(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """Heavy rain and wet leaves in the way of the Wi-Fi."""
    add(m, "rssi_dbm", -9.0 - 6.0 * c.u)
    add(m, "retry_pct", 3.0 + 5.0 * c.u)


def access_point_reboot(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """Nobody is connected for some minutes."""
    d.cut = True


def crowded_channel(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """All come back at once."""
    add(m, "retry_pct", 24.0 + 3.0 * d.z[44])


def dew_at_dawn(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """A housing breathes: before sunrise its air is damp, though nothing condenses."""
    if 4.0 <= d.slot.hour < 4.0 + 2.0 + 3.0 * c.u:
        put(m, "rh_in_pct", 61.0 + 7.0 * c.u + 0.5 * d.z[44])
        put(m, "dew_gap_c", 6.0)


def fan_rests(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """A quiet night: the fan is not driven and stands still, as it was designed."""
    if d.slot.hour < 7.0 or d.slot.hour >= 22.0:
        for name in ("fan_rpm", "fan_pwm_pct", "fan_rpm_sd_pct"):
            put(m, name, 0.0)
        add(m, "soc_temp_c", 3.0)


def disk_swap(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """A disk is swapped as planned; then the group is rebuilt for hours, and everything waits for the disks."""
    if d.now - c.start < _HOUR:
        s["maintenance"], s["raid_state"] = "on", "degraded"
        put(m, "disk_online_cnt", d.disks - 1)
        return
    s["raid_state"] = "rebuilding"
    times(m, "io_wait_ms", 2.2 + c.u)


def mains_dip(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """The grid sags once, for everybody in the street: adapters feel it, nothing restarts."""
    if "felt" not in c.memo:
        c.memo["felt"] = True
        put(m, "vin_v", 10.1 + 0.7 * abs(d.z[44]) / 2.0)


def power_blip(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """A restart for want of power; what was not recorded meanwhile is missing from that day."""
    if "made" not in c.memo:
        c.memo["made"] = True
        d.reboot("power")
    add(m, "gap_s_per_day", 30.0 + 15.0 * c.u)


def on_a_bad_release(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    """It runs the release that is bad for others, for as long as they do, and has no harm from it."""
    if "before" not in c.memo:
        c.memo["before"] = d.firmware
        d.firmware = c.release
        d.reboot("update")
