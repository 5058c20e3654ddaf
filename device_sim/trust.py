"""What a device believes: releases signed by the release key, grants signed by the director key, nothing else."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from device_sim.flash import Image


class Refused(Exception):
    """The device will not take it; `code` goes on the wire."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Raw public keys by key id, as written into the device at the factory."""

    release: dict[str, bytes]
    director: dict[str, bytes]


def _signed_by(keys: dict[str, bytes], text: bytes, signature: dict[str, Any]) -> bool:
    raw = keys.get(str(signature.get("key_id")))
    if raw is None:
        return False
    try:
        value = base64.b64decode(str(signature.get("signature")), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(value, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_offer(
    body: dict[str, Any], keys: KeyRing, *, hw_id: str, component: str, running: Image, floor: int, free_bytes: int
) -> dict[str, Any]:
    """What the record keeps of an offered release; Refused with signature, manifest, hardware, downgrade or space."""
    text = str(body["manifest"]).encode()
    if not any(_signed_by(keys.release, text, signature) for signature in body["signatures"]):
        raise Refused("signature")
    try:
        manifest = json.loads(text)
        offer: dict[str, Any] = {
            "attempt": str(body["attempt"]),
            "version": str(manifest["version"]),
            "release_counter": int(manifest["release_counter"]),
            "min_counter": int(manifest["min_counter"]),
            "size": int(manifest["size"]),
            "sha256": str(manifest["sha256"]),
            "confirm_timeout_s": float(manifest["confirm_timeout_s"]),
        }
        hw_ids, needs = manifest["hw_ids"], int(manifest["install"].get("free_bytes", 0))
        component_of = manifest["component"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("manifest") from None
    if hw_id not in hw_ids or component_of != component:
        raise Refused("hardware")
    if offer["release_counter"] <= running.release_counter or offer["release_counter"] < floor:
        raise Refused("downgrade")
    if offer["size"] > free_bytes or needs > free_bytes:
        raise Refused("space")
    return offer


def check_grant(body: dict[str, Any], keys: KeyRing, *, device_id: str, offer: dict[str, Any] | None) -> dict[str, Any]:
    """The terms of a grant that is signed, for this device, this attempt and these bytes; Refused otherwise."""
    text = str(body["grant"]).encode()
    if not _signed_by(keys.director, text, body["signed"]):
        raise Refused("signature")
    terms: dict[str, Any] = json.loads(text)
    if terms["device_id"] != device_id:
        raise Refused("device")
    if offer is None or terms["attempt"] != offer["attempt"] or terms["sha256"] != offer["sha256"]:
        raise Refused("attempt")
    return terms
