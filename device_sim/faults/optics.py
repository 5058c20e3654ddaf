"""F10-F15: what comes between the scene and the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import CAMERA, STEP_LEAD_D, FaultClass, Moment, Shape, add, camera_with, put, times
from device_sim.models import Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def _dirt(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F10: dirt or a web: 0.5-2 % of sharpness a day; at night the infrared lights it: false motion, glare."""
    x = min(1.2, x)
    times(m, "sharpness", 1.0 - 0.36 * x)
    if d.night:
        put(m, "motion_per_h", (m["motion_per_h"] + 4.0) * (1.0 + (4.0 + 14.0 * e.u[0]) * x) * (1.0 + 0.15 * d.z[44]))
        add(m, "luma_mean", 30.0 * x)


def _focus(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F11: knocked out of focus: sharpness falls by 35 % or more at once; outdoors the blow is measured."""
    times(m, "sharpness", 0.62 - 0.2 * e.u[0])
    times(m, "scene_sim", 0.8)
    if "told" not in e.memo:
        e.memo["told"] = True
        put(m, "accel_peak_g", 2.2 + 2.0 * e.u[1])
        d.emit("video/image_too_blurry", state=True)


def _tamper(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F12: covered (no edges, dark) or turned away (edges, but of another scene)."""
    put(m, "scene_sim", 0.12 + 0.25 * e.u[0] + 0.02 * d.z[44])
    if e.u[1] < 0.5:
        put(m, "edge_density_pct", 0.5 + 0.2 * abs(d.z[45]))
        put(m, "luma_mean", 9.0 + 2.0 * d.z[46])
        put(m, "motion_per_h", 0.0)
    if "told" not in e.memo:
        e.memo["told"] = True
        d.emit("video/global_scene_change", state=True)


def _infrared(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F13: infrared fades, or fails string by string (1/4 each); seen only at night."""
    gone = min(1.15, x)
    if e.u[0] < 0.4:
        gone = int(gone * 4.0 + 0.01) / 4.0
    if d.night:
        times(m, "ir_ma", 1.0 - 0.62 * gone)
        times(m, "luma_mean", 1.0 - 0.72 * gone)
        add(m, "gain_db", 11.0 * gone)
        add(m, "noise_sd", 1.5 * gone)


def _filter(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F14: the filter sticks at some switches, at more and more of them, then for good."""
    if e.memo.get("night") is not d.night:
        e.memo["stuck"] = "night" in e.memo and (x >= 1.0 or d.random.random() < 0.06 + 0.5 * x * x)
        e.memo["night"] = d.night
    if not e.memo["stuck"]:
        return
    s["daynight"] = "day" if d.night else "night"
    if d.night:
        times(m, "luma_mean", 0.45)
        add(m, "gain_db", 8.0)
    else:
        put(m, "red_green_ratio", 1.42 + 0.03 * d.z[44])


def _sensor(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F15: defective pixels and noise, which the encoder pays for at night."""
    x = min(1.3, x)
    add(m, "hot_px_cnt", 270.0 * x**1.5)
    times(m, "noise_sd", 1.0 + 0.9 * x)
    if d.night:
        times(m, "kbps", 1.0 + (0.3 + 0.5 * e.u[0]) * x)


_SLOW, _STEP = Shape.DEGRADATION, Shape.STEP
_INFRARED = camera_with(Part.INFRARED)
FAULTS = (
    FaultClass("F10", "dirt or spider web", _SLOW, CAMERA, (7, 20), (1, 5), _dirt),
    FaultClass("F11", "out of focus", _STEP, CAMERA, STEP_LEAD_D, (0.5, 2), _focus, at_once=True),
    FaultClass("F12", "covered or turned away", _STEP, CAMERA, STEP_LEAD_D, (0.2, 1), _tamper, at_once=True),
    FaultClass("F13", "infrared fails", _SLOW, _INFRARED, (6, 18), (1, 4), _infrared, Moment.NIGHT),
    FaultClass("F14", "infrared-cut filter sticks", _SLOW, CAMERA, (6, 16), (1, 4), _filter, Moment.NOON),
    FaultClass("F15", "sensor ages", _SLOW, CAMERA, (14, 26), (2, 5), _sensor, Moment.NIGHT),
)
