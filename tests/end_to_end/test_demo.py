"""The demo as a newcomer runs it: a ticket that opened by itself on both pages, and a first firmware update."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from firmware_updates.attempt_row import State
from firmware_updates.ports import UpdateStore
from gateway.clock import SystemClock
from gateway.demo import Plan, demo
from gateway.demo_update import ROLLOUT
from tests.parts.gateway_process import ROOT


def test_the_demo_shows_a_ticket_on_both_pages_before_the_customer_would_have_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["ticket"].startswith("SG-")
    assert seen["seconds_to_ticket"] <= 90
    assert seen["messages_received"] > 0
    assert seen["lead_time_s"] > 0


async def test_a_camera_in_its_window_is_updated_and_one_outside_it_waits(tmp_path: Path) -> None:
    """Signed release, grant pulled by the device, verified download, reboot, confirmed report, soak, success."""
    async with demo(Plan(tmp_path, 0, 0), SystemClock()) as shown:

        def states(store: UpdateStore) -> dict[str, tuple[State, str]]:
            return {row.device_id: (row.state, row.reason) for row in store.attempts(ROLLOUT)}

        found: dict[str, tuple[State, str]] = {}
        async with asyncio.timeout(150):
            while State.SUCCEEDED not in {state for state, _ in found.values()}:
                await asyncio.sleep(1)
                found = await shown.gateway.updates.read(states)
        waiting = [reason for state, reason in found.values() if state is not State.SUCCEEDED]
        updated = next(device for device, (state, _) in found.items() if state is State.SUCCEEDED)
        assert len(waiting) == 1
        assert "window_closed" in waiting[0]
        view = shown.gateway.memory.fleet.view(updated)
        assert view is not None
        assert view.firmware == "2.5.0"
        tickets = await shown.gateway.tickets.of_device(updated)
        assert not [ticket for ticket in tickets if ticket.fault_class.startswith(("UPDATE", "F31", "F39"))]
