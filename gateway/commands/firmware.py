"""`siaga firmware`: release keys, signing, publishing, verifying and revoking of releases."""

import argparse
import asyncio
import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firmware_updates.inbox import Director
from firmware_updates.manifest import parse_manifest, release_id
from firmware_updates.service import UpdateService
from firmware_updates.signing import (
    KeyRole,
    encode_key_set,
    encode_signature,
    generate_key,
    key_id_of,
    key_set,
    load_private,
    parse_key_set,
    parse_signature,
    private_pem,
    public_raw,
    sign,
    verify,
)
from firmware_updates.work import Missing
from gateway.clock import SystemClock
from gateway.commands.run import add_settings, settings_of
from gateway.derived import image_store
from gateway.firmware.images import ImageStore
from gateway.firmware.keys import director_key, release_keys
from gateway.settings import Settings
from gateway.storage.database import open_database
from gateway.storage.update_desk import SqlUpdates

CHUNKS = 100
"""Chunk hashes travel inside the manifest (12 KiB), so there are at most this many, whatever the image's size."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    keygen = actions.add_parser("keygen", help="make a release key; keep it offline")
    keygen.add_argument("--out", type=Path, default=Path("release.pem"), help="the private key (never overwritten)")
    keygen.add_argument("--keys", type=Path, default=Path("release-keys.json"), help="trusted set it is added to")
    signing = actions.add_parser("sign", help="write image.manifest.json and image.manifest.sig beside an image")
    signing.add_argument("image", type=Path)
    signing.add_argument("--key", type=Path, default=Path("release.pem"))
    signing.add_argument("--product", required=True)
    signing.add_argument("--component", default="firmware")
    signing.add_argument("--hw", required=True, help="hardware ids, parted by commas")
    signing.add_argument("--version", required=True)
    signing.add_argument("--counter", type=int, required=True, help="release counter: grows with every release")
    signing.add_argument("--min-counter", type=int, default=0, help="once confirmed, devices refuse older ones")
    signing.add_argument("--class", dest="kind", choices=("security", "feature", "mixed"), default="feature")
    signing.add_argument("--cve", action="append", default=[], help="may be repeated")
    signing.add_argument("--fixes", action="append", default=[], help="class of fault it ends (F22); may be repeated")
    signing.add_argument("--from", dest="from_versions", default="*", help="versions it may be installed over")
    signing.add_argument("--notes-en", required=True, help="what changed, for customers, in English")
    signing.add_argument("--notes-id", required=True, help="what changed, for customers, in Bahasa Indonesia")
    signing.add_argument("--install-s", type=int, default=300, help="95th percentile of the install, seconds")
    signing.add_argument("--reboot-s", type=int, default=90)
    signing.add_argument("--confirm-s", type=int, default=600, help="the device reverts if not confirmed within")
    signing.add_argument("--battery", type=int, default=0, help="battery needed, per cent")
    signing.add_argument("--valid-days", type=int, default=365, help="the release expires after")
    check = actions.add_parser("verify", help="check a manifest, its signature and its image")
    publish = actions.add_parser("publish", help="take a signed release and its image into the gateway")
    for action in (check, publish):
        action.add_argument("image", type=Path)
    check.add_argument("--keys", type=Path, default=Path("release-keys.json"))
    revoke = actions.add_parser("revoke", help="no further grant; its rollouts stop and unconfirmed devices revert")
    revoke.add_argument("release")
    revoke.add_argument("--reason", required=True)
    listing = actions.add_parser("list", help="published releases")
    listing.add_argument("--json", action="store_true")
    for action in (publish, revoke, listing):
        add_settings(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 where a signature or an image does not check out."""
    actions = {"keygen": _keygen, "sign": _sign, "verify": _verify}
    if arguments.action in actions:
        return actions[arguments.action](arguments)
    settings = settings_of(arguments)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return asyncio.run(_with_gateway(settings, arguments))
    except Missing as error:
        print(f"siaga firmware: {error.args[0]}", file=sys.stderr)
        return 1


def service_of(settings: Settings) -> tuple[UpdateService, ImageStore]:
    """The update service and images as the gateway makes them, for commands beside it."""
    images = image_store(settings)
    key = director_key(settings.firmware.director_key or settings.data_dir / "director.pem")
    trusted = release_keys(settings.firmware.release_keys or settings.data_dir / "release-keys.json")
    return UpdateService(Director(key, trusted, images)), images


def manifest_of(image: Path) -> Path:
    """Where an image's manifest is."""
    return image.with_name(image.name + ".manifest.json")


def signature_of(image: Path) -> Path:
    """Where its signatures are, one a line."""
    return image.with_name(image.name + ".manifest.sig")


def _keygen(arguments: argparse.Namespace) -> int:
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists: a key is never overwritten")
    key = generate_key()
    arguments.out.touch(mode=0o600)
    arguments.out.write_bytes(private_pem(key))
    raws = [raw for _, raw in parse_key_set(arguments.keys.read_bytes()).keys] if arguments.keys.exists() else []
    raws.append(public_raw(key))
    arguments.keys.write_bytes(encode_key_set(key_set(KeyRole.RELEASE, 1, raws)))
    print(f"key {key_id_of(public_raw(key))}: private in {arguments.out} (keep it offline), public in {arguments.keys}")
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    document = manifest(arguments, arguments.image.read_bytes(), SystemClock().now())
    parse_manifest(document)
    key = load_private(arguments.key.read_bytes())
    target = manifest_of(arguments.image)
    again = target.exists() and target.read_bytes() == document
    target.write_bytes(document)
    with signature_of(arguments.image).open("a" if again else "w") as file:
        file.write(encode_signature(sign(document, key)) + "\n")
    print(f"release {release_id(document)}: {target}")
    return 0


def manifest(arguments: argparse.Namespace, image: bytes, now: float) -> bytes:
    """The manifest's exact bytes for an image."""
    chunk = max(65_536, -(-len(image) // CHUNKS))
    created = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    fields = {
        "schema": 1,
        "product": arguments.product,
        "component": arguments.component,
        "hw_ids": [word.strip() for word in arguments.hw.split(",")],
        "version": arguments.version,
        "release_counter": arguments.counter,
        "min_counter": arguments.min_counter,
        "class": arguments.kind,
        "cves": arguments.cve,
        "fixes": arguments.fixes,
        "from_versions": arguments.from_versions,
        "size": len(image),
        "sha256": hashlib.sha256(image).hexdigest(),
        "chunk_size": chunk,
        "chunks": [hashlib.sha256(image[at : at + chunk]).hexdigest() for at in range(0, len(image), chunk)],
        "install": {
            "p95_s": arguments.install_s,
            "reboot_s": arguments.reboot_s,
            "needs_battery_pct": arguments.battery,
            "free_bytes": len(image),
        },
        "confirm_timeout_s": arguments.confirm_s,
        "notes": {"en": arguments.notes_en, "id": arguments.notes_id},
        "created": created.isoformat(),
        "expires": (created + timedelta(days=arguments.valid_days)).isoformat(),
    }
    return json.dumps(fields, indent=1).encode()


def _signed(image: Path) -> tuple[bytes, list[str]]:
    document = manifest_of(image).read_bytes()
    found = parse_manifest(document)
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    if digest != found.sha256:
        raise ValueError(
            f"{image} is not the image of its manifest: SHA-256 {digest[:12]}..., not {found.sha256[:12]}..."
        )
    return document, signature_of(image).read_text().split()


def _verify(arguments: argparse.Namespace) -> int:
    try:
        document, lines = _signed(arguments.image)
        keys = parse_key_set(arguments.keys.read_bytes())
        key_id = verify(document, [parse_signature(line) for line in lines], keys)
    except ValueError as error:
        print(f"siaga firmware: {error}", file=sys.stderr)
        return 1
    print(f"release {release_id(document)}: signed by {key_id}; the image is the manifest's")
    return 0


async def _with_gateway(settings: Settings, arguments: argparse.Namespace) -> int:
    now = SystemClock().now()
    service, images = service_of(settings)
    async with open_database(settings.database_url) as database:
        updates = SqlUpdates(database, service, lambda _: 0.0, SystemClock())
        if arguments.action == "publish":
            document, signatures = _signed(arguments.image)
            release = await updates.act(lambda store: service.publish_release(store, "cli", document, signatures, now))
            await images.add(arguments.image)
            print(release.release_id)
        elif arguments.action == "revoke":
            await updates.follow(
                lambda store: service.revoke_release(store, "cli", arguments.release, arguments.reason, now), now
            )
        else:
            await _list(updates, as_json=arguments.json)
    return 0


async def _list(updates: SqlUpdates, *, as_json: bool) -> None:
    rows = [
        {
            "release": one.release_id,
            "product": one.manifest.product,
            "version": str(one.manifest.version),
            "class": one.manifest.release_class.value,
            "revoked": one.revoked_reason,
        }
        for one in await updates.read(lambda store: list(store.releases()))
    ]
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print("\t".join(row.values()))
