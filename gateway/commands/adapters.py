"""`siaga adapters`: list the shipped ones, and try one on a recorded payload."""

import argparse
import json
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.ingest.adapters import load_adapter, shipped, translate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="shipped adapters, and the topics they understand")
    test = actions.add_parser("test", help="what a recorded payload becomes")
    test.add_argument("adapter", help="a shipped name, or a TOML file")
    test.add_argument("payload", type=Path, help="a file with one payload (- for standard input)")
    test.add_argument("--topic", default="", help="the topic it came on (default: the adapter's first)")


def run(arguments: argparse.Namespace) -> int:
    """0: it was understood; 1: it says nothing of interest, or the topic is not known; 2: bad file or payload."""
    if arguments.action == "list":
        for name in shipped():
            adapter = load_adapter(name)
            print(f"{name}\t{', '.join(adapter.filters)}\t{adapter.about}")
        return 0
    adapter = load_adapter(arguments.adapter)
    raw = sys.stdin.buffer.read() if str(arguments.payload) == "-" else arguments.payload.read_bytes()
    topic = arguments.topic or adapter.messages[0].topic.replace("{device}", "device").replace("+", "x")
    found = translate(adapter, topic, raw, SystemClock().now())
    if not found:
        print("not understood" if found is None else "nothing of interest", file=sys.stderr)
        return 1
    for message in found:
        print(json.dumps({"device": message.device_id, "channel": message.channel, **json.loads(message.payload)}))
    return 0
