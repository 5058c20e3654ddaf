"""A rollout as a maker runs it: two hundred cameras, six zones, two nights on which clocks change, a real broker."""

import asyncio
import hashlib
import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_sim.flash import Mishaps
from device_sim.trust import KeyRing
from firmware_updates.attempt_row import State
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
from gateway.app import Gateway, running
from gateway.clock import ManualClock
from gateway.demo import Login, free_or_any
from gateway.demo_check import sign_in
from gateway.firmware.keys import director_key
from gateway.ports.registry import Role, User
from gateway.settings import load
from gateway.web.passwords import hash_password
from tests.end_to_end.night import MODEL, OWNER, Place, night_of, sites_of
from tests.parts.mosquitto import Mosquitto

pytestmark = pytest.mark.real

CAMERAS, PER_SITE = 200, 5
HOURS = {  # local hours of Sundays: written here a second time, for the oracle
    "Asia/Jakarta": ("01:00", "03:00"),
    "Asia/Makassar": ("02:00", "04:00"),
    "Asia/Jayapura": ("03:00", "05:00"),
    "Australia/Sydney": ("05:00", "07:00"),
    "Europe/Berlin": ("01:30", "03:30"),
    "America/New_York": ("01:00", "02:30"),
}
BERLINS_NIGHT, NEW_YORKS_NIGHT = date(2026, 10, 25), date(2026, 11, 1)  # at 03:00 and at 02:00 the clock goes back
NOT_ON = {"America/New_York": BERLINS_NIGHT}
PLACES = [
    Place(zone, f"Sun {since}-{until}" + (f" except {NOT_ON[zone]}" if zone in NOT_ON else ""))
    for zone, (since, until) in HOURS.items()
]
START = datetime(2026, 10, 24, 12, 0, tzinfo=UTC).timestamp()
BETWEEN = datetime(2026, 10, 25, 9, 0, tzinfo=UTC).timestamp()
WEEK = 7 * 86_400.0
NEXT = datetime(2026, 10, 31, 17, 30, tzinfo=UTC).timestamp()
END = datetime(2026, 11, 8, 12, 0, tzinfo=UTC).timestamp()
INSTALL_S, REBOOT_S = 60, 60
IMAGE = bytes(range(251)) * 16
POLICY = Policy(
    k0=10, fractions=(0.25,), control=0.05, canary_soak_s=900.0, soak_s=900.0, wave_soak_s=300.0,
    wave_patience_s=2400.0, site_cap=2,
)  # fmt: skip
LOGIN = Login("dewi", "a long password", "fleet manager")
BAD = {"cam-017": Mishaps(self_test_passes=False), "cam-101": Mishaps(brick=True)}


def minutes_inside(zone: str) -> set[int]:
    """The oracle: every minute of the fortnight (since 1970) whose wall clock reads an hour of the window."""
    since, until = HOURS[zone]
    found = set()
    for minute in range(int(START) // 60, int(END) // 60):
        local = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
        chosen = local.isoweekday() == 7 and local.date() != NOT_ON.get(zone)
        if chosen and since <= local.strftime("%H:%M") < until:
            found.add(minute)
    return found


def document() -> bytes:
    sha256 = hashlib.sha256(IMAGE).hexdigest()
    fields = {
        "schema": 1, "product": "lensa", "component": "system", "hw_ids": [MODEL.hw_id], "version": "2.5.0",
        "release_counter": 20, "min_counter": 15, "class": "feature", "from_versions": "*", "size": len(IMAGE),
        "sha256": sha256, "chunk_size": len(IMAGE), "chunks": [sha256],
        "install": {"p95_s": INSTALL_S, "reboot_s": REBOOT_S}, "confirm_timeout_s": 600,
        "notes": {"en": "Fixes the clock.", "id": "Memperbaiki jam."},
        "created": "2026-10-01T00:00:00Z", "expires": "2027-10-01T00:00:00Z",
    }  # fmt: skip
    return json.dumps(fields).encode()


async def begin(gateway: Gateway, key: Ed25519PrivateKey, image: Path, cameras: list[str]) -> None:
    """Publish, plan, and approve by a second person."""
    image.write_bytes(IMAGE)
    await gateway.images.add(image)

    def roll_out(store: UpdateStore) -> None:
        service, text = gateway.service, document()
        release = service.publish_release(store, "sari", text, [encode_signature(sign(text, key))], START)
        service.create_rollout(
            store, "sari", "autumn", "Autumn", release.release_id, cameras, POLICY, START, END, START
        )
        service.simulated(store, "sari", "autumn", START)
        draft = service.submit(store, "sari", "autumn", START)
        service.approve(store, "dewi", "autumn", draft.content_sha256, START)

    await gateway.updates.act(roll_out)


async def page(gateway: Gateway) -> tuple[str, dict[str, int]]:
    """What the rollout's page shows to somebody who opens it now: its text, and its columns summed over the waves."""
    url = f"http://127.0.0.1:{gateway.http_port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await sign_in(session, url, LOGIN)
        async with session.get(f"{url}/staff/rollouts/autumn") as answer:
            assert answer.status == 200
            text = await answer.text()
        async with session.get(f"{url}/staff/rollouts/autumn/now") as answer:
            now = await answer.text()
    table = re.search(r"<tbody>(.*?)</tbody>", now, re.DOTALL)
    assert table is not None
    sums: Counter[str] = Counter()
    names = ("devices", "waiting", "downloading", "installing", "done", "failed", "rolled back")
    for row in re.findall(r"<tr>(.*?)</tr>", table[1], re.DOTALL):
        sums.update(dict(zip(names, map(int, re.findall(r'figure">(\d+)<', row)), strict=True)))
    return text, sums


async def test_200_cameras_in_six_zones_are_updated_in_their_windows_over_two_nights_on_which_clocks_change(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    clock = ManualClock(START)
    key, director = generate_key(), director_key(tmp_path / "director.pem")
    (tmp_path / "release-keys.json").write_bytes(encode_key_set(key_set(KeyRole.RELEASE, 1, [public_raw(key)])))
    rings = ({key_id_of(raw): raw} for raw in (public_raw(key), public_raw(director)))
    sites, devices = sites_of(PLACES, CAMERAS, PER_SITE)
    zones = {device.device_id: sites[number // PER_SITE].zone for number, device in enumerate(devices)}
    settings = load(
        None,
        data_dir=tmp_path,
        http={"port": free_or_any(0)},
        mqtt={"enabled": False},
        broker={"url": f"mqtt://127.0.0.1:{mosquitto.port}"},
    )
    async with running(settings, clock) as gateway:
        await gateway.registry.put([OWNER], sites, devices)
        await gateway.accounts.put_user(User(LOGIN.name, Role.MANAGER, hash_password(LOGIN.password), "", "Dewi", "en"))
        while devices[-1].device_id not in gateway.memory.registered:
            clock.move(5)
            await asyncio.sleep(0.05)
        async with night_of(gateway, clock, mosquitto.port, sites, devices, KeyRing(*rings), BAD) as night:
            await begin(gateway, key, tmp_path / "image", list(zones))
            text, before = await page(gateway)
            assert before == {"devices": CAMERAS, "waiting": CAMERAS} | dict.fromkeys(
                ("downloading", "installing", "done", "failed", "rolled back"), 0
            )

            await night.pass_until(BETWEEN)
            text, halfway = await page(gateway)
            assert "running" in text.lower()
            assert 0 < halfway["done"] < CAMERAS - len(BAD)
            assert halfway["done"] + halfway["waiting"] + halfway["downloading"] + halfway["installing"] > CAMERAS - 3

            await night.pass_until(NEXT, stride=6 * 3600.0)  # the days between: no window opens
            await night.pass_until(BETWEEN + WEEK)
            await night.pass_until(NEXT + WEEK, stride=6 * 3600.0)
            await night.pass_until(END)
            text, after = await page(gateway)
            starts = {camera.id: camera.starts for camera in night.cameras.values()}
            rows = await gateway.updates.read(lambda store: store.attempts("autumn", limit=CAMERAS))
            rollout = await gateway.updates.read(lambda store: store.rollout("autumn"))

    assert after == {"devices": CAMERAS, "waiting": 0, "downloading": 0, "installing": 0} | {
        "done": CAMERAS - 2, "failed": 1, "rolled back": 1,
    }  # fmt: skip
    assert rollout is not None
    assert rollout.state.value == "completed", rollout.reason
    assert {row.device_id for row in rows if row.state is State.LOST} == {"cam-101"}
    assert {row.device_id for row in rows if row.state is State.ROLLED_BACK} == {"cam-017"}

    inside = {zone: minutes_inside(zone) for zone in HOURS}
    fit = timedelta(seconds=INSTALL_S + REBOOT_S)
    outside = [
        (device, datetime.fromtimestamp(at, UTC))
        for device, times in starts.items()
        for at in times
        if not {int(at) // 60, int(at + fit.total_seconds()) // 60} <= inside[zones[device]]
    ]
    assert outside == []
    assert all(len(times) == 1 for times in starts.values()), "each camera installed once"
    for zone, night_of_change in (("Europe/Berlin", BERLINS_NIGHT), ("America/New_York", NEW_YORKS_NIGHT)):
        local = [
            datetime.fromtimestamp(at, ZoneInfo(zone))
            for device, times in starts.items()
            if zones[device] == zone
            for at in times
        ]
        assert any(at.date() == night_of_change for at in local), f"nothing started in {zone} while its clock changed"
