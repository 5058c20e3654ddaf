"""Rows for tests, whole and valid, each made with the few values that the test is about."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from firmware_updates.attempt_row import Attempt, State
from firmware_updates.budget import Exposure
from firmware_updates.device import Release, Stock, UpdateDevice
from firmware_updates.entitlement import Entitlement
from firmware_updates.grant import Facts, Load
from firmware_updates.manifest import parse_manifest, release_id
from firmware_updates.messages import Component, Request, Want
from firmware_updates.policy import Policy
from firmware_updates.rollout import Rollout, RolloutState, Wave, WaveState
from firmware_updates.signing import encode_signature, generate_key, sign
from firmware_updates.window_text import parse_windows

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()  # a Saturday
NIGHT = datetime(2026, 11, 21, 18, 30, tzinfo=UTC).timestamp()  # 01:30 in Jakarta
RELEASE_KEY = generate_key()

MANIFEST = """{"schema": 1, "product": "cam-dome", "component": "firmware", "hw_ids": ["cam-a"],
"version": "%(version)s", "release_counter": %(counter)d, "min_counter": %(min_counter)d, "class": "%(kind)s",
"from_versions": "%(from_versions)s", "depends": %(depends)s, "conflicts": %(conflicts)s,
"size": 1000, "sha256": "%(sha)s", "chunk_size": 1000, "chunks": ["%(sha)s"],
"install": {"p95_s": 240, "reboot_s": 60, "needs_battery_pct": 30, "free_bytes": 2000},
"confirm_timeout_s": 600, "notes": {"en": "Fixes the clock.", "id": "Memperbaiki jam."},
"created": "2026-11-01T00:00:00Z", "expires": "%(expires)s"}"""


@cache
def release(**changes):
    values = {
        "version": "2.5.0", "counter": 7, "min_counter": 5, "kind": "feature", "from_versions": ">=2.0",
        "depends": "{}", "conflicts": "{}", "sha": "ab" * 32, "expires": "2027-11-01T00:00:00Z",
    } | changes  # fmt: skip
    document = (MANIFEST % values).encode()
    signature = encode_signature(sign(document, RELEASE_KEY))
    return Release(release_id(document), document, (signature,), parse_manifest(document), NOON)


def stock(**changes):
    base = Stock(
        received_at=NIGHT - 600,
        boot=12,
        seq=1,
        components=(("bootloader", Component("1.3.0", 2)), ("firmware", Component("2.4.1", 6))),
        confirmed=True,
        counter_floor=5,
        free_bytes=1_000_000,
    )
    return replace(base, **changes)


@cache
def windows(zone="Asia/Jakarta", text="daily 01:00-05:00"):
    return parse_windows(zone, text)


def device(device_id="cam-1", **changes):
    base = UpdateDevice(
        device_id=device_id,
        model="dome-2",
        hw_id="cam-a",
        site_id="shop",
        group="",
        windows=windows(),
        entitlement=Entitlement("Asia/Jakarta"),
        stock=stock(),
    )
    return replace(base, **changes)


def rollout(**changes):
    base = Rollout(
        rollout_id="r1",
        name="November",
        release_id=release().release_id,
        component="firmware",
        author="ayu",
        created_at=NOON,
        starts_at=NOON,
        deadline_at=NOON + 30 * 86_400,
        policy=Policy(),
        targets=4,
        targets_sha256="00",
        waves=(Wave(WaveState.OPEN, NOON), Wave(), Wave()),
        state=RolloutState.RUNNING,
    )
    return replace(base, **changes)


def attempt(**changes):
    base = Attempt(
        attempt_id="r1/cam-1/1", rollout_id="r1", release_id=release().release_id, device_id="cam-1", site_id="shop",
        group="", component="firmware", number=1, wave=0, state=State.STAGED, since=NOON,
        expires_at=NOON + 30 * 86_400, target_version="2.5.0", target_counter=7, soak_s=3600.0, overdue_s=4320.0,
    )  # fmt: skip
    return replace(base, **changes)


def facts(**changes):
    base = Facts(
        rollout=rollout(),
        attempt=attempt(),
        device=device(),
        release=release(),
        request=Request(12, 5, "r1/cam-1/1", Want.GRANT, "nonce-0001"),
        exposure=Exposure(0, 0, 0, 0),
        load=Load(device=0, site=0, group=0, rate_at=0.0),
    )
    return replace(base, **changes)
