"""`siaga rollout`: create, plan, approve, watch, pause, stop; and simulate what a bad release would harm."""

import argparse
import asyncio
import csv
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from firmware_updates.attempt_row import Attempt
from firmware_updates.harm import simulate
from firmware_updates.membership import Member, assign_waves
from firmware_updates.plan import Plan, dry_run
from firmware_updates.policy import Policy, default_k0
from firmware_updates.ports import UpdateStore
from firmware_updates.rollout import AbortMode
from firmware_updates.service import UpdateService
from gateway.clock import SystemClock
from gateway.commands.firmware import service_of
from gateway.commands.run import add_settings, settings_of
from gateway.firmware.views import UpdatePages
from gateway.ports.registry import DeviceStatus
from gateway.settings import Settings
from gateway.storage.database import open_database
from gateway.storage.registry import SqlRegistry
from gateway.storage.update_desk import SqlUpdates
from gateway.web.updates import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sim = actions.add_parser("simulate", help="how many devices a bad release harms, and how long a good one takes")
    sim.add_argument("--devices", type=int, default=10_000)
    sim.add_argument(
        "--bad", default="all:1.0", help="silent:SHARE, revert:SHARE, worse:SHARE (in metrics alone), all:1.0, none"
    )
    sim.add_argument("--good", action="store_true", help="also time a good release (a minute for 10,000 devices)")
    sim.add_argument("--seeds", type=int, default=3, help="runs; medians are printed")
    create = actions.add_parser("create", help="a draft from a filter; prints what it would do (the dry run)")
    create.add_argument("rollout", help="a name for it, such as 2-5-0-jakarta")
    create.add_argument("--release", required=True)
    create.add_argument("--model", default="", help="only devices of this model")
    create.add_argument("--site", default="", help="only devices of this site")
    create.add_argument("--device", action="append", default=[], help="only these devices; may be repeated")
    create.add_argument("--days", type=float, default=14.0, help="deadline, days from now")
    create.add_argument("--budget", type=int, default=0, help="devices at risk or bad before others have proved it")
    create.add_argument("--consent", action="store_true", help="ask each customer first")
    create.add_argument("--soak-minutes", type=float, default=60.0, help="healthy minutes before a success counts")
    create.add_argument("--canary-soak-minutes", type=float, default=24 * 60.0, help="the same for the first wave")
    approve = actions.add_parser("approve", help="agree to exactly what is stored; somebody else than the author")
    pause = actions.add_parser("pause", help="no new install starts")
    resume = actions.add_parser("resume", help="go on")
    stop = actions.add_parser("stop", help="for good: finished devices keep it, those not begun never begin")
    stop.add_argument("--revert", action="store_true", help="unconfirmed devices go back")
    show = actions.add_parser("show", help="waves and numbers")
    export = actions.add_parser("export", help="every device's attempt as CSV")
    for action in (approve, pause, resume, stop, show, export):
        action.add_argument("rollout")
    for action in (pause, stop):
        action.add_argument("--reason", required=True)
    listing = actions.add_parser("list", help="all rollouts")
    for action in (create, approve, pause, resume, stop):
        action.add_argument("--as", dest="who", required=True, metavar="PERSON", help="who does it (kept for ever)")
    for action in (sim, create, show, listing):
        action.add_argument("--json", action="store_true")
    for action in (create, approve, pause, resume, stop, show, export, listing):
        add_settings(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 where the rollout does not exist or does not allow it."""
    if arguments.action == "simulate":
        return _simulate(arguments)
    settings = settings_of(arguments)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return asyncio.run(_act(settings, arguments))
    except KeyError as error:
        print(f"siaga rollout: no rollout {error.args[0]!r}", file=sys.stderr)
    except Refused as refusal:
        print(f"siaga rollout: {refusal}", file=sys.stderr)
    return 1


def _simulate(arguments: argparse.Namespace) -> int:
    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    result = simulate(arguments.devices, arguments.bad, arguments.seeds, good=arguments.good, tell=tell).as_json()
    if arguments.json:
        print(json.dumps(result))
        return 0
    table = Table("", "devices harmed", "hours", title=f"{arguments.bad} on {arguments.devices:,} devices")
    table.add_row("Siaga (budget, stop test)", str(result["harmed"]), str(result["hours"]))
    table.add_row("groups with thresholds (as hawkBit)", str(result["groups_harmed"]), str(result["groups_hours"]))
    table.add_row("rate with abort criteria (as AWS IoT Jobs)", str(result["rate_harmed"]), str(result["rate_hours"]))
    Console().print(table)
    if result["good_hours"] is not None:
        print(f"a good release takes {result['good_hours']} hours")
    print(f"medians of {arguments.seeds} seeds")
    return 0


async def _act(settings: Settings, arguments: argparse.Namespace) -> int:
    clock = SystemClock()
    now, action = clock.now(), arguments.action
    service, images = service_of(settings)
    async with open_database(settings.database_url) as database:
        updates = SqlUpdates(database, service, lambda _: 0.0, clock)
        pages = UpdatePages(database, updates, service)
        if action == "create":
            registry = SqlRegistry(database)
            targets = await _targets(registry, arguments)
            release = await updates.read(lambda store: store.release(arguments.release))
            if release is not None and await images.size(release.manifest.sha256) is None:
                raise ValueError(f"the image of release {arguments.release!r} is not here yet: upload it first")
            plan = await updates.act(lambda store: _create(store, service, targets, arguments, now))
            _print_plan(plan, as_json=arguments.json)
        elif action == "approve":
            await pages.approve(arguments.rollout, arguments.who, now)
        elif action == "pause":
            await pages.pause(arguments.rollout, arguments.who, arguments.reason, now)
        elif action == "resume":
            await pages.resume(arguments.rollout, arguments.who, now)
        elif action == "stop":
            mode = AbortMode.REVERT if arguments.revert else AbortMode.KEEP
            await pages.stop(arguments.rollout, arguments.who, arguments.reason, now, mode)
        elif action == "export":
            await _export(pages, updates, arguments.rollout)
        else:
            await _show(pages, arguments)
    return 0


async def _targets(registry: SqlRegistry, arguments: argparse.Namespace) -> list[str]:
    """The ids of active devices that fit the filter. ValueError if there are none."""
    found = [
        device.device_id
        async for device in registry.devices()
        if device.status is DeviceStatus.ACTIVE
        and (not arguments.model or device.model == arguments.model)
        and (not arguments.site or device.site_id == arguments.site)
        and (not arguments.device or device.device_id in arguments.device)
    ]
    if not found:
        raise ValueError("no device fits the filter")
    return found


def _create(
    store: UpdateStore, service: UpdateService, targets: Sequence[str], arguments: argparse.Namespace, now: float
) -> Plan:
    """The draft, its dry run, and the request for approval, in one transaction."""
    release = store.release(arguments.release)
    if release is None:
        raise ValueError(f"no release {arguments.release!r}; publish it with `siaga firmware publish`")
    devices = [device for device_id in targets if (device := store.device(device_id)) is not None]
    policy = Policy(
        k0=arguments.budget or default_k0(len(devices)),
        soak_s=arguments.soak_minutes * 60,
        canary_soak_s=arguments.canary_soak_minutes * 60,
        consent_required=arguments.consent,
        control=0.05 if len(devices) >= 20 else 0.0,
    )
    name, who, deadline = arguments.rollout, arguments.who, now + arguments.days * 86_400
    ids = [device.device_id for device in devices]
    service.create_rollout(store, who, name, name, release.release_id, ids, policy, now, deadline, now)
    members = [Member(one.device_id, one.model, one.site_id) for one in devices]
    plan = dry_run(devices, assign_waves(name, members, policy), release, policy, now, deadline)
    service.simulated(store, who, name, now)
    service.submit(store, who, name, now)
    return plan


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    answer: dict[str, Any] = {
        "targets": plan.targets,
        "already_done": plan.already_done,
        "planned": len(plan.lines),
        "not": dict(plan.reasons),
        "p50": _stamp(plan.all_p50_at),
        "p95": _stamp(plan.all_p95_at),
        "share_done": round(plan.share_done, 4),
        "late_sites": [
            {"site": site.site_id, "left": site.left, "change": f"{site.change.what} {site.change.by:+d}"}
            for site in plan.late_sites
        ],
    }
    if as_json:
        print(json.dumps(answer))
    else:
        for name, value in answer.items():
            print(f"{name:13} {value}")
        print("waits for approval by somebody else: siaga rollout approve NAME --as PERSON")


async def _show(pages: UpdatePages, arguments: argparse.Namespace) -> None:
    if arguments.action == "list":
        views = list(await pages.all())
    else:
        view = await pages.get(arguments.rollout)
        if view is None:
            raise KeyError(arguments.rollout)
        views = [view]
    if arguments.json:
        rows = [
            {
                "rollout": view.rollout_id,
                "state": view.state,
                "version": view.version,
                "reason": view.reason,
                "waves": [
                    {"name": wave.name, "state": wave.state, "devices": wave.devices, "done": wave.done}
                    for wave in view.waves
                ],
                "failures": dict(view.failures),
            }
            for view in views
        ]
        print(json.dumps(rows if arguments.action == "list" else rows[0]))
        return
    for view in views:
        table = Table(
            "wave", "state", "devices", "waiting", "downloading", "installing", "done", "failed", "rolled back"
        )
        table.title = f"{view.rollout_id}: {view.version}, {view.state} {view.reason}"
        for wave in view.waves:
            counts = (wave.devices, wave.waiting, wave.downloading, wave.installing, wave.done, wave.failed)
            table.add_row(wave.name, wave.state, *map(str, counts), str(wave.rolled_back))
        Console().print(table)


async def _export(pages: UpdatePages, updates: SqlUpdates, rollout_id: str) -> None:
    if await pages.get(rollout_id) is None:
        raise KeyError(rollout_id)
    writer = csv.writer(sys.stdout)
    writer.writerow(("device", "site", "wave", "state", "reason", "since"))
    after = ""
    while rows := await updates.read(partial(_attempts, rollout_id=rollout_id, after=after)):
        after = rows[-1].attempt_id
        for row in rows:
            writer.writerow((row.device_id, row.site_id, row.wave, row.state.value, row.reason, _stamp(row.since)))


def _attempts(store: UpdateStore, rollout_id: str, after: str) -> Sequence[Attempt]:
    return store.attempts(rollout_id, after=after)


def _stamp(at: float | None) -> str | None:
    if at is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).isoformat(timespec="seconds")
