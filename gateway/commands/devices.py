"""`siaga devices`: register, list and retire customers, sites and devices. A running gateway notices within seconds."""

import argparse
import asyncio
import json
import secrets
import sys
from dataclasses import fields, replace
from pathlib import Path

from gateway import inventory
from gateway.access import secret_hash
from gateway.commands.run import add_settings, settings_of
from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.settings import Settings
from gateway.storage.database import open_database
from gateway.storage.registry import SqlRegistry

_FIELDS = tuple(field.name for field in fields(RegisteredDevice))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    imports = actions.add_parser("import", help="insert or replace customers, sites and devices from JSON")
    imports.add_argument("file", type=Path, help="a file as `siaga simulate --inventory` writes it")
    imports.add_argument("--secrets-out", type=Path, metavar="FILE", help="make secrets and write them there as JSON")
    add = actions.add_parser("add", help="register one device; makes its customer and site where they are new")
    add.add_argument("device_id")
    add.add_argument("--name", default="", help="what people call it")
    add.add_argument("--kind", choices=("camera", "recorder", "router", "switch"), default="camera")
    add.add_argument("--model", default="generic")
    add.add_argument("--site", default="home", help="site id")
    add.add_argument("--customer", default="", help="customer id (default: the site's id, for a new site)")
    add.add_argument("--zone", default="UTC", help="IANA time zone of a new site")
    add.add_argument("--parent", default="", help="the recorder, switch or router it hangs on")
    add.add_argument("--secret-file", type=Path, metavar="FILE", help="write the device's new MQTT password there")
    secret = actions.add_parser("secret", help="make a new MQTT password for a device and print it")
    secret.add_argument("device_id")
    retire = actions.add_parser("retire", help="stop listening to a device; its history stays")
    retire.add_argument("device_id")
    listing = actions.add_parser("list", help="registered devices")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for action in (imports, add, secret, retire, listing):
        add_settings(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 where the device does not exist."""
    settings = settings_of(arguments)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return asyncio.run(_act(settings, arguments))
    except KeyError as error:
        print(f"siaga devices: no device {error.args[0]!r}", file=sys.stderr)
        return 1


async def _act(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_database(settings.database_url) as database:
        registry = SqlRegistry(database)
        if arguments.action == "import":
            await _import(registry, arguments.file, arguments.secrets_out)
        elif arguments.action == "add":
            await _add(registry, arguments)
        elif arguments.action == "secret":
            print(await new_secret(registry, arguments.device_id))
        elif arguments.action == "retire":
            device = await registry.device(arguments.device_id)
            if device is None:
                raise KeyError(arguments.device_id)
            await registry.put(devices=[replace(device, status=DeviceStatus.RETIRED)])
        else:
            async for device in registry.devices():
                print(_as_json(device) if arguments.json else f"{device.device_id}\t{device.name}\t{device.site_id}")
    return 0


def _as_json(device: RegisteredDevice) -> str:
    row = {name: getattr(device, name) for name in _FIELDS}  # asdict() copies deeply: half a minute for a million
    return json.dumps({**row, "status": device.status.value})


async def new_secret(registry: SqlRegistry, device_id: str) -> str:
    """Make a random secret, store its hash, return it: it is shown only now. KeyError for an unknown device."""
    made = secrets.token_urlsafe(24)
    await registry.set_device_secret(device_id, secret_hash(made))
    return made


async def _import(registry: SqlRegistry, path: Path, secrets_out: Path | None) -> None:
    customers, sites, devices = inventory.read(path).rows()
    await registry.put(customers, sites, devices)
    if secrets_out:
        made = {device.device_id: await new_secret(registry, device.device_id) for device in devices}
        secrets_out.touch(mode=0o600)
        secrets_out.write_text(json.dumps(made))
    print(f"{len(customers)} customers, {len(sites)} sites, {len(devices)} devices")


async def _add(registry: SqlRegistry, arguments: argparse.Namespace) -> None:
    for word in filter(None, (arguments.device_id, arguments.site, arguments.customer, arguments.parent)):
        inventory.checked_id(word)
    site = await registry.site(arguments.site)
    if site is None:
        customer_id = arguments.customer or arguments.site
        if await registry.customer(customer_id) is None:
            await registry.put(
                customers=[Customer(customer_id, customer_id, "en", inventory.checked_zone(arguments.zone))]
            )
        site = Site(arguments.site, customer_id, arguments.site, inventory.checked_zone(arguments.zone))
        await registry.put(sites=[site])
    device = RegisteredDevice(
        arguments.device_id,
        arguments.name or arguments.device_id,
        arguments.kind,
        arguments.model,
        site.site_id,
        arguments.parent,
    )
    await registry.put(devices=[device])
    secret = await new_secret(registry, device.device_id)
    if arguments.secret_file:
        arguments.secret_file.touch(mode=0o600)
        arguments.secret_file.write_text(secret)
    else:
        print(secret)
