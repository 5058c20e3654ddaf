"""`siaga doctor`: is everything that the gateway needs there and as it should be? `--fix` mends what can be mended."""

import argparse
import asyncio
import contextlib
import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from diagnostics.catalogue import load_catalogue
from diagnostics.faults import check_fault_classes, load_faults
from diagnostics.lint import lint
from gateway.commands.run import add_settings, settings_of
from gateway.derived import broker_address, endpoint_settings, image_store, load_rules
from gateway.firmware.keys import release_keys
from gateway.ingest.broker_knock import knock
from gateway.notify.guard import reachable
from gateway.notify.mail import open_mail
from gateway.settings import Settings
from gateway.storage.database import OutdatedSchema, open_database
from gateway.storage.forwarder import READER
from gateway.storage.influx.connection import Address
from gateway.storage.influx.setup import Keep, examine, mend
from gateway.storage.ledger import SqlLedger
from gateway.telling import endpoints, mail_server

LEAST_FREE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fixed`: it was wrong, and --fix has mended it."""

    part: str
    good: bool
    says: str
    fixed: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_settings(parser)
    parser.add_argument("--fix", action="store_true", help="mend what can be mended (InfluxDB's buckets and retention)")
    parser.add_argument("--json", action="store_true", help="one JSON array")


def run(arguments: argparse.Namespace) -> int:
    """0: all is well; 1: something is not; 2: the settings cannot be read."""
    settings = settings_of(arguments)
    findings = [
        *_rules(settings),
        *_disk(settings),
        *_keys(settings),
        *_certificates(settings),
        *asyncio.run(_database(settings)),
        *_history(settings, fix=arguments.fix),
        *_broker(settings),
        *asyncio.run(_receivers(settings)),
        *asyncio.run(_images(settings)),
    ]
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            mark = "fixed" if finding.fixed else "ok" if finding.good else "WRONG"
            print(f"{mark:6} {finding.part:12} {finding.says}")
    return 0 if all(finding.good or finding.fixed for finding in findings) else 1


def _rules(settings: Settings) -> Sequence[Finding]:
    catalogue, faults = load_catalogue(), load_faults()
    try:
        rules = load_rules(settings, catalogue)
        check_fault_classes(rules.rules, faults)
    except ValueError as error:
        return [Finding("rules", good=False, says=str(error))]
    refused = [str(problem) for problem in lint(rules, catalogue, faults) if problem.error]
    if refused:
        return [Finding("rules", good=False, says=line) for line in refused]
    return [Finding("rules", good=True, says=f"{len(rules.rules)} rules")]


def _disk(settings: Settings) -> Sequence[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return [Finding("data_dir", good=False, says=f"{folder}: {error.strerror}")]
    free = shutil.disk_usage(folder).free
    return [Finding("data_dir", free > LEAST_FREE, f"{folder}: {free / 1e9:.1f} GB free")]


def _keys(settings: Settings) -> Sequence[Finding]:
    path = settings.firmware.release_keys or settings.data_dir / "release-keys.json"
    try:
        count = len(release_keys(path).live())
    except ValueError as error:
        return [Finding("firmware", good=False, says=str(error))]
    says = f"{count} trusted release keys" if count else f"no release key is trusted yet ({path})"
    return [Finding("firmware", good=True, says=says)]


def _certificates(settings: Settings) -> Sequence[Finding]:
    if not settings.mqtt.tls_certificate:
        return []
    try:
        endpoint_settings(settings.mqtt)
    except ValueError as error:
        return [Finding("mqtt", good=False, says=str(error))]
    return [Finding("mqtt", good=True, says="the certificate and its key fit")]


async def _database(settings: Settings) -> Sequence[Finding]:
    try:
        async with open_database(settings.database_url, upgrade=False) as database:
            await database.ready()
            behind = await SqlLedger(database, lambda _: 0.0).backlog(READER)
    except OutdatedSchema as error:
        return [Finding("database", good=True, says=f"{str(error).partition(', ')[0]}; the next start upgrades it")]
    except (OSError, ValueError) as error:
        return [Finding("database", good=False, says=str(error))]
    most = settings.pipeline.outbox_max_bytes
    waits = f"{behind.bytes / 1e6:.1f} of {most / 1e6:.0f} MB wait for the history store"
    return [Finding("database", good=True, says=database.where), Finding("outbox", behind.bytes < 0.8 * most, waits)]


def _embedded(file: Path) -> Finding:
    """Whether the file can be read at all; what lies deeper is seen when it is read."""
    if not file.exists():
        return Finding("history", good=True, says="embedded, made at the first start")
    where = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(where, uri=True, timeout=1.0)) as opened:
            opened.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:  # in use, or not ours to read: the gateway says it better
        return Finding("history", good=True, says=f"embedded ({error})")
    except sqlite3.DatabaseError as error:
        says = f"{file}: {error}: restore it from a backup, or move it away (telemetry in it is gone, tickets are not)"
        return Finding("history", good=False, says=says)
    return Finding("history", good=True, says="embedded")


def _history(settings: Settings, *, fix: bool) -> Sequence[Finding]:
    wanted = settings.history
    if wanted.kind != "influxdb":
        return [_embedded(settings.data_dir / "history.db")]
    address = Address(wanted.url, wanted.token.get_secret_value(), wanted.org, wanted.bucket)
    keep = Keep(int(wanted.raw_days), int(wanted.rollup_days))
    try:
        if fix:
            found = [(lack.text, lack.mend is not None) for lack in mend(address, keep)]
        else:
            found = [(lack.text, False) for lack in examine(address, keep)]
    except (OSError, ValueError) as error:
        return [Finding("history", good=False, says=str(error))]
    if not found:
        return [Finding("history", good=True, says=f"{wanted.url} has its buckets, retention and downsampling")]
    return [Finding("history", good=False, says=text, fixed=mended) for text, mended in found]


def _broker(settings: Settings) -> Sequence[Finding]:
    if not settings.broker.url:
        return []
    try:
        address = broker_address(settings.broker)
    except ValueError as error:
        return [Finding("broker", good=False, says=str(error))]
    why = knock(address)
    return [Finding("broker", good=not why, says=f"{address.host}:{address.port} {why or 'lets us in'}")]


async def _images(settings: Settings) -> list[Finding]:
    if not settings.s3.bucket:
        return []
    try:
        await image_store(settings).shelf.check()
    except (OSError, ValueError) as error:
        return [Finding("s3", good=False, says=str(error))]
    return [Finding("s3", good=True, says=f"bucket {settings.s3.bucket} can be read")]


async def _receivers(settings: Settings) -> list[Finding]:
    """The mail server is signed in to; webhooks are only looked up, for a receiver must not hear of a doctor."""
    found: list[Finding] = []
    try:
        server, hooks = mail_server(settings), endpoints(settings)
        if server is not None:
            async with open_mail(server) as sender:
                await sender.check()
            says = f"{server.host}:{server.port} takes letters ({server.security.value})"
            found.append(Finding("mail", good=True, says=says))
    except (OSError, ValueError) as error:
        return [Finding("mail" if settings.mail.host else "webhook", good=False, says=str(error))]
    for hook in hooks:
        try:
            await reachable(hook.url, allow_private=hook.allow_private)
        except OSError as error:
            found.append(Finding("webhook", good=False, says=f"{hook.name}: {error}"))
        else:
            found.append(Finding("webhook", good=True, says=f"{hook.name}: {hook.url.host} can be reached"))
    return found
