"""What a webhook says and how it is signed, as the Standard Webhooks specification has it. Pure.

Thin JSON: type, time, the facts. `webhook-signature` is "v1," + base64 of HMAC-SHA256 over `id.timestamp.body`;
while a secret is replaced, one signature for each of the two stands in it, parted by a space.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.ports.notifications import Notification

PREFIX: Final = "whsec_"


def secret_of(text: str) -> bytes:
    """The key in `whsec_` + base64. ValueError in one line."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f'a webhook secret is "{PREFIX}" and the base64 of 24 to 64 random bytes')
    return key


def body_of(event: Notification) -> str:
    """The exact text that is sent: type, time and the ticket's facts of that moment."""
    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"type": event.type, "timestamp": at, "data": json.loads(event.payload)},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def signature(message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> str:
    """The header's value."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in secrets)
