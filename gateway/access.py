"""Which device may connect to the embedded endpoint: its certificate's CN, or its id with its secret."""

import hashlib
from hmac import compare_digest

from gateway.ports.endpoint import Authenticate, AuthRefusal, Credentials, Principal
from gateway.ports.registry import DeviceStatus, Registry


def secret_hash(secret: str | bytes) -> bytes:
    """What is stored of a device's secret.

    SHA-256 is enough: secrets are random (`siaga devices` makes them), and an endpoint that admits thousands of
    devices a second cannot afford a slow hash.
    """
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()


def device_authentication(registry: Registry) -> Authenticate:
    """Judge a CONNECT against the registry. The client id says nothing: identity is certificate or user name."""

    async def authenticate(credentials: Credentials) -> Principal | AuthRefusal:
        identity = credentials.certificate_cn or credentials.username
        if not identity:
            return AuthRefusal.NOT_AUTHORIZED
        device = await registry.device(identity)
        if device is not None and device.status is DeviceStatus.RETIRED:
            return AuthRefusal.BANNED
        if device is not None and credentials.certificate_cn:
            return Principal(identity)
        stored = await registry.device_secret(identity) if device is not None else None
        given = secret_hash(credentials.password or b"")
        # An unknown device takes as long as a wrong secret, and gets the same answer.
        fits = compare_digest(given, stored or bytes(32))
        return Principal(identity) if stored and fits else AuthRefusal.BAD_CREDENTIALS

    return authenticate
