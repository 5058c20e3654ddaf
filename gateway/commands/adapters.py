"""`siaga adapters`: list the shipped ones, and try one on a recorded payload."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.clock import SystemClock
from gateway.ingest import wire
from gateway.ingest.adapters import Adapter, Translated, load_adapter, shipped, translate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="shipped adapters, and the topics they understand")
    test = actions.add_parser("test", help="what a recorded payload becomes")
    test.add_argument("adapter", help="a shipped name, or a TOML file")
    test.add_argument("payload", type=Path, help="a file with one payload (- for standard input)")
    test.add_argument(
        "--topic",
        default="",
        help="the topic it came on (default: the first of the adapter that makes something of it)",
    )


def run(arguments: argparse.Namespace) -> int:
    """0: it was understood; 1: it says nothing of interest, or the topic is not known; 2: bad file or payload."""
    if arguments.action == "list":
        for name in shipped():
            adapter = load_adapter(name)
            print(f"{name}\t{', '.join(adapter.filters)}\t{adapter.about}")
        return 0
    adapter = load_adapter(arguments.adapter)
    raw = sys.stdin.buffer.read() if str(arguments.payload) == "-" else _read(arguments.payload)
    seq = int(SystemClock().now() * 1e6)
    if arguments.topic:
        found = translate(adapter, arguments.topic, raw, seq)
        if found is None:
            print(f"{adapter.name} knows no topic {arguments.topic}: {', '.join(adapter.filters)}", file=sys.stderr)
            return 1
    else:
        found = _guess(adapter, raw, seq)
    for message in found or ():
        _check(message)
        print(json.dumps({"device": message.device_id, "channel": message.channel, **json.loads(message.payload)}))
    if not found:
        print(f"nothing of interest; {adapter.name} looks for {', '.join(_places(adapter))}", file=sys.stderr)
        return 1
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def _guess(adapter: Adapter, raw: bytes, seq: int) -> list[Translated]:
    """What the payload means on the first topic of the adapter on which it means anything. ValueError if none can read
    it.
    """
    fault: ValueError | None = None
    for topic in dict.fromkeys(message.topic for message in adapter.messages):
        try:
            found = translate(adapter, topic.replace("{device}", "device").replace("+", "x"), raw, seq)
        except ValueError as error:
            fault = error
            continue
        if found:
            print(f"as if it came on {topic}", file=sys.stderr)
            return found
    if fault is not None:
        raise fault
    return []


def _check(message: Translated) -> None:
    """Our own edge would take it. ValueError in one line."""
    if message.channel == "telemetry":
        wire.report(message.payload, message.device_id, 0.0)
    else:
        wire.presence(message.payload, message.device_id, 0.0)


def _places(adapter: Adapter) -> Iterator[str]:
    for message in adapter.messages:
        spots = [spot.at for spot in message.metrics.values()] + [spot.at for spot in message.states.values()]
        for places in spots:
            yield from (f"{message.each or ''}{'/*' if message.each else ''}{place}" for place in places if place)
        if message.online:
            yield f"{message.online}|{message.offline}"
