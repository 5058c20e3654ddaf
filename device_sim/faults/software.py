"""F31-F34, F41, F42: firmware, flash, configuration, telemetry itself, identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import (
    ANY_DEVICE,
    CAMERA,
    STEP_LEAD_D,
    FaultClass,
    Shape,
    chance,
    put,
    slow_frames,
    times,
)

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def next_version(version: str, by: int = 1) -> str:
    """The version after this one: 2.4.1 -> 2.4.2."""
    head, _, last = version.rpartition(".")
    return f"{head}.{int(last) + by}"


def _regression(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F31: a new firmware crashes: a little, then more, then every two hours. `release` names it for a whole cohort."""
    if "before" not in e.memo:
        e.memo["before"] = d.firmware
        d.firmware = e.release or next_version(d.firmware)
        d.reboot("update")
        return
    if chance(d, 0.3 + 5.0 * x**2 if x < 1.0 else 12.0):
        d.reboot("wdt" if d.random.random() < 0.6 else "panic")


def _fixed_firmware(e: Episode, d: Device) -> None:
    d.firmware = next_version(e.memo.get("before", d.firmware), 2)
    d.reboot("update")


def _stuck_update(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F32: an install that never ends (no picture), or one that came back with the old version and keeps quiet."""
    s["fw_target"] = next_version(d.firmware)
    if x < 1.0 or e.u[0] < 0.6:
        s["ota_state"] = "installing"
        slow_frames(m, 0.0)
        put(m, "cpu_pct", 88.0 + 2.0 * d.z[44])
    elif "back" not in e.memo:
        e.memo["back"] = True
        d.reboot("update")


def _flash(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F33: the flash wears out (in some after weeks of heavy logging); then settings no longer survive a restart."""
    x = min(1.2, x)
    first = d.emmc_level
    put(m, "emmc_life_level", first + (11.0 - first) * x)
    put(m, "emmc_pre_eol", 1.0 + (x > 0.6) + (x > 0.85))
    put(m, "sys_fs_err_cnt", 40.0 * max(0.0, x - 0.5) ** 2 * 4.0)
    if e.u[0] < 0.4 and x < 0.6:
        times(m, "log_mb_per_d", 20.0)
    if x >= 1.0:
        s["cfg_hash"], s["cfg_origin"] = "00000000", "factory"
        if chance(d, 1.0):
            d.reboot("panic")


def _drift(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F34: the configuration is no longer the one that a job wrote: changed on the spot, or a factory reset."""
    factory = e.u[0] < 0.4
    s["cfg_hash"] = "00000000" if factory else f"{int(e.u[1] * 16**8):08x}"
    s["cfg_origin"] = "factory" if factory else "local"
    if "told" not in e.memo:
        e.memo["told"] = True
        d.emit("config/changed", by="factory" if factory else "local")


def _stuck_telemetry(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F41: what should tremble stands still: everything, or one sensor."""
    held = e.memo.setdefault("held", {})
    for name in m if e.u[0] < 0.5 else ("soc_temp_c",):
        m[name] = held.setdefault(name, m[name])


def _swapped(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F42: another unit answers under this name: other serial number, its boots counted from elsewhere."""
    if "serial" not in e.memo:
        e.memo["serial"] = d.serial = f"{d.spec.model.hw_id}-{int(e.u[0] * 16**8):08x}"
        d.boot = max(1, d.boot - 3)
        d.reboot("power")
    s["serial"] = d.serial


_SLOW, _STEP = Shape.DEGRADATION, Shape.STEP
FAULTS = (
    FaultClass(
        "F31", "new firmware crashes", _SLOW, ANY_DEVICE, (0.6, 3), (0.5, 1.5), _regression, cure=_fixed_firmware
    ),
    FaultClass("F32", "update stuck or silently undone", _STEP, CAMERA, (0.08, 0.15), (0.5, 1.5), _stuck_update),
    FaultClass("F33", "system flash worn out", _SLOW, ANY_DEVICE, (12, 24), (1, 4), _flash),
    FaultClass("F34", "configuration drifts", _STEP, ANY_DEVICE, STEP_LEAD_D, (0.5, 2), _drift, at_once=True),
    FaultClass("F41", "telemetry stands still", _STEP, ANY_DEVICE, STEP_LEAD_D, (1.5, 3), _stuck_telemetry),
    FaultClass("F42", "another unit under this name", _STEP, ANY_DEVICE, STEP_LEAD_D, (1, 2), _swapped, at_once=True),
)
