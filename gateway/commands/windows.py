"""`siaga windows`: when a maintenance window is open, as exact UTC intervals, and as people read it."""

import argparse
import json

from firmware_updates.window_text import windows_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--zone", required=True, help="IANA time zone, such as Asia/Jakarta")
    parser.add_argument("--days", required=True, help="weekdays on which it starts: Sat,Sun or Mon-Fri or daily")
    parser.add_argument("--start", required=True, help="local time HH:MM at which it opens")
    parser.add_argument(
        "--end", required=True, help="local time HH:MM at which it closes (at or before start: next day)"
    )
    parser.add_argument("--from", dest="first", required=True, metavar="DATE", help="first local start date")
    parser.add_argument("--to", dest="last", required=True, metavar="DATE", help="last local start date")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the intervals; ValueError (exit 2) says what is wrong with the words."""
    asked = arguments
    answer = windows_report(asked.zone, asked.days, asked.start, asked.end, asked.first, asked.last)
    if arguments.json:
        print(json.dumps(answer))
    else:
        for interval in answer["intervals"]:
            print(interval)
        if not answer["intervals"]:
            print("no instant is inside")
        for day in answer["skipped"]:
            print(f"{day}: the clock leaps over this occurrence")
    return 0
