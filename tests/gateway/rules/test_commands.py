"""`siaga rules` as people and programs call it: one line a mistake, exit codes, JSON."""

import json
from pathlib import Path

import pytest

from gateway.cli import main
from tests.gateway.rules.desks import HOT, HOTTER, NEW, SILENT, WEAK


@pytest.fixture
def siaga(tmp_path: Path, capsys, monkeypatch):
    """Run `siaga rules`; its exit code, what it prints and what it complains of. Files lie in the folder it runs in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(f"{HOT}\n{WEAK}\n{SILENT}")
    (tmp_path / "siaga.toml").write_text('data_dir = "data"\nrules = ["rules.toml"]\n')
    (tmp_path / "hotter.toml").write_text(HOTTER)
    (tmp_path / "new.toml").write_text(NEW)
    (tmp_path / "wrong.toml").write_text(NEW.replace("rssi_dbm", "rssi_mw"))
    (tmp_path / "same.toml").write_text(HOT.replace("limit = 82", "limit = 81"))

    def run(*words: str):
        code = main(["rules", *words])
        said = capsys.readouterr()
        return code, said.out.strip(), said.err.strip()

    return run


BOOK = ("-c", "siaga.toml")


def test_a_file_is_checked_and_tested_for_programs_too(siaga) -> None:
    code, out, err = siaga("check", "new.toml", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "rules": 1,
        "refused": False,
        "problems": [
            {"file": "new.toml", "line": 1, "rule": "weaker", "error": False,
             "says": "has no example: add one series that fires and one that does not"},
        ],
    }  # fmt: skip
    assert json.loads(siaga("test", "hotter.toml", "--json")[1]) == {"rules": 1, "examples": 1, "failed": []}
    code, out, _err = siaga("check", "wrong.toml")
    assert (code, out) == (2, "")


def test_a_draft_is_checked_over_the_rules_in_force(siaga) -> None:
    code, out, err = siaga("check", "same.toml", *BOOK)
    assert (code, err) == (1, "1 rules: 1 refused, 0 warnings")
    assert out == "same.toml:4: rule 'hot': version is still 1: raise it, since tickets quote hot@1"
    code, out, _err = siaga("check", "wrong.toml", "--json", *BOOK)
    assert code == 1
    assert [(it["file"], it["line"], it["error"]) for it in json.loads(out)["problems"]] == [("wrong.toml", 6, True)]
    assert siaga("check", "hotter.toml", *BOOK)[0] == 0
    assert siaga("check", *BOOK)[0] == 2


def test_what_the_rules_do_not_allow_is_one_line_and_exit_1(siaga) -> None:
    code, out, err = siaga("activate", "wrong.toml", *BOOK)
    assert (code, out) == (1, "")
    assert err.startswith("siaga rules: wrong.toml:6: rule 'weaker': metric 'rssi_mw' is not in the catalogue")
    assert siaga("restore", "hot", *BOOK)[::2] == (
        1,
        "siaga rules: rule 'hot' is not watched: it opens tickets already",
    )
    assert siaga("rollback", "9", *BOOK)[::2] == (1, "siaga rules: there is no edition 9 in the rule book")
    assert siaga("watch", "nobody", *BOOK)[::2] == (1, "siaga rules: there is no rule 'nobody' in the rule book")
    assert siaga("activate", "nothing.toml", *BOOK)[::2] == (2, "siaga rules: nothing.toml: no such rule file")
    code, _out, err = siaga("backtest", "--rules", "hotter.toml", *BOOK)
    assert (code, err) == (2, "siaga rules: no device is registered")


def test_a_rule_is_activated_deleted_and_brought_back_and_the_history_tells_it(siaga) -> None:
    assert json.loads(siaga("activate", "hotter.toml", "--json", "--actor", "dewi", *BOOK)[1])["number"] == 2
    assert siaga("delete", "weak", "--note", "no use", "--actor", "dewi", *BOOK)[1].startswith(
        "edition 3: deleted weak"
    )
    states = {it["name"]: it["state"] for it in json.loads(siaga("list", "--json", *BOOK)[1])}
    assert states == {"hot": "active", "silent": "active", "weak": "deleted"}
    assert json.loads(siaga("show", "weak", "--json", *BOOK)[1])["origin"] == "deleted"
    assert siaga("delete", "weak", *BOOK)[0] == 1
    assert siaga("restore", "weak", *BOOK)[0] == 0
    lines = [line.split("\t") for line in siaga("history", *BOOK)[1].splitlines()]
    assert [line[3] for line in lines] == ["back_to_file", "deleted", "activated", "started"]
    assert (lines[1][0], lines[1][2], lines[1][5]) == ("3", "dewi", "no use")
    assert all(line[1].endswith("Z") for line in lines)
