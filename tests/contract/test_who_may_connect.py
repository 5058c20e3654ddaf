"""Who gets in at the embedded endpoint, judged against every registry."""

import logging
from dataclasses import replace

import pytest

from gateway.access import device_authentication, secret_hash
from gateway.ports.endpoint import AuthRefusal, Credentials, Principal, Rights
from gateway.ports.registry import DeviceStatus, RegisteredDevice
from tests.parts.stores import Stores, register

CAMERA = RegisteredDevice("cam-8", "New", "camera", "C200", "toko-a")
CLAIMS = {
    "nobody": Credentials("any", None, None, None, "::1"),
    "stranger": Credentials("any", "someone", b"x", None, "::1"),
    "device": Credentials("any", "cam-8", b"secret", None, "::1"),
    "impostor": Credentials("any", "cam-8", b"guess", None, "::1"),
    "certified": Credentials("any", None, None, "cam-8", "::1"),
    "retired": Credentials("any", "cam-9", b"secret", None, "::1"),
}


async def _verdicts(stores: Stores, *, guests: bool) -> dict[str, Principal | AuthRefusal]:
    await register(stores.registry)
    await stores.registry.put(devices=[CAMERA, replace(CAMERA, device_id="cam-9", status=DeviceStatus.RETIRED)])
    await stores.registry.set_device_secret("cam-8", secret_hash("secret"))
    judge = device_authentication(stores.registry, frozenset(), guests=guests)
    return {name: await judge(claim) for name, claim in CLAIMS.items()}


async def test_devices_alone_get_in(stores: Stores) -> None:
    assert await _verdicts(stores, guests=False) == {
        "nobody": AuthRefusal.NOT_AUTHORIZED,
        "stranger": AuthRefusal.BAD_CREDENTIALS,
        "device": Principal("cam-8"),
        "impostor": AuthRefusal.BAD_CREDENTIALS,
        "certified": Principal("cam-8"),
        "retired": AuthRefusal.BANNED,
    }


async def test_where_guests_are_welcome_a_device_still_needs_its_secret(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    guest = Principal("$guest", Rights.GUEST)
    with caplog.at_level(logging.WARNING):
        assert await _verdicts(stores, guests=True) == {
            "nobody": guest,
            "stranger": guest,
            "device": Principal("cam-8"),
            "impostor": AuthRefusal.BAD_CREDENTIALS,
            "certified": Principal("cam-8"),
            "retired": AuthRefusal.BANNED,
        }
    assert "mqtt.guests is on" in caplog.text
