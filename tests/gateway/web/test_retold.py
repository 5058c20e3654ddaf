"""What the rules' programs say in English is read in Indonesian, every line of it."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.catalogue import load_catalogue
from diagnostics.faults import load_faults
from diagnostics.rule_file import RuleSet
from gateway.rules.check import check
from gateway.tickets.policy import Reason
from gateway.web import labels
from gateway.web.language import speak
from gateway.web.retold import fitting, retold
from gateway.web.rule_lines import LINES

ROOT = Path(__file__).parents[3]
SOURCES = (
    "diagnostics/rules.py",
    "diagnostics/rule_parts.py",
    "diagnostics/rule_file.py",
    "diagnostics/lint.py",
    "diagnostics/lint_each.py",
    "gateway/rules/check.py",
    "gateway/rules/desk.py",
    "gateway/rules/jobs.py",
    "gateway/rules/budget.py",
)
SHAPES = frozenset(
    {
        "{kind}: ",  # a prefix that is taken off
        "(site )?(((opened|raised|lowered) (info|warning|high|critical))|recovered|withdrawn)",
        "neither metric, topic nor state",  # stands in another line
        "a job is made of rules that can be merged",
        "a backtest failed",  # for logs
        "a backtest was cancelled",
        "warning: ",
        "rule '7': ",
        ": 7",
        "number 7",  # a rule without a name
        "rule '7': 77",  # envelopes around a line
        "line 7: 777",
        "with rule '7': 7",
        "example: 7",
    }
)
"""Texts with a space that nobody reads by themselves."""


@pytest.fixture(autouse=True)
def in_indonesian():
    speak("id")
    yield
    speak("en")


def texts(node: ast.AST) -> list[str]:
    """Every text of a module that is no docstring, its places filled with a 7."""
    skipped = {id(it.value) for it in ast.walk(node) if isinstance(it, ast.Expr)}
    skipped |= {id(part) for it in ast.walk(node) if isinstance(it, ast.JoinedStr) for part in it.values}
    found = []
    for it in ast.walk(node):
        if id(it) in skipped:
            continue
        if isinstance(it, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in it.values))
        elif isinstance(it, ast.Constant) and isinstance(it.value, str):
            found.append(it.value)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_no_line_of_the_rules_programs_is_left_in_english(source) -> None:
    lines = [it for it in texts(ast.parse((ROOT / source).read_text())) if " " in it and it not in SHAPES]
    lines = [it.replace("limit is 7 7", "limit is above 7") for it in lines]
    assert lines
    assert [it for it in lines if re.search("[a-z]{3}", it) and not fitting(it)] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "example: a sag: metric 'x' is not in the catalogue",
            "contoh: a sag: metrik 'x' tidak ada dalam katalog",
        ),
        (
            "steps.0.limit: must be a number, without quotes",
            "steps.0.limit: harus angka, tanpa tanda kutip",
        ),
        (
            "rule book:3: rule 'hot': metric 'x' is not in the catalogue: correct it or add it to metrics.toml",
            "rule book:3: aturan 'hot': metrik 'x' tidak ada dalam katalog: perbaiki atau tambahkan ke metrics.toml",
        ),
        (
            "9 of 10 judged tickets in 90 days were false (60 to 98 %); the budget is 20 %",
            "9 dari 10 tiket yang dinilai dalam 90 hari keliru (60 sampai 98 %); batasnya 20 %",
        ),
        ("to edition 7: it was too loud", "ke edisi 7: it was too loud"),
        ("In 4.3 days at the earliest. It comes and goes.", "Paling cepat dalam 4.3 hari. Hilang timbul."),
        ("what somebody wrote: by hand", "what somebody wrote: by hand"),
        ("warning: " * 60 + "nobody knows this", "warning: " * 60 + "nobody knows this"),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_a_line_is_retold_with_its_names_and_numbers(line, said) -> None:
    assert retold(line) == said
    speak("en")
    assert retold(line) == line


WHY = "Chips throttle at 92 C: a limit of 82 leaves days."
TOLD = {WHY: "Chip melambat pada 92 C: batas 82 menyisakan beberapa hari."}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"Rule heat@1: {WHY}", f"Aturan heat@1: {TOLD[WHY]}"),
        (f"Rule heat@1: {WHY} It comes and goes.", f"Aturan heat@1: {TOLD[WHY]} Hilang timbul."),
        ("Rule mine@2: Nobody wrote this in Indonesian.", "Aturan mine@2: Nobody wrote this in Indonesian."),
        (WHY, WHY),
        ("In 4.3 days at the earliest.", "Paling cepat dalam 4.3 hari."),
    ],
)
def test_a_rules_reason_in_a_tickets_evidence_is_told_in_indonesian_where_it_is_written(line, said) -> None:
    assert retold(line, TOLD) == said
    speak("en")
    assert retold(line, TOLD) == line


RULE = """[[rule]]
name = "x"
version = 1
fault_class = "F07"
kind = "level"
metric = "soc_temp_c"
steps = [{ severity = "warning", limit = 85, clear = 80 }]
reason = "Long enough to be a reason."
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"x"', '"X Y"'),
        ("version = 1", 'version = "1"'),
        ("version = 1", "version = 0"),
        ("version = 1", "version = 1.5"),
        ("version = 1", ""),
        ("version = 1", "version = 1\nfor_s = -1"),
        ("version = 1", "version = 1\nfor_s = inf"),
        ("version = 1", "version = 1\ncolour = 1"),
        ("version = 1", "version = 1\nwhen = [{ state = 'daynight' }]"),
        ("version = 1", "version = 1\nwhen = 5"),
        ("version = 1", "version = 1\ndirection = 'up'"),
        ("version = 1", "version = 1\nsite_share_max = 2"),
        ('"level"', '"levle"'),
        ('kind = "level"', ""),
        ('"soc_temp_c"', '"soc_temp_f"'),
        ("85", "185"),
        ("85", "1850"),
        ("80", "95"),
        ('"F07"', '"F99"'),
        ('"warning"', '"loud"'),
        ("steps = [", "steps = 5 #"),
        ("[{", "["),
        ("Long enough to be a reason.", "short"),
        ("version = 1", 'version = 1\nreason_id = "pendek"'),
        ("version = 1", "version = 1\nreason_id = 1"),
        ("reason = ", "reason "),
        ('reason."', "reason."),
        ("[[rule]]", "[[rule]"),
        ("[[rule]]", "[[rules]]"),
        ("85", "40"),
    ],
)
def test_every_mistake_of_a_draft_is_read_in_indonesian(old, new) -> None:
    draft = RULE.replace(old, new, 1)
    checked = check(draft, RuleSet(()), {}, load_catalogue(), load_faults())
    assert checked.refused
    assert [it.says for it in checked.mistakes if retold(it.says) == it.says] == []


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_what_people_wrote_is_not_lost(text) -> None:
    assert retold(text) == text or fitting(text) is not None


def test_every_reason_that_stands_in_a_tickets_history_is_read_in_indonesian() -> None:
    left = {Reason.SAME_EPISODE, Reason.OLD_EPISODE, Reason.NO_WORSE, Reason.NO_BETTER, Reason.NOT_RUNNING}
    left |= {Reason.ALREADY_SOLVED, Reason.NO_TICKET}  # what is left as it is makes no line
    said = {it.value: labels.named_reason(it.value) for it in set(Reason) - left}
    assert [value for value, words in said.items() if words == value.replace("_", " ")] == []


def test_no_pattern_hides_another_one() -> None:
    plain = [line for line in LINES if "%(said)s" not in line]
    for line in plain:
        sample = re.sub(r"%\(\w+\)s", "7", line).replace("%%", "%")
        found = fitting(sample)
        assert found is not None, line
        assert found[0].count("%(") <= line.count("%("), (line, found[0])
