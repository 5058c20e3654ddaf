"""`siaga rules show|history|activate|rollback|watch|restore|drop|delete`: the rule book of the settings' database.

A gateway that runs on the same database takes a new edition over within two seconds; one that does not run takes it at
its next start.
"""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diagnostics.catalogue import load_catalogue
from diagnostics.faults import load_faults
from gateway.clock import SystemClock
from gateway.commands.run import add_settings, settings_of
from gateway.derived import load_rules, rule_base
from gateway.ports.rule_book import Edition, OutdatedEdition
from gateway.rules.budget import Budget
from gateway.rules.check import Mistake
from gateway.rules.desk import RuleDesk, RuleRefused
from gateway.rules.engines import begin
from gateway.rules.files import rule_text
from gateway.rules.overview import RuleRow
from gateway.settings import Settings
from gateway.storage.database import open_database
from gateway.storage.rule_book import SqlRuleBook

DEEDS = {
    "activate": "put the rules of a file over those in force",
    "rollback": "the rules (or one of them) as they were in an edition",
    "watch": "let a rule open no more tickets; it is still shown",
    "restore": "let a watched or demoted rule open tickets again",
    "drop": "take a rule's override off: the rule file's text is in force again",
    "delete": "take a rule out: nobody is judged by it any more, what it opened is withdrawn",
}


def add_book_arguments(actions: Any) -> None:
    """Add the sub-commands that read and write the rule book."""
    show = actions.add_parser("show", help="one rule as it is in force: text, origin, noise")
    show.add_argument("name")
    history = actions.add_parser("history", help="the editions of the rules, newest first")
    history.add_argument("--limit", type=int, default=50)
    made = {name: actions.add_parser(name, help=words) for name, words in DEEDS.items()}
    made["activate"].add_argument("file", type=Path)
    made["rollback"].add_argument("edition", type=int)
    made["rollback"].add_argument("--rule", default="", metavar="NAME", help="only this rule")
    for name in ("watch", "restore", "drop", "delete"):
        made[name].add_argument("name")
    for parser in made.values():
        parser.add_argument("--note", default="", metavar="WHY", help="kept in the history")
        parser.add_argument("--actor", default="", metavar="NAME", help="who decides (default: the user of this shell)")
    for parser in (show, history, *made.values()):
        add_settings(parser)
        parser.add_argument("--json", action="store_true", help="JSON for programs")


@asynccontextmanager
async def opened_desk(settings: Settings) -> AsyncIterator[RuleDesk]:
    """The rule book of the settings' database, with its first edition if it had none. ValueError, OSError."""
    catalogue, base = load_catalogue(), rule_base(settings)
    load_rules(settings, catalogue)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    noise = settings.noise
    async with open_database(settings.database_url) as database:
        book = SqlRuleBook(database)
        if await book.newest() is None:
            await begin(book, base, SystemClock().now())
        yield RuleDesk(book, base, catalogue, load_faults(), budget=Budget(noise.share, noise.judged, noise.days))


def run_book(arguments: argparse.Namespace) -> int:
    """Do it. 1: the rules or their state do not allow it; 2: bad input; 3: the database is away."""
    try:
        return asyncio.run(_run(settings_of(arguments), arguments))
    except OutdatedEdition as refusal:
        print(f"siaga rules: {refusal}: try again", file=sys.stderr)
        return 1
    except RuleRefused as refusal:
        print(f"siaga rules: {refusal}", file=sys.stderr)
        return 1
    except KeyError as unknown:
        what = f"edition {unknown.args[0]}" if isinstance(unknown.args[0], int) else f"rule '{unknown.args[0]}'"
        print(f"siaga rules: there is no {what} in the rule book", file=sys.stderr)
        return 1


async def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    async with opened_desk(settings) as desk:
        now = SystemClock().now()
        if arguments.action == "check":
            return await check_draft(desk, arguments.file, as_json=arguments.json)
        if arguments.action == "list":
            return list_rules(await desk.rules(now), as_json=arguments.json)
        if arguments.action == "show":
            rows = {row.name: row for row in await desk.rules(now)}
            row = row_out(rows[arguments.name])
            print(json.dumps(row) if arguments.json else "\n".join(_words(row)))
            return 0
        if arguments.action == "history":
            editions = [edition_out(one) for one in await desk.book.editions(arguments.limit)]
            if arguments.json:
                print(json.dumps(editions))
            for one in editions if not arguments.json else ():
                at = datetime.fromtimestamp(one["at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                keys = ("actor", "reason", "rule", "note")
                print("\t".join([str(one["number"]), at, *(str(one[key]) for key in keys)]))
            return 0
        made = await _deed(desk, arguments, now)
        words = f"edition {made.number}: {made.reason.value} {made.rule}".rstrip()
        told = "a running gateway takes it over within two seconds, a stopped one at its start"
        print(json.dumps(edition_out(made)) if arguments.json else f"{words} ({told})")
        return 0


async def _deed(desk: RuleDesk, arguments: argparse.Namespace, now: float) -> Edition:
    actor, note = arguments.actor or getpass.getuser(), arguments.note
    match arguments.action:
        case "activate":
            text = rule_text(arguments.file)
            first = next((it for it in desk.check(text, await desk.newest()).mistakes if it.error), None)
            if first is not None:
                raise RuleRefused(placed(arguments.file, first))
            return await desk.activate(text, 0, actor, note, now)
        case "rollback":
            return await desk.roll_back(arguments.edition, arguments.rule, 0, actor, note, now)
        case "watch":
            return await desk.watch(arguments.name, 0, actor, note, now)
        case "delete":
            return await desk.delete(arguments.name, 0, actor, note, now)
        case "restore":
            return await desk.restore(arguments.name, 0, actor, note, now)
        case _:
            return await desk.back_to_file(arguments.name, 0, actor, note, now)


def placed(file: Path | str, mistake: Mistake) -> str:
    """A mistake with its file and line, as compilers say it."""
    words = str(mistake).removeprefix(f"line {mistake.line}: ")
    return f"{file}:{mistake.line}: {words}"


async def check_draft(desk: RuleDesk, file: Path | None, *, as_json: bool) -> int:
    """Print every mistake and warning of a draft over the rules in force, with its line. 1: it is refused."""
    if file is None:
        raise ValueError("name the draft to check over the rules in force: siaga rules check DRAFT -c FILE")
    checked = desk.check(rule_text(file), await desk.newest())
    if as_json:
        found = [
            {"file": str(file), "line": it.line, "rule": it.rule, "says": it.says, "error": it.error}
            for it in checked.mistakes
        ]
        print(json.dumps({"rules": len(checked.rules), "refused": checked.refused, "problems": found}))
        return 1 if checked.refused else 0
    for it in checked.mistakes:
        print(placed(file, it))
    refused = sum(it.error for it in checked.mistakes)
    print(f"{len(checked.rules)} rules: {refused} refused, {len(checked.mistakes) - refused} warnings", file=sys.stderr)
    return 1 if checked.refused else 0


def list_rules(rows: list[RuleRow], *, as_json: bool) -> int:
    """Print every rule of the book."""
    found = [row_out(row) for row in rows]
    if as_json:
        print(json.dumps([{key: value for key, value in row.items() if key != "text"} for row in found]))
    else:
        for row in found:
            keys = ("name", "kind", "fault_class", "state", "origin", "tickets", "false_share")
            print("\t".join(str(row[key]) for key in keys))
    return 0


def state_of(row: RuleRow) -> str:
    """What a rule does now, in a word for programs."""
    if row.origin == "deleted":
        return "deleted"
    return "unreadable" if row.problem else "watch" if row.silent else "active"


def row_out(row: RuleRow) -> dict[str, Any]:
    """A rule for programs."""
    low, high = row.noise.bounds
    return {
        "name": row.name,
        "kind": row.rule.kind if row.rule else "",
        "version": row.rule.version if row.rule else 0,
        "fault_class": row.rule.fault_class if row.rule else "",
        "state": state_of(row),
        "demoted": row.watched.note or row.watched.actor if row.watched else "",
        "origin": row.origin,
        "file_changed": row.stale,
        "tickets": row.noise.opened,
        "judged": row.noise.judged,
        "false": row.noise.false,
        "false_share": None if row.noise.share is None else round(row.noise.share, 3),
        "false_share_95": [round(low, 3), round(high, 3)],
        "problem": row.problem,
        "text": row.text,
    }


def edition_out(one: Edition) -> dict[str, Any]:
    """An edition for programs, without its text."""
    return {
        "number": one.number,
        "at": one.at,
        "actor": one.actor,
        "reason": one.reason.value,
        "rule": one.rule,
        "note": one.note,
        "sha256": one.sha256,
        "overrides": sorted(one.overrides),
        "watched": sorted(one.watched),
    }


def _words(row: Mapping[str, Any]) -> list[str]:
    head = [
        f"# {key}: {value}" for key, value in row.items() if key not in {"name", "text"} and value not in ("", None)
    ]
    return [*head, str(row["text"])]
