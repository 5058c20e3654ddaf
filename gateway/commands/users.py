"""`siaga users`: add, list and delete people who sign in."""

import argparse
import asyncio
import getpass
import json
import secrets
import sys

from gateway.commands.run import add_settings, settings_of
from gateway.ports.registry import Role, User
from gateway.settings import Settings
from gateway.storage.accounts import SqlAccounts
from gateway.storage.database import open_database
from gateway.storage.registry import SqlRegistry
from gateway.web.passwords import hash_password


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add a person, or replace one (this also sets a new password)")
    add.add_argument("name", help="the name they sign in with")
    add.add_argument("--role", choices=[role.value for role in Role], default=Role.AGENT.value)
    add.add_argument("--customer", default="", help="customer id, for role customer")
    add.add_argument("--display-name", default="")
    add.add_argument("--language", choices=("en", "id"), default="en")
    how = add.add_mutually_exclusive_group()
    how.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    how.add_argument("--generate", action="store_true", help="make a password and print it")
    delete = actions.add_parser("delete", help="delete a person and end their sessions")
    delete.add_argument("name")
    listing = actions.add_parser("list", help="everybody who may sign in")
    listing.add_argument("--json", action="store_true")
    for action in (add, delete, listing):
        add_settings(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 where there was nobody to delete."""
    settings = settings_of(arguments)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if arguments.action == "add":
        return asyncio.run(_add(settings, arguments))
    if arguments.action == "delete":
        return asyncio.run(_delete(settings, arguments.name))
    return asyncio.run(_list(settings, as_json=arguments.json))


async def _add(settings: Settings, arguments: argparse.Namespace) -> int:
    role = Role(arguments.role)
    if (role is Role.CUSTOMER) != bool(arguments.customer):
        raise ValueError("--customer goes with --role customer, and only with it")
    async with open_database(settings.database_url) as database:
        if arguments.customer and await SqlRegistry(database).customer(arguments.customer) is None:
            raise ValueError(f"no customer {arguments.customer!r}; register it with `siaga devices import`")
        password = _password(arguments)
        user = User(
            arguments.name,
            role,
            hash_password(password),
            arguments.customer,
            arguments.display_name or arguments.name,
            arguments.language,
        )
        await SqlAccounts(database).put_user(user)
    if arguments.generate:
        print(password)
    return 0


def _password(arguments: argparse.Namespace) -> str:
    if arguments.generate:
        return secrets.token_urlsafe(12)
    if arguments.password_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise ValueError("no terminal to ask for a password: use --password-stdin or --generate")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise ValueError("the two passwords differ")
    return first


async def _delete(settings: Settings, name: str) -> int:
    async with open_database(settings.database_url) as database:
        if await SqlAccounts(database).delete_user(name):
            return 0
    print(f"siaga users: nobody is called {name!r}", file=sys.stderr)
    return 1


async def _list(settings: Settings, *, as_json: bool) -> int:
    async with open_database(settings.database_url) as database:
        users = await SqlAccounts(database).users()
    rows = [
        {"name": user.name, "role": user.role.value, "customer": user.customer_id, "display_name": user.display_name}
        for user in users
    ]
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print("\t".join(row.values()))
    return 0
