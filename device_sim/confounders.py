"""What only looks like a fault: the last column of the catalogue, as things that happen to healthy devices.

Heat waves, fog, rain, cloudy weeks and daylight saving come from `environment.py`; night slow shutter, smart codecs,
motion-only recording and certificates that renew in time from `physics.py`; missing, repeated and late messages and
our own outages from `virtual.py`. All others are here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from device_sim.faults.fault import (
    ANY_DEVICE,
    CAMERA,
    RECORDER,
    RECORDING,
    ROUTER,
    Suits,
    add,
    camera_with,
    put,
    slow_frames,
    times,
)
from device_sim.faults.software import next_version
from device_sim.harmless import (
    access_point_reboot,
    crowded_channel,
    dew_at_dawn,
    disk_swap,
    fan_rests,
    mains_dip,
    microwave,
    on_a_bad_release,
    power_blip,
    wall_of_rain,
)
from device_sim.models import Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States

_HOUR, _DAY = 3600.0, 86400.0


@dataclass(slots=True)
class Disturbance:
    """One harmless spell on one device; `share` runs from 0 to 1 over its time."""

    kind: Confounder
    start: float
    end: float
    u: float
    release: str = ""
    memo: dict[str, Any] = field(default_factory=dict)

    def fresh(self) -> Disturbance:
        """The same spell with nothing remembered."""
        return replace(self, memo={})

    def work(self, device: Device, m: Metrics, s: States) -> None:
        """Change one report."""
        self.kind.effect((device.now - self.start) / (self.end - self.start), self, device, m, s)

    def finish(self, device: Device) -> None:
        """Nothing stays but what the effect itself has left; a release that is bad for others is replaced."""
        if self.release:
            device.firmware = next_version(self.memo.get("before", device.firmware), 2)
            device.reboot("update")


@dataclass(frozen=True, slots=True)
class Confounder:
    """A kind of harmless spell: how often a month on one device (or site), for how long (seconds, lo..hi), and what
    follows it.
    """

    name: str
    suits: Suits
    per_month: float
    lasts_s: tuple[float, float]
    effect: Callable[[float, Disturbance, Device, Metrics, States], None]
    then: Confounder | None = None


def _scene_changed(c: Disturbance, d: Device) -> None:
    """The camera's own detector speaks up for a third of what merely stands or is switched off in front of it."""
    if "told" not in c.memo:
        c.memo["told"] = True
        if c.u * 1000.0 % 3.0 < 1.0:
            d.emit("video/global_scene_change", state=True)


def _truck(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    _scene_changed(c, d)
    put(m, "scene_sim", 0.42 + 0.2 * c.u + 0.01 * d.z[44])
    times(m, "edge_density_pct", 0.85)
    times(m, "motion_per_h", 0.3)


def _lights_off(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    _scene_changed(c, d)
    put(m, "scene_sim", 0.55 + 0.01 * d.z[44])
    put(m, "luma_mean", 24.0 + 8.0 * c.u + d.z[45])
    put(m, "edge_density_pct", 4.0 + 0.3 * d.z[46])
    add(m, "gain_db", 12.0)


def _street_lamp_off(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    if d.night:
        times(m, "luma_mean", 0.42)
        add(m, "gain_db", 9.0)


def _autofocus(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    times(m, "sharpness", 0.55)


def _scene_event(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    times(m, "kbps", 2.0 + 0.6 * c.u)
    times(m, "motion_per_h", 5.0)


def _bitrate_step(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    times(m, "kbps", 1.3)


def _muted(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    put(m, "audio_rms_dbfs", -96.0)
    put(m, "audio_sd_db", 0.0)
    s["audio"] = "muted"


def _wind(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    add(m, "pos_err_deg", 0.6 + 0.3 * c.u)
    times(m, "preset_ms", 1.2)
    times(m, "accel_rms_g", 6.0)
    add(m, "scene_shift_px", 4.0 + 2.0 * d.z[44])


def _schedule_override(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    s["daynight_mode"] = "schedule"
    s["daynight"] = "day"
    if d.night:
        times(m, "luma_mean", 0.6)


def _backup(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    if 1.0 <= d.slot.hour < 3.0:
        put(m, "wan_util_pct", 94.0 + 1.5 * d.z[44])
        times(m, "rtt_ms", 3.5)
        add(m, "loss_pct", 2.2 + 0.4 * abs(d.z[45]))
        add(m, "tx_queue_pkts", 160.0 + 20.0 * d.z[46])


def _cable_of_the_disk(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    put(m, "hdd_crc_err_cnt", d.hdd_crc + 60.0 * share)


def _new_disk(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    if "fitted" not in c.memo:
        c.memo["fitted"] = True
        d.rec_since = d.now
        d.reboot("user")
    s["rec_phase"] = "ramp_up"


def _maintenance(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    s["maintenance"] = "on"
    if 0.25 < share < 0.45:
        d.down = "user"
    elif share < 0.8:
        slow_frames(m, 0.0)
        put(m, "scene_sim", 0.3)
        put(m, "disk_online_cnt", d.disks - 1)
        if "raid_state" in s and d.disks > 1:
            s["raid_state"] = "degraded" if share < 0.6 else "rebuilding"


def _cache(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    days = share * (c.end - c.start) / _DAY
    add(m, "mem_used_pct", 18.0 * (1.0 - 2.718281828 ** (-days / (0.8 + 3.2 * c.u))))


def _firmware_install(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    target = c.memo.setdefault("target", next_version(d.firmware))
    if "done" in c.memo:
        return
    s["fw_target"] = target
    if share < 0.7:
        s["ota_state"] = "downloading"
    elif share < 0.9:
        s["ota_state"] = "installing"
        put(m, "cpu_pct", 92.0 + 2.0 * d.z[44])
    else:
        c.memo["done"] = True
        del s["fw_target"]
        d.firmware = target
        d.reboot("update")


def _log_storm(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    times(m, "log_mb_per_d", 15.0)


def _authorised_change(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    if "made" not in c.memo:
        c.memo["made"] = True
        d.cfg_hash = f"{int(c.u * 16**8):08x}"
        d.emit("config/changed", by="job")


def _authorised_swap(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    if "made" not in c.memo:
        c.memo["made"] = True
        d.serial = f"{d.spec.model.hw_id}-{int(c.u * 16**8):08x}"
        d.boot = max(1, d.boot - 2)
        d.reboot("power")
    s["serial"] = d.serial
    s["swap_job"] = f"job-{int(c.u * 10_000)}"


def _old_password(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    add(m, "auth_fail_per_h", 30.0)
    add(m, "auth_sources_cnt", 1.0)  # beside people who mistype, and beside those who guess


def _clock_jump(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    d.clock_error_s = (60.0 + 7000.0 * c.u) * (1.0 if c.u < 0.5 else -1.0)


def _late_batch(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    d.held = True


def _duplex(share: float, c: Disturbance, d: Device, m: Metrics, s: States) -> None:
    add(m, "crc_per_1e6", 55.0 + 20.0 * c.u + 2.0 * d.z[44])


_MAINS = Suits(without=frozenset({Part.BATTERY}))
_WIRED_CAMERA = camera_with(Part.WIRED)
_OUTDOOR = camera_with(Part.OUTDOOR)
_RAID = Suits(RECORDER.kinds, frozenset({Part.RAID}))
_INDOOR = Suits(CAMERA.kinds, without=frozenset({Part.OUTDOOR}))
CONFOUNDERS: Final = {
    kind.name: kind
    for kind in (
        Confounder("truck parked", _OUTDOOR, 3.0, (10 * 60, 3 * _HOUR), _truck),
        Confounder("lights off", _INDOOR, 3.0, (_HOUR, 5 * _HOUR), _lights_off),
        Confounder("street lamp off", _OUTDOOR, 0.12, (3 * _DAY, 9 * _DAY), _street_lamp_off),
        Confounder("autofocus hunting", CAMERA, 2.0, (900, 901), _autofocus),
        Confounder("event in the scene", CAMERA, 0.5, (3 * _HOUR, 8 * _HOUR), _scene_event),
        Confounder("bit rate step by a job", CAMERA, 0.05, (20 * _DAY, 60 * _DAY), _bitrate_step),
        Confounder("muted by policy", camera_with(Part.MICROPHONE), 0.06, (5 * _DAY, 20 * _DAY), _muted),
        Confounder("wind or ice", camera_with(Part.PTZ), 1.5, (_HOUR, 3 * _HOUR), _wind),
        Confounder("schedule override", CAMERA, 0.05, (3 * _DAY, 10 * _DAY), _schedule_override),
        Confounder("microwave hours", camera_with(Part.WIFI), 0.2, (5 * _DAY, 15 * _DAY), microwave),
        Confounder("wall of rain", camera_with(Part.WIFI), 1.0, (_HOUR, 3 * _HOUR), wall_of_rain),
        Confounder("dew at dawn", _OUTDOOR, 3.0, (_DAY, 1.01 * _DAY), dew_at_dawn),
        Confounder("fan rests at night", RECORDER, 0.2, (5 * _DAY, 20 * _DAY), fan_rests),
        Confounder("planned disk swap", _RAID, 0.15, (7 * _HOUR, 49 * _HOUR), disk_swap),
        Confounder("backup job", ROUTER, 0.5, (5 * _DAY, 30 * _DAY), _backup),
        Confounder("cable of the disk", RECORDER, 0.1, (5 * _DAY, 20 * _DAY), _cable_of_the_disk),
        Confounder("new disk fills up", RECORDING, 0.04, (7 * _DAY, 30 * _DAY), _new_disk),
        Confounder("planned maintenance", ANY_DEVICE, 0.08, (_HOUR, 3 * _HOUR), _maintenance),
        Confounder("cache fills and settles", ANY_DEVICE, 0.1, (8 * _DAY, 25 * _DAY), _cache),
        Confounder("firmware install", ANY_DEVICE, 0.25, (1.5 * _HOUR, 4 * _HOUR), _firmware_install),
        Confounder("log storm", ANY_DEVICE, 0.1, (6 * _HOUR, 24 * _HOUR), _log_storm),
        Confounder("authorised change", ANY_DEVICE, 0.3, (_HOUR, 2 * _HOUR), _authorised_change),
        Confounder("authorised swap", ANY_DEVICE, 0.02, (7 * _DAY, 7.1 * _DAY), _authorised_swap),
        Confounder("old password in a recorder", ANY_DEVICE, 0.03, (3 * _DAY, 15 * _DAY), _old_password),
        Confounder("clock jump", ANY_DEVICE, 0.2, (900, 2700), _clock_jump),
        Confounder("power blip", _MAINS, 0.3, (_DAY, 1.01 * _DAY), power_blip),
        Confounder("late batch", ANY_DEVICE, 1.0, (1200, 2600), _late_batch),
        Confounder("duplex mismatch from day one", _WIRED_CAMERA, 0.0, (0, 0), _duplex),
    )
}
_WIFI_ON_MAINS = Suits(CAMERA.kinds, frozenset({Part.WIFI}), frozenset({Part.BATTERY}))
_CROWDED = Confounder("crowded channel", _WIFI_ON_MAINS, 0.0, (_HOUR, 1.5 * _HOUR), crowded_channel)
OF_A_SITE: Final = {
    kind.name: kind
    for kind in (
        Confounder("access point reboot", _WIFI_ON_MAINS, 1.0, (180, 600), access_point_reboot, _CROWDED),
        Confounder("mains dip", Suits(parts=frozenset({Part.DC})), 0.3, (900, 901), mains_dip),
    )
}
"""What comes to all devices of a site at once."""
HARMLESS_RELEASE: Final = Confounder("on a bad release", ANY_DEVICE, 0.0, (0, 0), on_a_bad_release)
