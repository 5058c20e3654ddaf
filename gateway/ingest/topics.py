"""The topic tree of device protocol version 1: the topic is the identity, the payload carries none."""

import re
from typing import Final

PREFIX: Final = "siaga/v1/"
DEVICE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

UPLINK: Final = frozenset(
    {
        "status",
        "telemetry",
        "event",
        "command/result",
        "update/reported",
        "update/status",
        "update/progress",
        "update/request",
    }
)
"""Channels on which a device speaks; everything else from a device is a reject."""

DOWNLINK: Final = frozenset({"command", "update/desired", "update/grant", "update/response", "update/cancel"})
"""Channels on which the gateway speaks to a device."""


def parse(topic: str) -> tuple[str, str]:
    """Split a topic into (device id, channel); ("", topic) where it is not of our tree."""
    if topic.startswith(PREFIX):
        device_id, slash, channel = topic[len(PREFIX) :].partition("/")
        if slash and DEVICE_ID.fullmatch(device_id):
            return device_id, channel
    return "", topic


def topic(device_id: str, channel: str) -> str:
    """Return the topic of a device's channel."""
    return f"{PREFIX}{device_id}/{channel}"
