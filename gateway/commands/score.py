"""`siaga score`: the scoreboard on a simulated fleet with known truth; `siaga score nab` and `smart` on public data."""

import argparse

from gateway import score_nab, score_smart, scoreboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the three scoreboards."""
    scoreboard.add_arguments(parser)
    boards = parser.add_subparsers(dest="board", metavar="BOARD")
    nab = boards.add_parser("nab", help="the anomaly engine on the Numenta Anomaly Benchmark")
    score_nab.add_arguments(nab)
    smart = boards.add_parser("smart", help="the disk rule on Backblaze's SMART histories")
    score_smart.add_arguments(smart)


def run(arguments: argparse.Namespace) -> int:
    """Run the board that was asked for."""
    if arguments.board == "nab":
        return score_nab.run(arguments)
    if arguments.board == "smart":
        return score_smart.run(arguments)
    return scoreboard.run(arguments)
