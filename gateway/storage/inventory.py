"""What must hold before registry rows are written, the same for every adapter. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from gateway.ports.registry import Customer, RegisteredDevice, Site


@dataclass(frozen=True, slots=True)
class Missing:
    """Ids that the rows refer to and do not bring along, each with who refers to it."""

    customers: Mapping[str, str]
    sites: Mapping[str, str]
    devices: Mapping[str, str]

    def refuse_unless(self, known: "Missing") -> None:
        """ValueError, one line, if one of these is not among the known."""
        for kind, wanted, there in (
            ("customer", self.customers, known.customers),
            ("site", self.sites, known.sites),
            ("parent device", self.devices, known.devices),
        ):
            for name, by in wanted.items():
                if name not in there:
                    raise ValueError(f"{by}: there is no {kind} {name!r}")


def check(customers: Sequence[Customer], sites: Sequence[Site], devices: Sequence[RegisteredDevice]) -> Missing:
    """Refuse what would be wrong anywhere (ValueError, one line); return what only the store can tell."""
    for customer in customers:
        _zone(f"customer {customer.customer_id!r}", customer.zone)
    for site in sites:
        _zone(f"site {site.site_id!r}", site.zone)
    for device in devices:
        _device(device)
    brought = (
        {customer.customer_id for customer in customers},
        {site.site_id for site in sites},
        {device.device_id for device in devices},
    )
    return Missing(
        {s.customer_id: f"site {s.site_id!r}" for s in sites if s.customer_id not in brought[0]},
        {d.site_id: f"device {d.device_id!r}" for d in devices if d.site_id not in brought[1]},
        {d.parent_id: f"device {d.device_id!r}" for d in devices if d.parent_id and d.parent_id not in brought[2]},
    )


def _device(device: RegisteredDevice) -> None:
    if device.parent_id == device.device_id:
        raise ValueError(f"device {device.device_id!r} is its own parent")
    for name, day in (
        ("warranty_until", device.warranty_until),
        ("contract_until", device.contract_until),
        ("support_until", device.support_until),
    ):
        if day and not _is_day(day):
            raise ValueError(f"device {device.device_id!r}: {name} {day!r} is not a day like 2027-01-31")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _zone(whose: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{whose}: unknown time zone {name!r}: use an IANA name such as Asia/Jakarta") from None
