"""Remote commands of support staff: what a device answers on `command/result`.

In: `{"v":1,"id":"...","command":"reboot","expires":"2026-11-21T10:05:00Z"}`. Out: `{"v":1,"id":...,"command":...,
"state":"done"|"refused"|"expired","at":...,"boot":...,"data":{...}}`. A command is answered once: its id is remembered,
and a repeated delivery gets the first answer again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from device_sim.wire import stamp

if TYPE_CHECKING:
    from device_sim.device import Device

_REMEMBERED = 50
_EXPIRED: tuple[str, dict[str, Any]] = ("expired", {})


class CommandDesk:
    """Answers the commands of one device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._answers: dict[str, dict[str, Any]] = {}
        self.identified = 0

    def answer(self, payload: bytes, now: float) -> dict[str, Any] | None:
        """The result to publish; None for what is no command at all (firmware ignores it)."""
        try:
            body = json.loads(payload)
            command_id, command = str(body["id"]), str(body["command"])
            expires = body.get("expires")
            ends = datetime.fromisoformat(expires).timestamp() if expires is not None else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if command_id in self._answers:
            return self._answers[command_id]
        if ends is not None and now + self._device.clock_error_s > ends:
            state, data = _EXPIRED
        else:
            state, data = self._do(command)
        result = {
            "v": 1,
            "id": command_id,
            "command": command,
            "state": state,
            "at": stamp(now + self._device.clock_error_s),
            "boot": self._device.boot,
            "data": data,
        }
        self._answers[command_id] = result
        while len(self._answers) > _REMEMBERED:
            del self._answers[next(iter(self._answers))]
        return result

    def _do(self, command: str) -> tuple[str, dict[str, Any]]:
        device = self._device
        if command == "reboot":
            device.reboot("user")
            return "done", {"in_s": 2}
        if command == "identify":
            self.identified += 1
            return "done", {"blinks_s": 30}
        if command == "self_test":
            return "done", {"passed": True, "checks": ["flash", "memory", "sensor", "network", "clock"]}
        if command == "collect_log":
            uptime_s = int(device.now - device.booted_at)
            return "done", {
                "lines": [
                    f"kernel: boot {device.boot} reason {device.reset_reason}",
                    f"system: firmware {device.firmware} uptime {uptime_s} s",
                    f"net: rtt {device.rtt_ms:.0f} ms",
                ]
            }
        return "refused", {"reason": "unknown command"}
