"""A maker and a gateway in miniature: signed releases, grants, answers; and a device that is driven to its end."""

import base64
import hashlib
import itertools
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_sim.flash import Flash, Mishaps, PowerCutError
from device_sim.trust import KeyRing
from device_sim.updater import Fetch, Publish, Reboot, Updater

RELEASE = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
DIRECTOR = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
IMAGE = bytes(range(256)) * 64


def key_id(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


KEYS = KeyRing(
    {key_id(RELEASE): RELEASE.public_key().public_bytes_raw()},
    {key_id(DIRECTOR): DIRECTOR.public_key().public_bytes_raw()},
)


def signed(key: Ed25519PrivateKey, text: str) -> dict[str, str]:
    return {"key_id": key_id(key), "signature": base64.b64encode(key.sign(text.encode())).decode()}


def manifest(image: bytes = IMAGE, **changes: Any) -> str:
    return json.dumps(
        {
            "schema": 1, "product": "lensa", "component": "system", "hw_ids": ["lensa-b4"], "version": "2.5.0",
            "release_counter": 20, "min_counter": 15, "size": len(image), "sha256": hashlib.sha256(image).hexdigest(),
            "install": {"p95_s": 60, "reboot_s": 30}, "confirm_timeout_s": 300,
        }
        | changes
    )  # fmt: skip


def desired(attempt: str = "a-1", *, key: Ed25519PrivateKey = RELEASE, text: str | None = None) -> bytes:
    text = text or manifest()
    return json.dumps(
        {"v": 1, "attempt": attempt, "component": "system", "manifest": text, "signatures": [signed(key, text)]}
    ).encode()


def grant(
    request: dict[str, Any], *, grant_id: str = "g-1", device_id: str = "cam-1", key: Ed25519PrivateKey = DIRECTOR,
    image: bytes = IMAGE, valid_for_s: int = 120, **changes: Any,
) -> bytes:  # fmt: skip
    terms = {
        "grant_id": grant_id, "device_id": device_id, "attempt": request["attempt"], "nonce": request["nonce"],
        "sha256": hashlib.sha256(image).hexdigest(), "valid_for_s": valid_for_s, "issued_at": 0, "not_after": 1,
    } | changes  # fmt: skip
    text = json.dumps(terms)
    return json.dumps({"v": 1, "grant": text, "signed": signed(key, text)}).encode()


class Bench:
    """One device on the bench: its flash lasts, its updater lives for one boot, the gateway answers at once."""

    def __init__(self, mishaps: Mishaps | None = None) -> None:
        self.flash = Flash("2.4.1", 10, size=1 << 20)
        self.flash.mishaps = mishaps or Mishaps()
        self.boot = 7
        self.now = 0.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.served: list[int] = []
        self.claims_lost = False
        self.grants = itertools.count(1)
        self.offer = desired()
        self.reboots: list[str] = []
        self.started: list[float] = []
        self.power_on()

    def power_on(self) -> None:
        while True:
            self.boot, self.now, self.seq = self.boot + 1, 0.0, itertools.count()
            try:
                self.flash.power_on()
                self.updater = Updater(
                    "cam-1", "lensa-b4", "system", self.flash, KEYS, boot=self.boot, next_seq=self.seq.__next__,
                    install_s=15, self_test_s=20,
                )  # fmt: skip
                self.updater.connected()
                self.updater.receive("update/desired", self.offer, 0.0)  # retained
                return
            except PowerCutError:
                continue

    def say(self, leaf: str) -> list[dict[str, Any]]:
        return [body for name, body in self.told if name == leaf]

    @property
    def states(self) -> list[str]:
        return [body["state"] for body in self.say("update/status")]

    def step(self, seconds: float = 1.0) -> None:
        try:
            self._step(seconds)
        except PowerCutError:
            self.reboots.append("power")
            self.power_on()

    def _step(self, seconds: float) -> None:
        self.now += seconds
        self.updater.tick(self.now)
        for action in self.updater.take_actions():
            match action:
                case Publish(leaf, body):
                    self.told.append((leaf, body))
                    if action.claim and not self.claims_lost:
                        self.updater.acknowledged(body)
                    if leaf == "update/request":
                        self.answer(body)
                case Fetch(_, offset, _):
                    self.serve(offset)
                case Reboot(reason):
                    self.reboots.append(reason)
                    self.power_on()
                    return

    def answer(self, request: dict[str, Any]) -> None:
        if request["want"] == "url":
            body = {"v": 1, "nonce": request["nonce"], "verdict": "url", "url": "/images/x"}
            self.updater.receive("update/response", json.dumps(body).encode(), self.now)
        else:
            self.updater.receive("update/grant", grant(request, grant_id=f"g-{next(self.grants)}"), self.now)

    def serve(self, offset: int) -> None:
        self.served.append(offset)
        for at in range(offset, len(IMAGE), 1000):
            self.updater.downloaded(IMAGE[at : at + 1000])
        self.updater.fetch_ended(206 if offset else 200, self.now)

    def run(self, seconds: int = 4000) -> None:
        for _ in range(seconds):
            self.step()
