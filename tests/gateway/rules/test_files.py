"""Rule files as people keep them: whatever is in them, the answer is one line with file and line."""

import pytest

from diagnostics.faults import load_faults
from diagnostics.lint import lint
from diagnostics.rule_file import MAX_CHARS, RuleSet
from gateway.cli import main
from gateway.rules.files import read_rule_file, read_rule_files
from tests.diagnostics.fleets import CATALOGUE
from tests.parts.rule_texts import HOT_HEAD

FAULTS = load_faults()
RULE = (
    "# why\n"
    + HOT_HEAD
    + """steps = [{ severity = "warning", limit = 85, clear = 80 }]
reason = "A number that this test has chosen."
"""
)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (RULE.encode("utf-16"), "f.toml:1: is not UTF-8 text: save it as UTF-8"),
        (RULE.replace("chosen", "gewählt").encode("latin-1"), "f.toml:9: is not UTF-8 text"),
        (b"", "f.toml: there is no [[rule]] in it"),
        (b"# nothing\n", "f.toml: there is no [[rule]] in it"),
        (b"x" * (4 * MAX_CHARS + 1), "bytes: no rule file is as large"),
        (RULE.replace("limit = 85", "limit = 900").encode(), "f.toml:8: rule 'hot': limit 900 lies outside"),
        (RULE.encode() + b"\0", "f.toml:10: Invalid statement"),
    ],
)
def test_a_file_that_is_no_rule_file_is_told_in_one_line(tmp_path, raw, says):
    path = tmp_path / "f.toml"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"f\.toml") as refused:
        read_rule_file(path, CATALOGUE)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.toml: no such rule file"):
        read_rule_file(tmp_path / "nowhere.toml", CATALOGUE)
    with pytest.raises(ValueError, match="Is a directory"):
        read_rule_file(tmp_path, CATALOGUE)


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbf" + RULE.encode(), RULE.replace("\n", "\r\n").encode()])
def test_marks_and_line_ends_of_other_systems_are_read(tmp_path, raw):
    path = tmp_path / "f.toml"
    path.write_bytes(raw)
    assert [rule.name for rule in read_rule_file(path, CATALOGUE).rules] == ["hot"]


def test_several_files_are_one_set_and_a_name_stands_in_one_of_them(tmp_path):
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(RULE)
    other.write_text(RULE)
    with pytest.raises(ValueError, match=r"other.toml: rule 'hot': the name is used in .*one.toml already"):
        read_rule_files([one, other], CATALOGUE, FAULTS)
    other.write_text(RULE.replace('"hot"', '"warm"').replace("limit = 85", "limit = 88"))
    assert [rule.name for rule in read_rule_files([one, other], CATALOGUE, FAULTS).rules] == ["hot", "warm"]


def test_rules_that_do_harm_are_refused_before_the_gateway_starts_with_them(tmp_path):
    path = tmp_path / "f.toml"
    path.write_text(RULE.replace("limit = 85, clear = 80", "limit = 40, clear = 10"))
    with pytest.raises(ValueError, match="would fire on most of the fleet") as refused:
        read_rule_files([path], CATALOGUE, FAULTS)
    assert str(refused.value).startswith(f"{path}:8: rule 'hot': ")
    assert str(refused.value).endswith("(1 more: siaga rules check)")
    path.write_text(RULE.replace('"F07"', '"F99"'))
    with pytest.raises(ValueError, match=r"f.toml:5: rule 'hot': fault class 'F99' has no texts: describe it"):
        read_rule_files([path], CATALOGUE, FAULTS)


def test_each_lint_is_shown_with_the_line_that_it_is_about(tmp_path, capsys):
    path = tmp_path / "f.toml"
    path.write_text(RULE.replace("limit = 85, clear = 80", "limit = 40, clear = 10"))
    file = read_rule_file(path, CATALOGUE)
    assert [file.place(problem).split(":")[1] for problem in lint_of(file)] == ["8", "8", "2"]
    assert main(["rules", "check", str(path)]) == 1
    assert f"{path}:8: rule 'hot': would fire on most" in capsys.readouterr().out


def lint_of(file):
    return lint(RuleSet(file.rules), CATALOGUE, FAULTS)


def test_an_example_that_would_take_hours_is_not_played(tmp_path, capsys):
    path = tmp_path / "f.toml"
    path.write_text(
        RULE + '[[rule.example]]\nsay = "for ever"\nevery_s = 1\n'
        "segments = [{ for_s = 1e7, metrics = { soc_temp_c = 50 } }]\nexpect = []\n"
    )
    assert main(["rules", "test", str(path)]) == 2
    assert "rule 'hot': for ever: 10000000 reports are too many to play" in capsys.readouterr().err
