"""The command line: which command is which module. A module is imported only when its command is asked for."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

COMMANDS: Final = {
    "demo": ("gateway.commands.demo", "the whole of Siaga with simulated cameras, on this machine, in a minute"),
    "run": ("gateway.commands.run", "run the gateway"),
    "simulate": ("gateway.commands.simulate", "run simulated devices against a gateway or broker"),
    "devices": ("gateway.commands.devices", "register, list and retire customers, sites and devices"),
    "users": ("gateway.commands.users", "add, list and delete people who sign in"),
    "rules": ("gateway.commands.rules", "check, test and list diagnostic rules"),
    "score": ("gateway.commands.score", "measure how early and how honest diagnostics are, on known truth"),
    "windows": ("gateway.commands.windows", "when a maintenance window is open, exactly"),
    "firmware": ("gateway.commands.firmware", "keys, signing, publishing and revoking of releases"),
    "rollout": ("gateway.commands.rollout", "simulate and run firmware rollouts"),
    "adapters": ("gateway.commands.adapters", "devices that speak something else"),
    "notify": ("gateway.commands.notify", "letters and webhooks: try them, see what was given up, try that again"),
    "bench": ("gateway.commands.bench", "messages a second and CPU a message, by stage"),
    "torture": ("gateway.commands.torture", "pull every plug on real processes and count every message"),
    "doctor": ("gateway.commands.doctor", "check configuration and surroundings, and fix what can be fixed"),
}


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the named command's own arguments are loaded (all of them where it is None)."""
    top = argparse.ArgumentParser(
        prog="siaga",
        description="Siaga: telemetry, diagnostics that open tickets before the customer notices, timed updates.",
        epilog="Exit codes: 0 done, 1 the answer is no, 2 bad input, 3 something we need is away.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        if only is None or name == only:
            importlib.import_module(module).add_arguments(command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Bad input is one line on stderr and 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    named = next((word for word in words if word in COMMANDS), "")
    arguments = parser(only=named).parse_args(words)
    module = importlib.import_module(COMMANDS[arguments.command][0])
    try:
        return int(module.run(arguments))
    except ValueError as error:
        print(f"siaga {arguments.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"siaga {arguments.command}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
