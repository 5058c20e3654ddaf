"""Two keys, kept apart. The release key (offline) signs manifests; the director key (online) signs grants only.

A key set names the keys that count for one role. A new set counts only if a live key of the old set and a live key of
the new one have both signed its exact bytes; what was revoked stays revoked. Ed25519 (RFC 8032) over exact bytes.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, Field, ValidationError


class KeyRole(Enum):
    """What a key may sign."""

    RELEASE = "release"
    DIRECTOR = "director"


class Distrust(Enum):
    """Why a signature does not count."""

    UNSIGNED = "no signature by a key of the set"
    REVOKED_KEY = "signed only by revoked keys"
    BAD_SIGNATURE = "the signature does not match the bytes"
    WRONG_ROLE = "the key set is for another role"
    WRONG_VERSION = "the key set does not follow the current one"
    REVOCATION_UNDONE = "the key set forgets a revocation"
    UNREADABLE = "the key set cannot be read"


class Distrusted(ValueError):
    """Bytes that must not be used; `why` is the named reason."""

    def __init__(self, why: Distrust) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Signature:
    """64 bytes by the key whose id is `key_id`."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class KeySet:
    """`keys` maps key ids to raw public keys of 32 bytes; revoked ids may still be listed but never count."""

    role: KeyRole
    version: int
    keys: tuple[tuple[str, bytes], ...]
    revoked: frozenset[str] = frozenset()

    def live(self) -> dict[str, bytes]:
        """The keys that count."""
        return {key_id: raw for key_id, raw in self.keys if key_id not in self.revoked}


class _KeySetJson(BaseModel):
    v: Literal[1]
    role: KeyRole
    version: Annotated[int, Field(strict=True, ge=1)]
    keys: Annotated[list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]], Field(min_length=1, max_length=32)]
    revoked: list[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]] = []


def generate_key() -> Ed25519PrivateKey:
    """A new private key from the system's randomness."""
    return Ed25519PrivateKey.generate()


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """PKCS 8, unencrypted: keep the file's mode at 0600 and the release key off line."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private(pem: bytes) -> Ed25519PrivateKey:
    """Read what `private_pem` wrote; ValueError in one line."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise ValueError("not an unencrypted PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - it is the file that is wrong
    return key


def public_raw(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes that others need."""
    return key.public_key().public_bytes_raw()


def key_id_of(public: bytes) -> str:
    """The first 16 hex digits of SHA-256 over the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def key_set(role: KeyRole, version: int, publics: Iterable[bytes], revoked: Iterable[str] = ()) -> KeySet:
    """A set of raw public keys."""
    return KeySet(role, version, tuple((key_id_of(raw), raw) for raw in publics), frozenset(revoked))


def sign(payload: bytes, key: Ed25519PrivateKey) -> Signature:
    """Sign the exact bytes."""
    return Signature(key_id_of(public_raw(key)), key.sign(payload))


def verify(payload: bytes, signatures: Iterable[Signature], keys: KeySet) -> str:
    """The id of a live key that signed exactly these bytes; Distrusted otherwise."""
    live, why = keys.live(), Distrust.UNSIGNED
    for signature in signatures:
        if signature.key_id in keys.revoked:
            why = Distrust.REVOKED_KEY
        elif signature.key_id in live:
            try:
                Ed25519PublicKey.from_public_bytes(live[signature.key_id]).verify(signature.value, payload)
            except InvalidSignature:
                why = Distrust.BAD_SIGNATURE
            else:
                return signature.key_id
    raise Distrusted(why)


def encode_key_set(keys: KeySet) -> bytes:
    """The bytes that are signed when the set replaces another."""
    return _KeySetJson(
        v=1,
        role=keys.role,
        version=keys.version,
        keys=[raw.hex() for _, raw in keys.keys],
        revoked=sorted(keys.revoked),
    ).model_dump_json().encode()  # fmt: skip


def parse_key_set(document: bytes) -> KeySet:
    """Read a set without trusting it; Distrusted if it is not one."""
    try:
        found = _KeySetJson.model_validate_json(document)
    except ValidationError:
        raise Distrusted(Distrust.UNREADABLE) from None
    return key_set(found.role, found.version, (bytes.fromhex(text) for text in found.keys), found.revoked)


def rotate(current: KeySet, document: bytes, signatures: Iterable[Signature]) -> KeySet:
    """The set that replaces `current`, signed by a live key of both; Distrusted otherwise."""
    signed = tuple(signatures)
    coming = parse_key_set(document)
    if coming.role is not current.role:
        raise Distrusted(Distrust.WRONG_ROLE)
    if coming.version != current.version + 1:
        raise Distrusted(Distrust.WRONG_VERSION)
    if not current.revoked <= coming.revoked:
        raise Distrusted(Distrust.REVOCATION_UNDONE)
    verify(document, signed, current)
    verify(document, signed, coming)
    return coming


def encode_signature(signature: Signature) -> str:
    """`key_id:base64`, one line: what a `.sig` file and a message hold."""
    return f"{signature.key_id}:{base64.b64encode(signature.value).decode()}"


def parse_signature(text: str) -> Signature:
    """Read what `encode_signature` wrote; ValueError in one line."""
    key_id, _, value = text.strip().partition(":")
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        raw = b""
    if len(key_id) != 16 or len(raw) != 64:
        raise ValueError("not a signature: expected key_id:base64 of 64 bytes")
    return Signature(key_id, raw)
