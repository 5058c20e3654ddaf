"""Who owns what: customers, sites, devices, users and their sessions."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Role(Enum):
    """A customer sees own devices; an agent works tickets; a manager also has releases, rules, users."""

    CUSTOMER = "customer"
    AGENT = "agent"
    MANAGER = "manager"


class DeviceStatus(Enum):
    """Whether the gateway listens to a device."""

    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Customer:
    """`language` is "en" or "id"; `zone` an IANA name; `email` may be ""."""

    customer_id: str
    name: str
    language: str
    zone: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """A place with one local time."""

    site_id: str
    customer_id: str
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device as registered. Dates are ISO days in the site's zone, "" = unknown; `windows` is the maintenance window
    as text that firmware_updates.window parses ("Sat,Sun 02:00-04:00"; "" = every night 01:00-05:00).

    `silence_s`: seconds without a report after which it is offline.
    """

    device_id: str
    name: str
    kind: str  # camera | recorder | router | switch
    model: str
    site_id: str
    parent_id: str = ""
    group: str = ""
    silence_s: float = 180.0
    warranty_until: str = ""
    contract_until: str = ""
    support_until: str = ""
    windows: str = ""
    status: DeviceStatus = DeviceStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in by `name`. `customer_id` is "" for staff. `password_hash` is argon2id in PHC format."""

    name: str
    role: Role
    password_hash: str
    customer_id: str = ""
    display_name: str = ""
    language: str = "en"


class Registry(Protocol):
    """Customers, sites and devices. Raises OSError when the store is away."""

    async def put(
        self, customers: Sequence[Customer] = (), sites: Sequence[Site] = (), devices: Sequence[RegisteredDevice] = ()
    ) -> None:
        """Insert or replace, all in one transaction. ValueError in one line if a reference is missing."""

    def devices(self) -> AsyncIterator[RegisteredDevice]:
        """Every device, streamed in id order (there may be a million)."""

    async def revision(self) -> int:
        """Grows with every put of devices, by whatever process."""

    async def changed_since(self, revision: int) -> tuple[int, AsyncIterator[RegisteredDevice]]:
        """The revision now, and the devices put since that one (retired ones too), streamed: it may be all of them."""

    async def device(self, device_id: str) -> RegisteredDevice | None:
        """One device."""

    async def devices_of_site(self, site_id: str) -> Sequence[RegisteredDevice]:
        """Its devices, recorders and routers first."""

    async def owned_devices(self, customer_id: str) -> Sequence[RegisteredDevice]:
        """The customer's devices (the only way pages of customers reach a device)."""

    async def search_devices(self, text: str, after: str = "", limit: int = 50) -> Sequence[RegisteredDevice]:
        """By id, name, model, site or customer name, in id order after `after`."""

    async def support_ending(self, first: str, last: str, after: str = "", limit: int = 200) -> Sequence[str]:
        """Ids of active devices whose software updates end on a day from `first` to `last`, in order after `after`."""

    async def site(self, site_id: str) -> Site | None:
        """One site."""

    async def sites_of_customer(self, customer_id: str) -> Sequence[Site]:
        """Its sites by name."""

    async def customer(self, customer_id: str) -> Customer | None:
        """One customer."""

    async def customers(self) -> Sequence[Customer]:
        """All, by name."""

    async def device_secret(self, device_id: str) -> bytes | None:
        """The stored hash of the device's MQTT password (None: unknown device or certificate only)."""

    async def set_device_secret(self, device_id: str, secret_hash: bytes) -> None:
        """Replace it. KeyError for an unknown device."""


class Accounts(Protocol):
    """Users and web sessions. Session ids are stored only as their SHA-256."""

    async def put_user(self, user: User) -> None:
        """Insert or replace; replacing ends the user's sessions."""

    async def user(self, name: str) -> User | None:
        """By sign-in name, case-insensitive."""

    async def users(self) -> Sequence[User]:
        """All, by name."""

    async def delete_user(self, name: str) -> bool:
        """False if there was none. Ends the user's sessions."""

    async def save_session(self, token_hash: bytes, user: str, data: str, expires_at: float) -> None:
        """Insert or replace a session row (user "" before log-in)."""

    async def session(self, token_hash: bytes, now: float) -> str | None:
        """The data of an unexpired session."""

    async def delete_session(self, token_hash: bytes) -> None:
        """End one session."""

    async def delete_expired(self, now: float) -> None:
        """Forget the sessions that are over."""
