"""Backtests: the rules that matter, the history they need, what cannot be said; and the text of rule files."""

from dataclasses import replace

import pytest

from diagnostics.backtest import REOPEN_S, Difference, Opened, Replay, Stored, Verdict, compare, tally
from diagnostics.backtest_scope import Limit, Unseen, affected, limits, lookback_s, metrics_needed
from diagnostics.changes import Severity
from diagnostics.lint import Sighting, firing_now, lint_now
from diagnostics.rule_file import RuleSet, load_default_rules
from diagnostics.rule_text import differences, line_of, split, without_place
from tests.diagnostics.fleets import CATALOGUE, HOT, SILENT, T0, camera, rules
from tests.diagnostics.test_kinds import ERRORS, EVENTS, FROZEN, PEER, REBOOTS, SIGNATURE, STATES, USUAL, WEAR

DAY, H = 86_400.0, 3600.0
SURPRISE = """
[[rule]]
name = "surprise"
kind = "baseline"
metric = "soc_temp_c"
steps = [{ severity = "warning", limit = 3 }]
"""
RELATIVE = HOT.replace("clear_samples", 'relative = "usual"\nusual_days = 7\nclear_samples')
NIGHTLY = HOT.replace('"hot"', '"nightly"').replace("clear_samples", "when = [{ %s }]\nclear_samples")
METRIC_SIGNS = """
[[rule]]
name = "signs"
kind = "signature"
span_s = 3600
window_s = 7200
signs = [{ say = "sag", metric = "poe_v", below = 45 }, %s]
steps = [{ severity = "high", limit = 2 }]
"""


def opened(at: float, until: float | None = None, rule: str = "hot@1", device: str = "cam0") -> Opened:
    return Opened(device, "F07", rule, Severity.WARNING, at, until)


def test_only_rules_that_may_change_a_ticket_are_run() -> None:
    old = rules(HOT + SILENT + ERRORS)
    assert affected(old, old) == (RuleSet(()), RuleSet(()))
    words = rules(
        HOT.replace('kind = "level"', 'kind = "level"\nversion = 7\nreason = "other words, of the same number"')
        + SILENT
        + ERRORS
    )
    assert affected(old, words)[1] == RuleSet(())
    new = rules(HOT.replace("limit = 80", "limit = 81") + SILENT)
    before, after = affected(old, new)
    assert [rule.name for rule in before.rules] == ["hot", "errors"]
    assert [rule.name for rule in after.rules] == ["hot"]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        (WEAR, 15.0),
        (USUAL, 15.0),
        (RELATIVE, 8.0),
        (RELATIVE.replace('relative = "usual"', 'of = "day_max"'), 8.0),
        (HOT, 0.0),
        (SURPRISE, 28.0),
        (ERRORS, 1 / 24),
        (PEER, 1.0),
        (WEAR.replace('kind = "forecast"', 'kind = "forecast"\nmax_points = 28\ncycle_s = 604800'), 28.0),
    ],
)  # fmt: skip
def test_a_rule_gets_the_history_that_it_needs_to_be_warm(text, days) -> None:
    assert lookback_s(rules(text)) == pytest.approx(days * DAY, abs=DAY * 0.9 if days == 15.0 else 1)
    assert lookback_s(RuleSet(())) == 0.0


def test_a_frozen_rule_looks_back_as_many_hours_as_it_counts_and_at_every_watched_metric() -> None:
    frozen = rules(FROZEN)
    assert lookback_s(frozen) >= H * frozen.rules[0].steps[-1].limit
    every = rules('[[rule]]\nname = "stuck"\nkind = "frozen"\nsteps = [{ severity = "warning", limit = 24 }]\n')
    assert metrics_needed(every, CATALOGUE) == {name for name, it in CATALOGUE.metric.items() if it.frozen}
    assert metrics_needed(rules(HOT), CATALOGUE) == {"soc_temp_c"}


@pytest.mark.parametrize(
    ("text", "unseen", "blind"),
    [
        (SILENT, Unseen.SILENCE, True),
        (STATES, Unseen.STATES, True),
        (REBOOTS, Unseen.RESTARTS, True),
        (EVENTS, Unseen.EVENTS, True),
        (SIGNATURE, Unseen.STATES, True),
        (METRIC_SIGNS % '{ say = "restart", boot = true }', Unseen.RESTARTS, True),
        (METRIC_SIGNS % '{ say = "login", event = "security/login_failed" }', Unseen.EVENTS, True),
        (NIGHTLY % 'state = "daynight", one_of = ["night"]', Unseen.STATES, True),
        (NIGHTLY % 'state = "daynight", none_of = ["night"]', Unseen.GUARD_OPEN, False),
        (PEER, Unseen.PEERS, False),
        (HOT.replace("soc_temp_c", "seen_clock_offset_s"), Unseen.OWN_MEASURES, True),
    ],
)
def test_what_history_does_not_keep_is_said_of_the_rule_that_needs_it(text, unseen, blind) -> None:
    rule = rules(text).rules[0]
    assert limits(rules(text))[0] == Limit(rule.name, unseen, blind)


def test_rules_on_metrics_alone_are_judged_as_they_are() -> None:
    assert limits(rules(HOT + ERRORS + METRIC_SIGNS % '{ say = "dip", metric = "poe_v", below = 44 }')) == []


def test_episodes_within_the_reopen_window_are_one_ticket() -> None:
    replay = Replay(rules(HOT), CATALOGUE, [camera("cam0")])
    hot = {10, 40, 200}
    assert (
        replay.feed(Stored("cam0", T0 + n * H, {"soc_temp_c": 85.0 if n in hot else 50.0}, {}) for n in range(220))
        == 220
    )
    first, second = replay.tickets()
    assert (first.opened_at, first.recovered_at, first.episodes) == (T0 + 10 * H, T0 + 41 * H, 2)
    assert second.opened_at - (first.recovered_at or 0) > REOPEN_S


def test_a_storm_over_the_fleet_is_counted_and_no_ticket_of_a_device() -> None:
    names = [f"cam{number}" for number in range(30)]
    replay = Replay(rules(HOT), CATALOGUE, [camera(name) for name in names])
    replay.feed(Stored(name, T0 + n * H, {"soc_temp_c": 85.0}, {}) for n in range(3) for name in names)
    assert replay.storms == 1
    assert {it.rule for it in replay.tickets()} == {"hot@1"}
    assert len(replay.tickets()) < len(names)


def test_a_ticket_that_moves_across_the_first_day_or_by_weeks_has_not_come_or_gone() -> None:
    slow = replace(opened(T0), recovered_at=None)
    weeks = replace(slow, opened_at=T0 + 20 * DAY)
    (moved,) = compare([weeks], [slow], T0 + 10 * DAY)
    assert (moved.verdict, moved.shift_s) == (Verdict.EARLIER, -20 * DAY)
    assert compare([weeks], [slow], T0 + 30 * DAY) == [], "both opened before the time that is looked at"
    over = replace(slow, recovered_at=T0 + DAY)
    assert [it.verdict for it in compare([weeks], [over])] == [Verdict.LOST, Verdict.NEW]
    assert [it.verdict for it in compare([weeks], [over], T0 + 10 * DAY)] == [Verdict.LOST]
    near = replace(over, opened_at=T0 + 5 * DAY, recovered_at=T0 + 6 * DAY)
    assert [it.verdict for it in compare([over], [near])] == [Verdict.LATER]


def test_the_tally_counts_each_rule_and_keeps_what_became_of_its_tickets() -> None:
    differences = compare(
        [opened(T0), opened(T0 + 30 * DAY), opened(T0, rule="cold@1", device="cam1")],
        [opened(T0 - H, rule="hot@2"), opened(T0, rule="cold@1", device="cam1"), opened(T0, device="cam2")],
    )
    assert [(it.rule, it.before, it.after) for it in tally(differences)] == [("cold", 1, 1), ("hot", 2, 2)]
    assert tally(differences)[1].verdicts == {Verdict.EARLIER: 1, Verdict.LOST: 1, Verdict.NEW: 1}
    assert Difference(Verdict.LOST, opened(T0), None).ticket == opened(T0)


def test_what_would_fire_now_is_told_for_rules_that_one_report_decides() -> None:
    fleet = [
        Sighting("camera", "m", {"soc_temp_c": value}, {"sd_state": word}) for value, word in ((85, "ro"), (50, "ok"))
    ]
    fleet.append(Sighting("camera", "m", {}, {}))
    (hot,) = rules(HOT).rules
    assert firing_now(hot, fleet) == (1, 2)
    state = '[[rule]]\nname = "s"\nkind = "state"\nstate = "sd_state"\nseverity = "high"\n'
    assert firing_now(rules(state + 'one_of = ["ro"]').rules[0], fleet) == (1, 2)
    assert firing_now(rules(state + 'none_of = ["ro"]').rules[0], fleet) == (1, 2)
    assert firing_now(rules(NIGHTLY % 'metric = "cpu_pct", above = 5').rules[0], fleet) == (0, 0)
    assert firing_now(rules(WEAR).rules[0], fleet) == (0, 0)
    (problem,) = lint_now([hot], fleet[:1] * 20)
    assert problem.error
    assert lint_now(rules(HOT.replace('kind = "level"', 'kind = "level"\nwatch = true')).rules, fleet[:1] * 20) == []


# --- the text ---
def test_the_shipped_file_is_the_sum_of_its_rules() -> None:
    from importlib.resources import files

    text = (files("diagnostics") / "default_rules.toml").read_text(encoding="utf-8")
    chunks = split(text)
    assert [chunk.name for chunk in chunks] == [rule.name for rule in load_default_rules(CATALOGUE).rules]
    lines = text.splitlines()
    for chunk in chunks:
        assert "\n".join(lines[chunk.line - 1 :]).startswith(chunk.text)


def test_a_head_inside_a_text_of_several_lines_begins_no_rule() -> None:
    text = 'x = 1\n[[rule]]\nname = "a"\nreason = """\n[[rule]]\nstill the reason"""\n[[rule]]\nname = \'b\'\n'
    assert [(it.name, it.line) for it in split(text)] == [("", 1), ("a", 2), ("b", 7)]
    assert split("# only words\n") == ()
    assert split("") == ()


def test_a_mistake_is_found_on_its_line() -> None:
    (chunk,) = split('\n# why\n[[rule]]\nname = "a"\nsteps = [{ limit = 5 }]\n')
    assert chunk.line == 2
    assert line_of(chunk, "Expected '=' (at line 3, column 4)") == 4
    assert line_of(chunk, "steps.0: is missing") == 5
    assert line_of(chunk, "limit 5 lies outside") == 5
    assert line_of(chunk, "something else") == 3
    assert line_of(chunk, "Unterminated string (at end of document)") == 5
    assert without_place("Expected '=' (at line 3, column 4)") == "Expected '='"
    assert differences("a\nb\n", "a\nc\n") == ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]
