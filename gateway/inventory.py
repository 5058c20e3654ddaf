"""An inventory as JSON (from a back office, an installer, the simulator) becomes registry rows, or one line a fault."""

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from firmware_updates.window_text import parse_windows
from gateway.ingest.topics import DEVICE_ID
from gateway.ports.registry import Customer, RegisteredDevice, Site

SILENCE_S = {"mains": 180.0, "battery": 2 * 3600.0}
"""Seconds of silence after which a device is offline. Mains devices report at least once a minute; battery cameras wake
every 30 minutes, so four missed wake-ups (Verkada and Tuya use 15 minutes to 8 hours)."""

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Name = Annotated[str, Field(min_length=1, max_length=120)]
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Customer(_Row):
    id: Id
    name: Name
    language: Literal["en", "id"] = "en"
    zone: str = "UTC"
    email: str = ""

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        return checked_zone(zone)


class _Site(_Row):
    id: Id
    customer_id: Id
    name: Name
    zone: str

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        return checked_zone(zone)


class _Device(_Row):
    id: Id
    name: Name
    kind: Literal["camera", "recorder", "router", "switch"]
    model: Name
    site_id: Id
    parent_id: Id | None = None
    group: str | None = None
    power: Literal["mains", "battery"] = "mains"
    silence_s: Annotated[float, Field(gt=0)] | None = None
    warranty_until: Day = ""
    contract_until: Day = ""
    support_until: Day = ""
    windows: str = ""

    @field_validator("windows")
    @classmethod
    def _windows(cls, text: str) -> str:
        parse_windows("UTC", text)
        return text


class Inventory(_Row):
    """The whole list. Unknown fields are ignored, so a back office may export more."""

    customers: list[_Customer] = []
    sites: list[_Site] = []
    devices: list[_Device] = []

    def rows(self) -> tuple[list[Customer], list[Site], list[RegisteredDevice]]:
        """What `Registry.put` takes."""
        return (
            [Customer(row.id, row.name, row.language, row.zone, row.email) for row in self.customers],
            [Site(row.id, row.customer_id, row.name, row.zone) for row in self.sites],
            [_device(row) for row in self.devices],
        )


def parse(text: str | bytes, where: str = "inventory") -> Inventory:
    """Parse JSON. ValueError: one line that says where and what."""
    try:
        return Inventory.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ValueError(f"{where}: {place}: {fault['msg'].removeprefix('Value error, ')}{more}") from None


def read(path: Path) -> Inventory:
    """Read a file. ValueError as `parse`; OSError if it cannot be read."""
    return parse(path.read_bytes(), str(path))


def checked_id(text: str) -> str:
    """A device, site or customer id as the protocol wants it, or ValueError."""
    if not DEVICE_ID.fullmatch(text):
        close = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64]
        raise ValueError(
            f"{text!r} is no id: small letters, digits and hyphens, at most 64" + f" (try {close})" * bool(close)
        )
    return text


def _device(row: _Device) -> RegisteredDevice:
    return RegisteredDevice(
        row.id,
        row.name,
        row.kind,
        row.model,
        row.site_id,
        row.parent_id or "",
        row.group or "",
        row.silence_s or SILENCE_S[row.power],
        row.warranty_until,
        row.contract_until,
        row.support_until,
        row.windows,
    )


def checked_zone(name: str) -> str:
    """An IANA zone, or ValueError."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"unknown time zone {name!r}: use an IANA name such as Asia/Jakarta") from None
    return name
