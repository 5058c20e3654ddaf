"""What one device is like apart from all others of its model: constants drawn once, and what wear has made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.models import Kind, Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_sim.models import Model


class Habits:
    """The constants and worn parts of a device; the metric of the same name varies around each."""

    __slots__ = (  # a fleet of these is walked through for every report: small objects keep it in the cache
        "audio_dbfs",
        "budget_pct",
        "channels",
        "charge_wh",
        "charged_24h",
        "clients",
        "clock_bias_s",
        "codec",
        "cpu_pct",
        "dawn_lux",
        "disks",
        "dusk_lux",
        "edges_pct",
        "emmc_level",
        "fan_rpm",
        "fps",
        "fs_errors",
        "gap_s",
        "hdd_crc",
        "heater_ma",
        "hot_px",
        "io_ms",
        "ir_ma",
        "ircut_cycles",
        "kbps",
        "lamp_lux",
        "link_mbps",
        "log_mb",
        "mem_pct",
        "motion_only",
        "motion_per_h",
        "motor_ma",
        "night_gain_db",
        "night_luma",
        "ntp_phase",
        "panel",
        "poe_ohm",
        "poe_v",
        "ports",
        "preset_ms",
        "rec_goal_d",
        "retry_pct",
        "rh_in_pct",
        "ripple_mv",
        "rise_c",
        "rssi_dbm",
        "rtt_ms",
        "scene",
        "sd_endurance_gb",
        "sd_ms",
        "sd_power_losses",
        "sharpness",
        "slow_shutter",
        "stalls",
        "vin_v",
        "wan_pct",
        "written_gb",
    )  # fmt: skip
    cpu_pct: float
    mem_pct: float
    rtt_ms: float
    rise_c: float
    clock_bias_s: float
    ntp_phase: float
    emmc_level: float
    log_mb: float
    link_mbps: float
    fps: float
    kbps: float
    lamp_lux: float
    dusk_lux: float
    dawn_lux: float
    ir_ma: float
    night_gain_db: float
    night_luma: float
    slow_shutter: bool
    scene: float
    edges_pct: float
    sharpness: float
    motion_per_h: float
    audio_dbfs: float
    rh_in_pct: float
    heater_ma: float
    poe_v: float
    poe_ohm: float
    vin_v: float
    ripple_mv: float
    panel: float
    charge_wh: float
    charged_24h: float
    rssi_dbm: float
    retry_pct: float
    preset_ms: float
    motor_ma: float
    stalls: int
    sd_endurance_gb: float
    written_gb: float
    sd_ms: float
    sd_power_losses: int
    fs_errors: int
    rec_goal_d: float
    gap_s: float
    io_ms: float
    fan_rpm: float
    hdd_crc: float
    disks: float
    channels: float
    wan_pct: float
    clients: float
    ports: float
    budget_pct: float
    hot_px: float
    ircut_cycles: int
    codec: str
    motion_only: bool

    def draw(self, model: Model, u: Callable[[float, float], float]) -> None:
        """Give a device its own constants; `u(lo, hi)` draws uniformly, always in this order, so a seed is a fleet."""
        self.cpu_pct, self.mem_pct, self.rtt_ms = u(18, 30), u(44, 62), u(10, 30)
        self.rise_c = {
            Kind.CAMERA: u(13, 20),
            Kind.RECORDER: u(14, 22),
            Kind.ROUTER: u(16, 24),
            Kind.SWITCH: u(10, 18),
        }[model.kind]
        self.clock_bias_s, self.ntp_phase = u(-0.3, 0.3), u(0, 3600)
        self.emmc_level, self.log_mb = float(int(u(1, 5))), u(1.5, 9)
        self.link_mbps = 100.0 if model.kind is Kind.CAMERA else 1000.0
        self.fps, self.kbps = float(model.fps), model.kbps * u(0.75, 1.15)
        self.lamp_lux, self.dusk_lux, self.dawn_lux = u(60, 180), u(8, 14), u(20, 32)
        self.ir_ma, self.night_gain_db, self.night_luma = u(420, 620), u(20, 27), u(66, 86)
        self.slow_shutter = u(0, 1) < 0.25
        self.scene, self.edges_pct, self.sharpness, self.motion_per_h = u(0.92, 0.97), u(8, 15), u(0.99, 1.04), u(8, 45)
        self.audio_dbfs, self.rh_in_pct, self.heater_ma = u(-54, -46), u(34, 44), u(380, 480)
        self.poe_v, self.poe_ohm, self.vin_v, self.ripple_mv = u(49.5, 53), u(4, 14), u(11.95, 12.35), u(25, 55)
        self.panel, self.charge_wh, self.charged_24h = u(0.9, 1.05), u(70, 95), u(28, 36)
        self.rssi_dbm, self.retry_pct = u(-58, -44), u(2.5, 6)
        self.preset_ms, self.motor_ma, self.stalls = u(850, 1200), u(220, 310), int(u(0, 4))
        self.sd_endurance_gb = u(36_000, 44_000)
        self.written_gb = self.sd_endurance_gb * u(0.03, 0.5)
        self.sd_ms, self.sd_power_losses, self.fs_errors = u(11, 24), int(u(0, 25)), 0
        self.rec_goal_d = float((7, 14, 30)[int(u(0, 3))] if model.kind is Kind.RECORDER else 7)
        self.gap_s, self.io_ms, self.fan_rpm, self.hdd_crc = u(0, 12), u(6, 12), u(3000, 3800), float(int(u(0, 1.4)))
        self.disks = 4.0 if model.has(Part.RAID) else 1.0
        self.channels = 16.0 if model.has(Part.RAID) else 8.0
        self.wan_pct, self.clients, self.ports, self.budget_pct = u(18, 55), u(8, 30), float(int(u(5, 9))), u(30, 55)
        self.hot_px, self.ircut_cycles = u(0, 14), int(u(400, 8000))
        self.codec = "smart" if u(0, 1) < 0.2 else "normal"
        self.motion_only = u(0, 1) < 0.15
