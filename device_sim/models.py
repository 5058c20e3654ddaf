"""What kinds of devices exist, what each is made of, and who one device is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final


class Kind(StrEnum):
    """The classes of devices that a site is made of."""

    CAMERA = "camera"
    RECORDER = "recorder"
    ROUTER = "router"
    SWITCH = "switch"


class Part(Enum):
    """What a model is made of; decides which metrics it sends and which faults it can have."""

    WIRED = auto()
    WIFI = auto()
    POE = auto()
    DC = auto()
    BATTERY = auto()
    SD = auto()
    INFRARED = auto()
    MICROPHONE = auto()
    OUTDOOR = auto()
    PTZ = auto()
    RAID = auto()


@dataclass(frozen=True, slots=True)
class Model:
    """One product of the maker."""

    name: str
    kind: Kind
    hw_id: str
    parts: frozenset[Part]
    firmware: str
    fps: int = 0
    kbps: int = 0

    def has(self, part: Part) -> bool:
        """Whether the model contains the part."""
        return part in self.parts


def _model(name: str, kind: Kind, hw_id: str, *parts: Part, firmware: str, fps: int = 0, kbps: int = 0) -> Model:
    return Model(name, kind, hw_id, frozenset(parts), firmware, fps, kbps)


_P = Part
MODELS: Final = {
    model.name: model
    for model in (
        _model(
            "Lensa D2", Kind.CAMERA, "lensa-d2", _P.WIRED, _P.POE, _P.INFRARED, _P.MICROPHONE,
            firmware="2.4.1", fps=25, kbps=3800,
        ),
        _model(
            "Lensa B4", Kind.CAMERA, "lensa-b4", _P.WIRED, _P.POE, _P.INFRARED, _P.OUTDOOR, _P.SD,
            firmware="2.4.1", fps=25, kbps=4000,
        ),
        _model(
            "Lensa W1", Kind.CAMERA, "lensa-w1", _P.WIFI, _P.DC, _P.INFRARED, _P.MICROPHONE, _P.SD,
            firmware="1.9.0", fps=20, kbps=1800,
        ),
        _model(
            "Lensa P5", Kind.CAMERA, "lensa-p5", _P.WIRED, _P.POE, _P.INFRARED, _P.OUTDOOR, _P.PTZ, _P.MICROPHONE,
            firmware="3.1.2", fps=30, kbps=5200,
        ),
        _model(
            "Lensa S3", Kind.CAMERA, "lensa-s3", _P.WIFI, _P.BATTERY, _P.INFRARED, _P.OUTDOOR, _P.SD,
            firmware="1.2.5", fps=12, kbps=900,
        ),
        _model("Rekam R8", Kind.RECORDER, "rekam-r8", _P.WIRED, _P.DC, firmware="5.0.3"),
        _model("Rekam R16", Kind.RECORDER, "rekam-r16", _P.WIRED, _P.DC, _P.RAID, firmware="5.0.3"),
        _model("Simpul T1", Kind.ROUTER, "simpul-t1", _P.WIRED, _P.DC, firmware="1.14.0"),
        _model("Simpul S8", Kind.SWITCH, "simpul-s8", _P.WIRED, firmware="1.3.0"),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """Who a device is and where it hangs; `parent_id` is the device its traffic passes, `group` watches one place."""

    id: str
    name: str
    model: Model
    site_id: str
    parent_id: str | None = None
    group: str | None = None

    @property
    def kind(self) -> Kind:
        """The class of the device."""
        return self.model.kind

    def has(self, part: Part) -> bool:
        """Whether its model contains the part."""
        return part in self.model.parts
