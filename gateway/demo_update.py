"""The demo's update: a release signed on the spot goes to one camera whose window is open, and waits for another."""

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_updates.policy import Policy
from firmware_updates.ports import UpdateStore
from firmware_updates.signing import (
    KeyRole,
    encode_key_set,
    encode_signature,
    generate_key,
    key_id_of,
    key_set,
    public_raw,
    sign,
)
from gateway.app import Gateway
from gateway.clock import Clock, every
from gateway.commands.firmware import manifest
from gateway.firmware.keys import director_key

ALWAYS = "daily 00:00-00:00"
ROLLOUT = "demo-night-picture"
SOAK_S = 20.0


@dataclass(frozen=True, slots=True)
class Release:
    """What the demo will publish: the key, the image file, and who gets it. `now` has its window open all day."""

    key: Ed25519PrivateKey
    image: Path
    now: str
    later: str


def prepare(folder: Path, stock: dict[str, Any], trust: Path) -> Release:
    """Make keys and an image; give one camera a window that is open all day; write what devices trust.

    Changes `stock` in place.
    """
    key, director = generate_key(), director_key(folder / "director.pem")
    (folder / "release-keys.json").write_bytes(encode_key_set(key_set(KeyRole.RELEASE, 1, [public_raw(key)])))
    rings = {
        name: {key_id_of(raw): raw.hex()}
        for name, raw in (("release", public_raw(key)), ("director", public_raw(director)))
    }
    trust.write_text(json.dumps(rings))
    cameras = [device for device in stock["devices"] if device["kind"] == "camera" and device["power"] == "mains"]
    first = cameras[0]
    now, later = [device for device in cameras if device["model"] == first["model"]][:2]
    now["windows"] = ALWAYS
    image = folder / "demo-2.5.0.img"
    image.write_bytes(random.Random(1).randbytes(400_000))
    return Release(key, image, now["id"], later["id"])


async def publish(gateway: Gateway, release: Release, hw_id: str, clock: Clock) -> None:
    """Sign, publish, plan and approve; then the devices ask by themselves. Waits until both have reported."""
    words = argparse.Namespace(
        product="lensa",
        component="system",
        hw=hw_id,
        version="2.5.0",
        counter=11,
        min_counter=0,
        kind="feature",
        cve=[],
        from_versions="*",
        install_s=60,
        reboot_s=30,
        battery=0,
        confirm_s=600,
        notes_en="A clearer picture at night.",
        notes_id="Gambar malam hari lebih jelas.",
        valid_days=30,
        fixes=[],
    )
    document = manifest(words, release.image.read_bytes(), clock.now())
    targets = [release.now, release.later]
    async for _ in every(clock, 1.0):
        if await gateway.updates.read(lambda store: all(_reported(store, device) for device in targets)):
            break
    await gateway.images.add(release.image)
    now = clock.now()
    service = gateway.service
    policy = Policy(k0=2, control=0.0, fractions=(), soak_s=SOAK_S, canary_soak_s=SOAK_S, wave_soak_s=SOAK_S)

    def roll_out(store: UpdateStore) -> None:
        signed = [encode_signature(sign(document, release.key))]
        published = service.publish_release(store, "sari", document, signed, now)
        name = published.release_id
        service.create_rollout(
            store, "sari", ROLLOUT, "Two cameras of the demo", name, targets, policy, now, now + 7 * 86_400, now
        )
        service.simulated(store, "sari", ROLLOUT, now)
        rollout = service.submit(store, "sari", ROLLOUT, now)
        service.approve(store, "dewi", ROLLOUT, rollout.content_sha256, now)

    await gateway.updates.act(roll_out)


def _reported(store: UpdateStore, device_id: str) -> bool:
    device = store.device(device_id)
    return device is not None and device.stock is not None
