"""The manifest of a release: what one image is, for whom, and what it takes to install it.

The signature is over the manifest's exact bytes, so they are kept and sent as they are; this module only reads them.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError, model_validator

from firmware_updates.version import Version, VersionRange, parse_range, parse_version

MAX_MANIFEST_BYTES = 12 * 1024  # it travels inside `update/desired`, which holds at most 16 KiB
INSTALL_MARGIN_S = 300


class ManifestError(ValueError):
    """The bytes are not a manifest. One line: which field and why."""


class ReleaseClass(Enum):
    """Why the release exists. Only a security release may reach a device after its support period."""

    SECURITY = "security"
    FEATURE = "feature"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `parse_manifest` found. Times are epoch seconds; `needs` and `conflicts` are about other components.

    `release_counter` grows with every release of the component and is what may never fall; once the image is confirmed
    a device refuses everything below `min_counter`.
    """

    product: str
    component: str
    hw_ids: frozenset[str]
    version: Version
    release_counter: int
    min_counter: int
    release_class: ReleaseClass
    cves: tuple[str, ...]
    from_versions: VersionRange
    depends: tuple[tuple[str, VersionRange], ...]
    conflicts: tuple[tuple[str, VersionRange], ...]
    size: int
    sha256: str
    chunk_size: int
    chunks: tuple[str, ...]
    p95_s: int
    reboot_s: int
    needs_battery_pct: int
    free_bytes: int
    confirm_timeout_s: int
    notes_en: str
    notes_id: str
    created_at: float
    expires_at: float
    fixes: tuple[str, ...] = ()  # classes of fault that it ends, as the fault catalogue names them

    @property
    def fit_s(self) -> int:
        """How long before the window's end an install must start: p95 install, reboot and five minutes."""
        return self.p95_s + self.reboot_s + INSTALL_MARGIN_S


_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Counter = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
_Size = Annotated[int, Field(strict=True, ge=1, le=2**40)]
_Seconds = Annotated[int, Field(strict=True, ge=1, le=24 * 3600)]
_Note = Annotated[str, Field(min_length=1, max_length=2000)]


class _Install(BaseModel):
    p95_s: _Seconds
    reboot_s: _Seconds
    needs_battery_pct: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    free_bytes: Annotated[int, Field(strict=True, ge=0)] = 0


class _Notes(BaseModel):
    en: _Note
    id: _Note


class _ManifestJson(BaseModel):
    schema_: Annotated[Literal[1], Field(alias="schema")]
    product: _Name
    component: _Name
    hw_ids: Annotated[list[_Name], Field(min_length=1, max_length=64)]
    version: str
    release_counter: _Counter
    min_counter: _Counter
    class_: Annotated[ReleaseClass, Field(alias="class")]
    cves: Annotated[list[Annotated[str, Field(pattern=r"^CVE-\d{4}-\d{4,}$")]], Field(max_length=100)] = []
    from_versions: str = "*"
    depends: Annotated[dict[_Name, str], Field(max_length=16)] = {}
    conflicts: Annotated[dict[_Name, str], Field(max_length=16)] = {}
    size: _Size
    sha256: _Sha256
    chunk_size: _Size
    chunks: Annotated[list[_Sha256], Field(min_length=1, max_length=128)]
    install: _Install
    confirm_timeout_s: _Seconds
    notes: _Notes
    created: AwareDatetime
    expires: AwareDatetime
    fixes: Annotated[list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,31}$")]], Field(max_length=20)] = []

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "_ManifestJson":
        if len(self.chunks) != math.ceil(self.size / self.chunk_size):
            raise ValueError(f"{len(self.chunks)} chunk hashes do not cover {self.size} bytes by {self.chunk_size}")
        if self.min_counter > self.release_counter:
            raise ValueError("min_counter is above release_counter: no device could keep this release")
        if self.expires <= self.created:
            raise ValueError("expires before it was created")
        return self


def parse_manifest(document: bytes) -> Manifest:
    """Read a manifest; ManifestError in one line."""
    if len(document) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"manifest: {len(document)} bytes are above {MAX_MANIFEST_BYTES}")
    try:
        found = _ManifestJson.model_validate_json(document)
        return Manifest(
            product=found.product,
            component=found.component,
            hw_ids=frozenset(found.hw_ids),
            version=parse_version(found.version),
            release_counter=found.release_counter,
            min_counter=found.min_counter,
            release_class=found.class_,
            cves=tuple(found.cves),
            from_versions=parse_range(found.from_versions),
            depends=tuple((name, parse_range(text)) for name, text in sorted(found.depends.items())),
            conflicts=tuple((name, parse_range(text)) for name, text in sorted(found.conflicts.items())),
            size=found.size,
            sha256=found.sha256,
            chunk_size=found.chunk_size,
            chunks=tuple(found.chunks),
            p95_s=found.install.p95_s,
            reboot_s=found.install.reboot_s,
            needs_battery_pct=found.install.needs_battery_pct,
            free_bytes=found.install.free_bytes,
            confirm_timeout_s=found.confirm_timeout_s,
            notes_en=found.notes.en,
            notes_id=found.notes.id,
            created_at=_epoch(found.created),
            expires_at=_epoch(found.expires),
            fixes=tuple(found.fixes),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise ManifestError(f"manifest {place}: {first['msg']}") from None
    except ValueError as error:
        raise ManifestError(f"manifest: {error}") from None


def release_id(document: bytes) -> str:
    """The name of a release: it follows from the manifest's exact bytes, so one name never means two contents."""
    return hashlib.sha256(document).hexdigest()[:16]


def _epoch(at: datetime) -> float:
    return at.timestamp()
