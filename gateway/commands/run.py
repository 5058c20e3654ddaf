"""`siaga run`: the gateway, until SIGTERM or Ctrl-C; then it drains and leaves with nothing lost."""

import argparse
import asyncio
import gc
import signal
import sys
from pathlib import Path

from gateway import logs, loops
from gateway.app import running
from gateway.clock import Clock
from gateway.settings import Settings, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_settings(parser)
    parser.add_argument("--check", action="store_true", help="only read the settings and rules, and say what is wrong")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options by which every command finds the settings."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings in TOML (docs/configuration.md)")
    parser.add_argument("--secrets", type=Path, metavar="DIR", help="directory of secret files")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Read the settings that the arguments name. ValueError: one line a mistake."""
    return load(arguments.config, arguments.secrets)


def run(arguments: argparse.Namespace) -> int:
    """Serve. Exit code 2 with one line for settings, rules or a database schema that cannot work."""
    settings = settings_of(arguments)
    if arguments.check:
        print("the settings are good")
        return 0
    logs.set_up(settings.log.format, settings.log.level)
    try:
        loops.run(serve(settings))
    except BaseExceptionGroup as group:
        errors = _leaves(group)
        if not all(isinstance(error, (ValueError, OSError)) for error in errors):
            raise
        for error in errors:
            print(f"siaga run: {error}", file=sys.stderr)
        return 2 if all(isinstance(error, ValueError) for error in errors) else 3
    return 0


async def serve(settings: Settings, clock: Clock | None = None) -> None:
    """Run a gateway until the process is asked to stop; asked while it waits for the database, it stops at once."""
    stop = asyncio.Event()
    loop, serving = asyncio.get_running_loop(), asyncio.current_task()
    assert serving is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    _spare_the_collector()
    try:
        async with running(settings, clock):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
            gc.freeze()
            await stop.wait()
    except asyncio.CancelledError:
        return


def _spare_the_collector() -> None:
    """What is there at the start lives until the end: the collector need not look at a fleet again and again, which
    would stop the world for about a second a million devices. Hardly anything of ours is in cycles, so it comes rarely,
    and not at all while a fleet is loaded; what is loaded is then frozen unseen.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
