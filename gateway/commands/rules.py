"""`siaga rules`: check a rule file (parse, lint), test it on its examples, list it; the rest works on the rule book."""

import argparse
import json
import sys
from pathlib import Path

from diagnostics.catalogue import Catalogue, load_catalogue
from diagnostics.faults import load_faults
from diagnostics.lint import lint
from diagnostics.lint_each import MAX_EXAMPLE_REPORTS
from diagnostics.rule_file import RuleSet
from diagnostics.ruletest import failures
from gateway.commands.rules_backtest import add_backtest_arguments, run_backtest
from gateway.commands.rules_book import add_book_arguments, run_book
from gateway.commands.run import add_settings
from gateway.rules.files import RuleFile, read_rule_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="parse and lint: impossible, contradicting, overlapping, noisy rules; with -c over the rules in force",
    )
    test = actions.add_parser("test", help="run the examples beside each rule")
    listing = actions.add_parser("list", help="the rules of a file, or (with -c) those in force with their noise")
    for action in (check, test, listing):
        action.add_argument("file", type=Path, nargs="?", help="a rule file (default: the shipped rules)")
        action.add_argument("--json", action="store_true", help="JSON for programs")
    for action in (check, listing):
        add_settings(action)
    add_book_arguments(actions)
    add_backtest_arguments(actions)


def run(arguments: argparse.Namespace) -> int:
    """0: all is well; 1: an example fails or a rule is refused by the lint; 2: the file cannot be read as rules."""
    if arguments.action == "backtest":
        return run_backtest(arguments)
    if arguments.action not in {"check", "test", "list"} or (arguments.action != "test" and arguments.config):
        return run_book(arguments)
    catalogue = load_catalogue()
    file = read_rule_file(arguments.file, catalogue)
    rules = RuleSet(file.rules)
    if arguments.action == "check":
        return _check(file, rules, catalogue, as_json=arguments.json)
    if arguments.action == "test":
        return _test(rules, catalogue, as_json=arguments.json)
    rows = [{"name": rule.name, "kind": rule.kind, "fault_class": rule.fault_class} for rule in rules.rules]
    if arguments.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print("\t".join(row.values()))
    return 0


def _check(file: RuleFile, rules: RuleSet, catalogue: Catalogue, *, as_json: bool) -> int:
    problems = lint(rules, catalogue, load_faults())
    refused = [problem for problem in problems if problem.error]
    if as_json:
        found = [
            {"file": file.where, "line": file.line_of(it), "rule": it.rule, "says": it.says, "error": it.error}
            for it in problems
        ]
        print(json.dumps({"rules": len(rules.rules), "refused": bool(refused), "problems": found}))
    else:
        for problem in problems:
            print(file.place(problem))
        doubts = len(problems) - len(refused)
        print(f"{len(rules.rules)} rules: {len(refused)} refused, {doubts} warnings", file=sys.stderr)
    return 1 if refused else 0


def _test(rules: RuleSet, catalogue: Catalogue, *, as_json: bool) -> int:
    for rule in rules.rules:
        for example in rule.examples:
            if example.reports > MAX_EXAMPLE_REPORTS:
                raise ValueError(
                    f"rule '{rule.name}': {example.say}: {example.reports:.0f} reports are too many to play"
                )
    failed = list(failures(rules, catalogue))
    examples = sum(len(rule.examples) for rule in rules.rules)
    if as_json:
        found = [{"rule": it.rule, "say": it.say, "expected": it.expected, "got": it.got} for it in failed]
        print(json.dumps({"rules": len(rules.rules), "examples": examples, "failed": found}))
    else:
        for failure in failed:
            print(failure)
        print(f"{examples} examples of {len(rules.rules)} rules: {len(failed)} failed", file=sys.stderr)
    return 1 if failed else 0
