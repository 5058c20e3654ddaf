"""`siaga demo`: the whole of Siaga with simulated cameras; `--check` runs it until a ticket is seen on both pages."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from gateway import logs
from gateway.clock import SystemClock
from gateway.demo import Demo, Plan, demo
from gateway.demo_check import NotSeen, first_ticket
from gateway.ports.tickets import View


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--check", action="store_true", help="exit 0 once a ticket is seen on both pages, 1 after 90 s")
    parser.add_argument("--port", type=int, default=8080, help="for the pages (any free one if taken)")
    parser.add_argument("--mqtt-port", type=int, default=1883, help="for devices (any free one if taken)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another fleet")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data there (default: a temporary directory)")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so long (0: until interrupted)")


def run(arguments: argparse.Namespace) -> int:
    """Run it until interrupted; with --check until seen: 0, or 1 with the reason."""
    logs.set_up("text", "warning")
    if arguments.data:
        arguments.data.mkdir(parents=True, exist_ok=True)
        if (arguments.data / "siaga.db").exists():
            raise ValueError(f"{arguments.data}: there is a gateway's data already; name an empty directory")
        return _run(arguments, arguments.data)
    with tempfile.TemporaryDirectory(prefix="siaga-demo-") as folder:
        return _run(arguments, Path(folder))


def _run(arguments: argparse.Namespace, folder: Path) -> int:
    http_port, mqtt_port = (0, 0) if arguments.check else (arguments.port, arguments.mqtt_port)
    plan = Plan(folder, http_port, mqtt_port, arguments.seed)
    if arguments.check:
        return asyncio.run(_check(plan))
    return asyncio.run(_show(plan, arguments.seconds))


async def _check(plan: Plan) -> int:
    clock = SystemClock()
    async with demo(plan, clock) as shown:
        try:
            seen = await first_ticket(shown, clock)
        except NotSeen as reason:
            print(f"siaga demo: {reason}", file=sys.stderr)
            return 1
    print(json.dumps(asdict(seen)))
    return 0


async def _show(plan: Plan, seconds: float) -> int:
    clock, stop = SystemClock(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console = Console()
    async with demo(plan, clock) as shown:
        _welcome(console, shown)
        seen: set[str] = set()
        while not stop.is_set() and (not seconds or clock.now() < shown.started_at + seconds):
            for ticket in (await shown.gateway.tickets.page(View.UNRESOLVED, "")).tickets:
                if ticket.number not in seen:
                    seen.add(ticket.number)
                    after = clock.now() - shown.started_at
                    page = f"{shown.url}/staff/tickets/{ticket.number}"
                    console.print(
                        f"[dim]{after:5.0f} s[/]  [bold]{ticket.number}[/] opened by itself: "
                        f"{ticket.fault_class} on {ticket.device_id or ticket.scope_id}  {page}"
                    )
            try:
                async with asyncio.timeout(1):
                    await stop.wait()
            except TimeoutError:
                continue
        console.print("stopping")
    return 0


def _welcome(console: Console, shown: Demo) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("sign in as", "password", "who", "look at"):
        table.add_column(column)
    for login in shown.logins:
        page = "/home" if login.customer_id else "/staff/queue"
        table.add_row(login.name, login.password, login.who, page)
    console.print(Panel(table, title=f"Siaga is running: {shown.url}", expand=False))
    console.print(
        f"{len(shown.gateway.memory.registered)} simulated devices report over MQTT on port {shown.gateway.mqtt_port}. "
        "Faults develop in some of them, 600 times faster than in life.\n"
        "Within a minute tickets open by themselves: on the queue with cause and evidence, on the customer's page in "
        "plain words.\nCtrl-C stops everything; nothing is kept."
    )
