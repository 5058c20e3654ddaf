"""`siaga rules backtest`: the ticket diff of other rules on the stored history of the settings."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diagnostics.backtest import Verdict
from diagnostics.rule_file import RuleSet
from diagnostics.topology import Device
from gateway.clock import SystemClock
from gateway.commands.rules_book import opened_desk, placed
from gateway.commands.run import add_settings, settings_of
from gateway.ports.history import History, HistoryAway
from gateway.ports.registry import DeviceStatus
from gateway.rules.desk import RuleDesk
from gateway.rules.files import rule_text
from gateway.rules.jobs import as_json
from gateway.rules.replay import Progress, Result, backtest, chosen
from gateway.settings import Settings
from gateway.storage.database import open_database
from gateway.storage.history import Retention, open_history
from gateway.storage.influx import open_influx
from gateway.storage.registry import SqlRegistry

DAY_S = 86_400.0
SHOWN = 40


def add_backtest_arguments(actions: Any) -> None:
    """Add the sub-command."""
    test = actions.add_parser(
        "backtest", help="the tickets that other rules would have opened, or not, on stored history"
    )
    test.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="the draft, put over what is in force (default: the rule files alone)",
    )
    test.add_argument("--days", type=float, default=30.0, help="how far back (default 30)")
    test.add_argument(
        "--from", dest="start", default="", metavar="DATE", help="instead of --days: YYYY-MM-DD[THH:MM], UTC"
    )
    test.add_argument("--to", dest="end", default="", metavar="DATE", help="until then (default: now)")
    test.add_argument(
        "--devices", default="", metavar="PATTERN", help="only devices, models or sites like this (cam-*)"
    )
    test.add_argument(
        "--sample", type=int, default=0, metavar="N", help="at most about N devices, in whole sites (0: all)"
    )
    test.add_argument("--history", type=Path, metavar="FILE", help="a copy of an embedded history file")
    test.add_argument("--json", action="store_true", help="JSON for programs")
    add_settings(test)


def run_backtest(arguments: argparse.Namespace) -> int:
    """0, also when there are differences; 2: bad input; 3: history or database away."""
    return asyncio.run(_run(settings_of(arguments), arguments))


async def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    start, end = span(arguments.start, arguments.end, arguments.days, SystemClock().now())
    async with opened_desk(settings) as desk, open_database(settings.database_url) as database:
        new = await _draft(desk, arguments.rules)
        old = desk.rules_of(await desk.newest())
        every = [it async for it in SqlRegistry(database).devices() if it.status is DeviceStatus.ACTIVE]
        known = [
            Device(it.device_id, it.kind, it.model, it.site_id, it.parent_id, it.group, it.silence_s) for it in every
        ]
        devices = chosen(known, arguments.devices, arguments.sample)
        if not devices:
            raise ValueError(
                f"no device, model or site is like {arguments.devices!r}" if known else "no device is registered"
            )
        async with _history(settings, arguments.history) as history:
            result = await backtest(old, new, desk.catalogue, history, devices, len(known), start, end, _told)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(as_json(result) if arguments.json else "\n".join(report(result)))
    return 0


async def _draft(desk: RuleDesk, path: Path | None) -> RuleSet:
    """What is to be compared with the rules in force. ValueError with the first mistake."""
    newest = await desk.newest()
    text = "\n\n".join(chunk.text for chunk in desk.base.chunks) if path is None else rule_text(path)
    checked = desk.check(text, newest)
    # The rule files' own versions are as old as the overrides over them: no mistake of the files.
    told = [it for it in checked.mistakes if path is not None or not it.says.startswith("version is")]
    mistakes = [it for it in told if it.error]
    where = path or desk.base.origin
    if mistakes or checked.merged is None:
        raise ValueError(placed(where, mistakes[0]) if mistakes else f"{where}: cannot be read")
    for mistake in told:
        print(placed(where, mistake), file=sys.stderr)
    return checked.merged


def span(start: str, end: str, days: float, now: float) -> tuple[float, float]:
    """The time to look at. ValueError in one line for dates that are none, or none between them."""
    until = _date(end) if end else now
    since = _date(start) if start else until - days * DAY_S
    if not since < until:
        raise ValueError("--from must lie before --to, and --days above 0")
    return since, until


def _date(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM (UTC)") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@asynccontextmanager
async def _history(settings: Settings, copy: Path | None) -> AsyncIterator[History]:
    wanted = settings.history
    if copy is None and wanted.kind == "influxdb":
        token = wanted.token.get_secret_value()
        async with open_influx(
            wanted.url, token, wanted.org, wanted.bucket, clock=SystemClock(), raw_days=wanted.raw_days
        ) as found:
            yield found
        return
    path = copy or settings.data_dir / "history.db"
    if not path.is_file():
        raise ValueError(f"{path}: no such history file")
    try:
        async with open_history(path, Retention(36_500, 36_500, 2**62), SystemClock()) as embedded:
            yield embedded
    except HistoryAway as away:
        if "locked" not in str(away):
            raise
        raise HistoryAway(
            f"{path} is in use by a running gateway: backtest in its console, stop it, or name a copy (--history)"
        ) from None


def _told(progress: Progress) -> None:
    if sys.stderr.isatty():
        print(f"\r{progress.devices} of {progress.of} devices, {progress.reports} reports", end="", file=sys.stderr)


def report(result: Result) -> list[str]:
    """The result in lines for people."""
    days = (result.end - result.start) / DAY_S
    speed = f", {result.reports / result.cpu_s:,.0f} reports/s judged twice" if result.cpu_s else ""
    months = result.device_months
    head = (
        f"{result.reports} reports of {result.devices} of {result.fleet} devices over {days:.1f} days"
        f" (and {result.lookback_s / DAY_S:.1f} days before to warm up) in {result.seconds:.1f} s{speed}"
    )
    per = "per 100 device-months"
    found = [
        head,
        "",
        f"{'rule':<28}{'before':>8}{'after':>8}{'new':>7}{'gone':>7}{'earlier':>9}{'later':>7}{per:>24}",
    ]
    for it in result.tallies:
        new, gone, earlier, later = (
            it.verdicts.get(name, 0) for name in (Verdict.NEW, Verdict.LOST, Verdict.EARLIER, Verdict.LATER)
        )
        rates = f"{100 * it.before / months:.1f} -> {100 * it.after / months:.1f}" if months else ""
        found.append(f"{it.rule:<28}{it.before:>8}{it.after:>8}{new:>7}{gone:>7}{earlier:>9}{later:>7}{rates:>24}")
    if not result.tallies:
        found.append("no ticket, neither before nor after")
    if result.differences:
        found.append("")
    for one in result.differences[:SHOWN]:
        at = datetime.fromtimestamp(one.ticket.opened_at, UTC).strftime("%Y-%m-%d %H:%M")
        shift = f" by {abs(one.shift_s) / 3600:.1f} h" if one.shift_s else ""
        found.append(f"{one.verdict.value + shift:<18} {at}  {one.ticket.device_id}  {one.ticket.rule}")
    hidden = max(0, len(result.differences) - SHOWN) + result.left_out
    if hidden:
        found.append(f"... and {hidden} more (--json shows up to {len(result.differences)})")
    if result.first_at and result.judged_s < 0.98 * (result.end - result.start):
        at = datetime.fromtimestamp(result.first_at, UTC).strftime("%Y-%m-%d %H:%M")
        found.append(f"Stored history begins {at} UTC: only {result.judged_s / DAY_S:.1f} of these days are judged.")
    if any(result.storms):
        before, after = result.storms
        found.append(f"The storm guard would step in {before} -> {after} times: what it collapses is not listed.")
    found += ["", "Not replayed: late reports, restarts, events, states, silence."]
    found += [f"  {it.rule}: {it.unseen.value}{' (not judged)' if it.blind else ''}" for it in result.limits]
    if not result.reports:
        found.append("History has nothing of these metrics, so this says nothing about the rules.")
    return found
