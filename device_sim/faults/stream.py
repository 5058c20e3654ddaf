"""F24-F28, F35: frames, bit rates, sound, motion and mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import CAMERA, FaultClass, Shape, add, camera_with, chance, put, slow_frames, times
from device_sim.models import Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def _frames(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F24: more and more frames are dropped; below 60 % of the target people see it."""
    slow_frames(m, 1.0 - 0.43 * min(1.2, x) ** 1.2 + 0.015 * d.z[44])


def _frozen_picture(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F25: one to three short freezes a day, then a picture that stands still or stays black."""
    if x < 1.0:
        if chance(d, 1.5 + 3.0 * x):
            put(m, "frame_repeat_s", 35.0 + 80.0 * d.random.random())
        return
    put(m, "frame_repeat_s", (x - 1.0) * e.lead_s)
    put(m, "kbps", d.kbps * (0.03 + 0.003 * d.z[44]))
    put(m, "motion_per_h", 0.0)
    if e.u[0] < 0.4:
        put(m, "luma_mean", 2.0 + 0.3 * d.z[45])
        put(m, "edge_density_pct", 0.4)


def _runaway(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F26: the bit rate grows, most at night; what is promised no longer fits, which is what people notice."""
    x = min(1.4, x)
    times(m, "kbps", 1.0 + (1.7 if d.night else 0.9) * x)
    left = 1.03 - 0.26 * max(0.0, (x - 0.35) / 0.65)
    put(m, "oldest_rec_age_d", min(m["oldest_rec_age_d"], d.rec_goal_d * left + 0.012 * d.z[40]))
    put(m, "retention_pct", min(m["retention_pct"], 100.0 * left + 0.08 * d.z[40]))


def _microphone(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F27: moisture takes 1-2 dB a day and more at the end, or a hum covers everything."""
    x = min(1.0, x)
    if e.u[0] < 0.7:
        add(m, "audio_rms_dbfs", -12.0 * x - 30.0 * x**6)
    else:
        put(m, "audio_rms_dbfs", m["audio_rms_dbfs"] * (1.0 - x) - 36.0 * x)
    times(m, "audio_sd_db", 1.0 - 0.94 * x)


def _pan_tilt(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F28: presets take longer and miss, the motor pulls harder, it stalls, then stays stuck."""
    times(m, "preset_ms", 1.0 + 0.7 * min(1.2, x))
    add(m, "pos_err_deg", 2.0 * x**2 if x < 1.0 else 6.0 + 20.0 * e.u[0])
    times(m, "motor_ma", 1.0 + 0.4 * min(1.2, x))
    if chance(d, 0.1 + 4.0 * x**2):
        d.stalls += 1
    put(m, "ptz_stall_cnt", d.stalls)


def _mount(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F35: a loose mount: the view creeps by 0.5-3 px a day, the housing shakes."""
    add(m, "scene_shift_px", 32.0 * x + 2.0 * d.slot.wind * d.z[44])
    times(m, "accel_rms_g", 1.0 + 3.0 * min(1.2, x) * (0.4 + d.slot.wind))
    times(m, "scene_sim", 1.0 - 0.22 * min(1.2, x))


_SLOW = Shape.DEGRADATION
FAULTS = (
    FaultClass("F24", "frames are dropped", _SLOW, CAMERA, (1, 4), (0.5, 2), _frames),
    FaultClass("F25", "frozen or black picture", _SLOW, CAMERA, (0.8, 3), (0.5, 2), _frozen_picture),
    FaultClass("F26", "bit rate runs away", _SLOW, camera_with(Part.SD), (6, 16), (1, 4), _runaway),
    FaultClass("F27", "microphone fails", _SLOW, camera_with(Part.MICROPHONE), (3, 10), (1, 4), _microphone),
    FaultClass("F28", "pan and tilt wear out", _SLOW, camera_with(Part.PTZ), (10, 22), (1, 4), _pan_tilt),
    FaultClass("F35", "mount loose", _SLOW, camera_with(Part.OUTDOOR), (8, 20), (1, 4), _mount),
)
