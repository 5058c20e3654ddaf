"""Which device may connect to the embedded endpoint: its certificate's CN, or its id with its secret."""

import hashlib
import logging
from collections.abc import Container
from hmac import compare_digest
from typing import Final

from gateway.ports.endpoint import Authenticate, AuthRefusal, Credentials, Principal, Rights
from gateway.ports.registry import DeviceStatus, Registry

_log = logging.getLogger(__name__)

_GUEST: Final = Principal("$guest", Rights.GUEST)
"""No device id looks like this, so nothing of a device's is ever taken for a guest's."""


def secret_hash(secret: str | bytes) -> bytes:
    """What is stored of a device's secret.

    SHA-256 is enough: secrets are random (`siaga devices` makes them), and an endpoint that admits thousands of
    devices a second cannot afford a slow hash.
    """
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()


def device_authentication(registry: Registry, registered: Container[str], *, guests: bool = False) -> Authenticate:
    """Judge a CONNECT against the registry. The client id says nothing: identity is certificate or user name. Who does
    not claim to be a device is turned away, or a guest where `guests` are welcome.
    """
    stranger = _GUEST if guests else None
    if guests:
        _log.warning("mqtt.guests is on: whoever reaches the endpoint uses it as a broker and hears every device")

    async def authenticate(credentials: Credentials) -> Principal | AuthRefusal:
        identity = credentials.certificate_cn or credentials.username
        if not identity:
            return stranger or AuthRefusal.NOT_AUTHORIZED
        if identity not in registered:
            # Not heard of yet, retired, or a stranger: only then is the registry asked, so that a reconnect of the
            # whole fleet costs one small read a device.
            device = await registry.device(identity)
            if device is None:
                return stranger or AuthRefusal.BAD_CREDENTIALS
            if device.status is DeviceStatus.RETIRED:
                return AuthRefusal.BANNED
        if credentials.certificate_cn:
            return Principal(identity)
        stored = await registry.device_secret(identity)
        given = secret_hash(credentials.password or b"")
        return Principal(identity) if stored and compare_digest(given, stored) else AuthRefusal.BAD_CREDENTIALS

    return authenticate
