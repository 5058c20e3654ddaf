"""Rules, fault classes and the catalogue as files: read once, or refused in one line that says what to do."""

import pytest

from diagnostics.catalogue import load_catalogue, parse_catalogue
from diagnostics.faults import check_fault_classes, load_faults, parse_faults
from diagnostics.lint import Sighting, lint, lint_now
from diagnostics.problems import RuleFileError
from diagnostics.rule_file import RuleSet, load_default_rules, metrics_of, parse_rules
from diagnostics.ruletest import failures
from tests.diagnostics.fleets import CATALOGUE, HOT, rules

FAULTS = load_faults()
SHIPPED = load_default_rules(CATALOGUE)


def rule(kind: str, body: str) -> str:
    return (
        '[[rule]]\nname = "r"\nversion = 1\nfault_class = "F07"\n'
        f'reason = "a number that this test has chosen"\nkind = "{kind}"\n{body}\n'
    )


STEPS = 'steps = [{ severity = "warning", limit = 1 }]'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule", "f.toml:1: "),
        ("[rules]\n", "only \\[\\[rule\\]\\] tables"),
        (
            rule("level", f'metric = "soc_temp"\n{STEPS}'),
            "f.toml:7: rule 'r': metric 'soc_temp' is not in the catalogue",
        ),
        (rule("lavel", STEPS), "rule 'r': "),
        (rule("level", f'reason_id = "short"\nmetric = "soc_temp_c"\n{STEPS}'), "f.toml:7: rule 'r': reason_id: "),
        (rule("level", f'reason_id = ""\nmetric = "soc_temp_c"\n{STEPS}'), "reason_id: String should have at least 20"),
        (rule("level", f'reason_id = 5\nmetric = "soc_temp_c"\n{STEPS}'), "reason_id: must be a text in quotes"),
        (rule("level", f'metric = "soc_temp_c"\ncolour = 1\n{STEPS}'), "colour: is not a known setting"),
        (rule("level", 'metric = "soc_temp_c"'), "steps: is missing"),
        (rule("level", 'metric = "soc_temp_c"\nsteps = []'), "at least one severity step"),
        (rule("level", 'metric = "soc_temp_c"\nsteps = [{ severity = "awful", limit = 1 }]'), "severity is one of"),
        (
            rule(
                "level",
                'metric = "soc_temp_c"\nsteps = [{ severity = "high", limit = 90 }, { severity = "high", limit = 95 }]',
            ),
            "worse severity",
        ),
        (
            rule("level", 'metric = "soc_temp_c"\nsteps = [{ severity = "high", limit = 90, clear = 95 }]'),
            "clear 95 must not lie above its limit",
        ),
        (
            rule("level", 'metric = "soc_temp_c"\nsteps = [{ severity = "high", limit = 900 }]'),
            "outside the physical range",
        ),
        (rule("level", f'metric = "fps_actual"\nper = "fps_target"\nof = "day_min"\n{STEPS}'), "per: a ratio"),
        (rule("level", f'metric = "fps_actual"\naverage_s = 9\nof = "day_min"\n{STEPS}'), "average_s: only"),
        (rule("count", f'of = "boots"\nmetric = "fs_err_cnt"\nwindow_s = 9\n{STEPS}'), "give neither"),
        (rule("count", f'of = "events"\nwindow_s = 9\n{STEPS}'), "give topic"),
        (rule("count", f'of = "increments"\nmetric = "poe_v"\nwindow_s = 9\n{STEPS}'), "'poe_v' is a gauge"),
        (rule("count", f'of = "increments"\nmetric = "poe"\nwindow_s = 9\n{STEPS}'), "'poe' is not in the catalogue"),
        (rule("state", 'state = "recording"\nseverity = "high"'), "exactly one of"),
        (
            rule("state", 'state = "recroding"\none_of = ["off"]\nseverity = "high"'),
            "state 'recroding' is not in the catalogue",
        ),
        (
            rule("state", 'state = "recording"\none_of = ["oof"]\nseverity = "high"'),
            "never 'oof': it is one of on",
        ),
        (rule("forecast", f'metric = "soc_temp_c"\nmin_points = 20\nmax_points = 10\n{STEPS}'), "must not exceed"),
        (rule("forecast", f'metric = "soc_temp_c"\nexact = true\nfrom_level = 5\n{STEPS}'), "needs no from_level"),
        (rule("frozen", f'metric = "fps_target"\n{STEPS}'), "may stand still"),
        (rule("silence", 'steps = [{ severity = "high", limit = 0.5 }]'), "not before"),
        (
            rule("signature", f'span_s = 1\nwindow_s = 1\nsigns = [{{ say = "x", boot = true }}]\n{STEPS}'),
            "two signs or more",
        ),
        (rule("signature", f'span_s = 1\nwindow_s = 1\nsigns = [{{ say = "x" }}]\n{STEPS}'), "exactly one of"),
        (
            rule("signature", f'span_s = 1\nwindow_s = 1\nsigns = [{{ say = "x", metric = "poe_v" }}]\n{STEPS}'),
            "has above or below",
        ),
        (
            rule("signature", f'span_s = 1\nwindow_s = 1\nsigns = [{{ say = "x", state = "recording" }}]\n{STEPS}'),
            "has one_of",
        ),
        (rule("level", f'metric = "soc_temp_c"\nwhen = [{{ }}]\n{STEPS}'), "names one state or one metric"),
        (rule("level", f'metric = "soc_temp_c"\nwhen = [{{ state = "recording" }}]\n{STEPS}'), "one_of or none_of"),
        (rule("level", f'metric = "soc_temp_c"\nwhen = [{{ metric = "lux" }}]\n{STEPS}'), "above or below"),
        (rule("level", f'metric = "soc_temp_c"\n{STEPS}') * 2, r"f.toml:\d+: rule 'r': the name is used twice"),
        ("a = " + "[" * 3000 + "]" * 3000, "f.toml: lists within lists"),
        ("x" * 4_000_001, "f.toml: 4000001 characters"),
        ("[[rule]]\n" * 2001, "f.toml: 2001 rules: at most 2000"),
        ("rule = [1, 2]\n", "only \\[\\[rule\\]\\] tables"),
        (rule("level", "").replace('kind = "level"\n', ""), "rule 'r': kind: is missing"),
        (rule("level", f'metric = "soc_temp_c"\n{STEPS}').replace('"r"', "7"), "rule '7': name: must be a text in"),
        (rule("level", f'metric = "soc_temp_c"\n{STEPS}').replace('"r"', '"Ü"'), "name: has letters that cannot"),
        (
            rule("level", 'metric = "soc_temp_c"\nsteps = [{ severity = "high", limit = nan }]'),
            "limit: must be a finite",
        ),
        (
            rule("level", 'metric = "soc_temp_c"\nsteps = [{ severity = "high", limit = true }]'),
            "limit: must be a number",
        ),
        (
            rule("level", 'metric = "soc_temp_c"\nsteps = [{ severity = "high", limit = "9" }]'),
            "limit: must be a number",
        ),
        (rule("level", f'metric = "soc_temp_c"\nfor_s = 1e12\n{STEPS}'), "for_s: must be at most 31622400"),
        (rule("count", f'of = "boots"\nwindow_s = -5\n{STEPS}'), "window_s: must be more than 0"),
        (rule("count", f'of = "boots"\nwindow_s = inf\n{STEPS}'), "window_s: must be a finite number"),
        (rule("peer", f'metric = "soc_temp_c"\nmin_peers = 200\n{STEPS}'), "min_peers: must be at most 60"),
        (
            rule(
                "level",
                'metric = "soc_temp_c"\nsteps = [{ severity = "warning", limit = 82, clear = 70 }, '
                '{ severity = "high", limit = 88, clear = 60 }]',
            ),
            "the worse severity would outlast the milder one: its clear 60 must not lie beyond 70",
        ),
        (
            rule("level", f'metric = "soc_temp_c"\n{STEPS}')
            + '[[rule.example]]\nsay = "x"\nsegments = [{ for_s = 9, metrics = { soc_temp = 9 } }]\nexpect = []\n',
            "f.toml:11: rule 'r': example: x: metric 'soc_temp' is not in the catalogue",
        ),
        (
            rule("level", f'metric = "soc_temp_c"\n{STEPS}') + '[[rule.example]]\nsay = "x"\nexpect = []\n'
            "segments = [{ for_s = 9, metrics = { soc_temp_c = [50, 900] } }]\n",
            "example: x: soc_temp_c = 900, but it lies from -40 to 130",
        ),
        (
            rule("level", f'metric = "soc_temp_c"\n{STEPS}') + '[[rule.example]]\nsay = "x"\nexpect = ["fires"]\n'
            "segments = [{ for_s = 9, metrics = { soc_temp_c = 50 } }]\n",
            "'fires' is no change: opened, raised or lowered",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_in_one_line(text, says):
    with pytest.raises(RuleFileError, match=says) as refused:
        parse_rules(text, "f.toml", CATALOGUE)
    assert str(refused.value).startswith("f.toml")
    assert "\n" not in str(refused.value)


def test_rule_sets_can_be_joined_and_looked_up():
    both = rules(HOT) + rules(HOT.replace('"hot"', '"other"'))
    assert list(both.by_name()) == ["hot", "other"]
    with pytest.raises(RuleFileError, match="used twice"):
        _ = both + both


def test_guards_on_metrics_hold_between_their_bounds():
    [guarded] = rules(
        HOT.replace("clear_samples", 'when = [{ metric = "lux", above = 5, below = 9 }]\nclear_samples')
    ).rules
    [guard] = guarded.when
    assert [guard.holds({"lux": value}, {}) for value in (5.0, 6.0, 9.0)] == [False, True, False]
    assert not guard.holds({}, {})
    assert "lux" in metrics_of(guarded)


# --- what is shipped --------------------------------------------------------------------------------------------------
def test_the_shipped_rules_do_what_their_examples_say():
    assert [str(failed) for failed in failures(SHIPPED, CATALOGUE)] == []


def test_the_shipped_rules_have_no_errors():
    assert [str(problem) for problem in lint(SHIPPED, CATALOGUE, FAULTS) if problem.error] == []


def test_every_shipped_fault_class_is_told_in_both_languages():
    check_fault_classes(SHIPPED.rules, FAULTS)
    for fault in FAULTS.values():
        for text in (fault.name, fault.cause, fault.notice, fault.support, fault.customer, fault.article):
            assert text.words("en") == text.en != text.id == text.words("id") or text.en == "Nothing."


def test_every_metric_has_words_for_customers():
    for entry in (*CATALOGUE.metric.values(), *CATALOGUE.state.values()):
        assert entry.words("en") == entry.en
        assert entry.words("id") == entry.id
    assert CATALOGUE.metric["kbps"].noise_at(-1000) == pytest.approx(60)
    assert CATALOGUE.possible("poe_v", 48)
    assert not CATALOGUE.possible("poe_v", 480)
    assert CATALOGUE.possible("unheard_of", 1e9)
    assert not CATALOGUE.possible("unheard_of", float("inf"))


def test_a_rule_of_a_class_without_texts_is_refused():
    with pytest.raises(RuleFileError, match=r"F07' is not in faults\.toml"):
        check_fault_classes(rules(HOT).rules, {})


METRIC = '[metric.x]\nunit = "V"\nrange = [0, 10]\nhealthy = [2, 8]\nmeaning = "m"\nen = "e"\nid = "i"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[metric", "m.toml: "),
        ("[metric.x]\nunit = 'V'\n", "metric.x.range: is missing"),
        (METRIC.replace("[2, 8]", "[2, 80]"), "healthy must lie inside range"),
        (METRIC + 'kind = "counter"\nfrozen = true', "a counter may stand still"),
    ],
)
def test_a_catalogue_that_cannot_be_is_refused_in_one_line(text, says):
    with pytest.raises(RuleFileError, match=says):
        parse_catalogue(text, "m.toml")


@pytest.mark.parametrize(("text", "says"), [("[fault", "f.toml: "), ("[fault.F01]\nname = 1\n", "fault.F01.name")])
def test_fault_classes_that_cannot_be_are_refused_in_one_line(text, says):
    with pytest.raises(RuleFileError, match=says):
        parse_faults(text, "f.toml")


def test_the_catalogue_is_read_once_as_shipped():
    assert load_catalogue() == CATALOGUE


# --- lints ------------------------------------------------------------------------------------------------------------
def problems(text: str, *, errors_only: bool = True) -> list[str]:
    return [str(found) for found in lint(rules(text), CATALOGUE, FAULTS) if found.error or not errors_only]


def level(body: str, name: str = "r", metric: str = "soc_temp_c") -> str:
    return f'[[rule]]\nname = "{name}"\nkind = "level"\nmetric = "{metric}"\n{body}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (level('steps = [{ severity = "high", limit = 40 }]'), "would fire on most of the fleet"),
        (level('direction = "below"\nsteps = [{ severity = "high", limit = 75 }]'), "would fire on most of the fleet"),
        (level('steps = [{ severity = "high", limit = 90, clear = 10 }]'), "can never recover"),
        (level('steps = [{ severity = "high", limit = 130 }]'), "edge of the physical range"),
        (
            level('direction = "below"\nsteps = [{ severity = "high", limit = 20 }]', metric="rh_in_pct").replace(
                "20", "0"
            ),
            "edge of the physical range",
        ),
        (level('relative = "usual"\nsteps = [{ severity = "high", limit = 0.5 }]'), "1.0 is usual"),
        (
            level('when = [{ metric = "poe_v", above = 70 }]\nsteps = [{ severity = "high", limit = 90 }]'),
            "can never fire",
        ),
        (
            level(
                'when = [{ state = "daynight", one_of = ["day"] }, { state = "daynight", one_of = ["night"] }]\n'
                'steps = [{ severity = "high", limit = 90 }]'
            ),
            "exclude each other",
        ),
        (
            level('steps = [{ severity = "high", limit = 90 }]')
            + level('direction = "below"\nsteps = [{ severity = "high", limit = 95 }]', "other"),
            "contradicts rule 'r'",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "forecast"\nmetric = "mem_used_pct"\nlimit = 200\n'
            'steps = [{ severity = "high", limit = 5 }]\n',
            "can never be reached",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "forecast"\nmetric = "mem_used_pct"\nlimit = 90\nfrom_level = 95\n'
            'steps = [{ severity = "high", limit = 5 }]\n',
            "can never fire in time",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "forecast"\nmetric = "mem_used_pct"\nlimit = 90\n'
            'steps = [{ severity = "high", limit = 500 }]\n',
            "more than a year",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "peer"\nmetric = "mem_used_pct"\n'
            'steps = [{ severity = "high", limit = -5 }]\n',
            "half of all devices",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "count"\nof = "boots"\nwindow_s = 60\n'
            'steps = [{ severity = "high", limit = 0 }]\n',
            "count at least 1",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "signature"\nspan_s = 60\nwindow_s = 60\n'
            'signs = [{ say = "a", boot = true }, { say = "b", boot = true, within_s = 90 }]\n'
            'steps = [{ severity = "high", limit = 1 }]\n',
            "after the span has ended",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "state"\nstate = "recording"\none_of = ["on"]\nseverity = "high"\n'
            '[[rule]]\nname = "s"\nkind = "state"\nstate = "recording"\nnone_of = ["on"]\nseverity = "high"\n',
            "together they always fire",
        ),
        (level('site_class = "F44"\nsteps = [{ severity = "high", limit = 90 }]'), "without site_share_max"),
        (level('site_share_max = 0.5\nsite_class = "F99"\nsteps = [{ severity = "high", limit = 90 }]'), "no texts"),
        (
            level('when = [{ metric = "soc_temp_c", below = 80 }]\nsteps = [{ severity = "high", limit = 90 }]'),
            "can never fire: its guard on 'soc_temp_c' ends at 80, its limit is 90",
        ),
        (
            level(
                'direction = "below"\nwhen = [{ metric = "poe_v", above = 45 }]\n'
                'steps = [{ severity = "high", limit = 44 }]',
                metric="poe_v",
            ),
            "ends at 45, its limit is 44",
        ),
        (
            level(
                'when = [{ metric = "lux", above = 9 }, { metric = "lux", below = 5 }]\n'
                'steps = [{ severity = "high", limit = 90 }]'
            ),
            "its guards on 'lux' exclude each other",
        ),
        (
            level(
                'when = [{ state = "audio", known = true }, { state = "audio", known = false }]\n'
                'steps = [{ severity = "high", limit = 90 }]'
            ),
            "its guards on state 'audio' exclude each other",
        ),
        (
            level(
                'when = [{ state = "audio", one_of = ["on"] }, { state = "audio", known = false }]\n'
                'steps = [{ severity = "high", limit = 90 }]'
            ),
            "its guards on state 'audio' exclude each other",
        ),
        (level('per = "soc_temp_c"\nsteps = [{ severity = "high", limit = 2 }]'), "is always 1"),
        (
            '[[rule]]\nname = "r"\nkind = "count"\nof = "boots"\nwindow_s = 60\n'
            'steps = [{ severity = "high", limit = 50 }]\n',
            "50 boots do not fit into window_s = 60",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "signature"\nspan_s = 60\nwindow_s = 60\n'
            'signs = [{ say = "a", metric = "poe_v", below = -5 }, { say = "b", boot = true }]\n'
            'steps = [{ severity = "high", limit = 40 }]\n',
            "40 times do not fit into window_s = 60",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "signature"\nspan_s = 60\nwindow_s = 60\n'
            'signs = [{ say = "a", metric = "poe_v", below = -5 }, { say = "b", boot = true }]\n'
            'steps = [{ severity = "high", limit = 1 }]\n',
            "no value of 'poe_v' gives the sign 'a'",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "forecast"\nmetric = "mem_used_pct"\nlimit = 10\n'
            'steps = [{ severity = "high", limit = 5 }]\n',
            "lies past limit 10",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "baseline"\nmetric = "kbps"\nsteps = [{ severity = "high", limit = 0.1 }]\n',
            "fire on every device again and again",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "frozen"\nmetric = "soc_temp_c"\n'
            'steps = [{ severity = "high", limit = 1 }]\n',
            "count at least 2 samples",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "silence"\nsteps = [{ severity = "high", limit = 1e9 }]\n',
            "months or years of silence",
        ),
        *(
            (
                f'[[rule]]\nname = "r"\nkind = "silence"\n{body}\nsteps = [{{ severity = "high", limit = 1 }}]\n',
                f"r': {body.partition(' ')[0]}: who is silent says nothing more",
            )
            for body in (
                "for_s = 600",
                "site_wait_s = 600",
                "settle_s = 600",
                'when = [{ state = "recording", one_of = ["on"] }]',
            )
        ),
        (
            '[[rule]]\nname = "r"\nkind = "silence"\nmin_samples = 2\nsteps = [{ severity = "high", limit = 1 }]\n',
            "gives no second sample",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "state"\nstate = "daynight"\none_of = ["day", "night"]\nseverity = "high"\n',
            "these are all the words of 'daynight'",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "state"\nstate = "daynight"\nnone_of = ["day", "night"]\nseverity = "high"\n',
            "'daynight' has no other words",
        ),
        (
            '[[rule]]\nname = "r"\nkind = "state"\nstate = "firmware"\ndiffers_from = "firmware"\nseverity = "high"\n',
            "never differs from itself",
        ),
        (
            level('steps = [{ severity = "high", limit = 90 }]')
            + '[[rule.example]]\nsay = "x"\nevery_s = 1\nexpect = []\n'
            "segments = [{ for_s = 30000, metrics = { soc_temp_c = 50 } }]\n",
            "example: x: takes 30000 reports, at most 20000",
        ),
        (
            level('explained_by = ["s"]\nsteps = [{ severity = "high", limit = 90 }]')
            + level(
                'site_share_max = 0.5\napplies_to = { kinds = ["camera"] }\n'
                'steps = [{ severity = "high", limit = 300 }]',
                "s",
                "rtt_ms",
            ),
            "nothing hangs on a camera",
        ),
        (level('explained_by = ["nobody"]\nsteps = [{ severity = "high", limit = 90 }]'), "names no rule 'nobody'"),
        (
            level('explained_by = ["s"]\nsteps = [{ severity = "high", limit = 90 }]')
            + level('steps = [{ severity = "high", limit = 300 }]', "s", "rtt_ms"),
            "does not watch its site",
        ),
        (level('fault_class = "F99"\nsteps = [{ severity = "high", limit = 90 }]'), "has no texts"),
    ],
)
def test_a_rule_that_would_do_harm_is_an_error(text, says):
    assert any(says in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    "text",
    [
        level('steps = [{ severity = "high", limit = 90, clear = 80 }]'),
        level('direction = "below"\nsteps = [{ severity = "high", limit = 44 }]', metric="poe_v"),
        level('when = [{ metric = "soc_temp_c", below = 120 }]\nsteps = [{ severity = "high", limit = 90 }]'),
        level('when = [{ metric = "soc_temp_c", above = 20 }]\nsteps = [{ severity = "high", limit = 90 }]'),
        level(
            'when = [{ metric = "lux", above = 5 }, { metric = "lux", below = 9 }]\n'
            'steps = [{ severity = "high", limit = 90 }]'
        ),
        level('steps = [{ severity = "high", limit = 1 }]', metric="fs_err_cnt")
        .replace("fs_err_cnt", "crc_per_1e6")
        .replace("limit = 1", "limit = 50"),
        level('steps = [{ severity = "high", limit = 90 }]')
        + level(
            'when = [{ state = "daynight", one_of = ["day"] }, { state = "daynight", none_of = ["night"] }]\n'
            'steps = [{ severity = "high", limit = 95 }]',
            "s",
        ),
        level('steps = [{ severity = "high", limit = 90 }]')
        + level('direction = "below"\nsteps = [{ severity = "high", limit = 5 }]', "s"),
        level('steps = [{ severity = "high", limit = 90 }]')
        + level('steps = [{ severity = "high", limit = 300 }]', "s", "rtt_ms"),
        '[[rule]]\nname = "r"\nkind = "state"\nstate = "recording"\none_of = ["off"]\nseverity = "high"\n'
        '[[rule]]\nname = "s"\nkind = "state"\nstate = "sd_state"\nnone_of = ["rw"]\nseverity = "high"\n'
        '[[rule]]\nname = "t"\nkind = "state"\nstate = "recording"\nnone_of = ["on"]\nseverity = "high"\n',
    ],
)
def test_a_sound_rule_has_no_errors(text):
    assert problems(text) == []


def test_overlaps_and_missing_examples_are_warnings():
    found = problems(
        level('steps = [{ severity = "high", limit = 90 }]')
        + level('steps = [{ severity = "high", limit = 90 }]', "s"),
        errors_only=False,
    )
    assert any("says the same as rule 'r'" in said and "warning" in said for said in found)
    assert any("has no example" in said for said in found)
    found = problems(
        level('steps = [{ severity = "high", limit = 90 }]')
        + level('for_s = 600\nsteps = [{ severity = "high", limit = 90 }]', "s"),
        errors_only=False,
    )
    assert any("overlaps rule 'r'" in said and "warning" in said for said in found)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("average_s = 5", "hold a single report of most devices"),
        ("for_s = 1e6\nmin_samples = 2", "waits 11.5741 days"),
        ('site_share_max = 0.5\nexplained_by = ["r"]', "explains itself"),
        ('site_share_max = 0.5\nexplained_by = ["r", "nobody"]', "explains itself"),
    ],
)
def test_what_is_doubtful_is_a_warning(body, says):
    found = problems(level(f'{body}\nsteps = [{{ severity = "high", limit = 90 }}]'), errors_only=False)
    assert any(f"warning: {says}" in said or (says in said and "warning" in said) for said in found), found


def test_two_rules_that_explain_each_other_are_told():
    pair = level('site_share_max = 0.5\nexplained_by = ["s"]\nsteps = [{ severity = "high", limit = 90 }]') + level(
        'site_share_max = 0.5\nexplained_by = ["r"]\nsteps = [{ severity = "high", limit = 300 }]', "s", "rtt_ms"
    )
    assert sum("explains itself" in said for said in problems(pair, errors_only=False)) == 2


def test_a_rule_that_judges_nobody_here_is_a_warning():
    here = [Sighting("camera", "lensa-d2", {"soc_temp_c": 50.0}, {})]
    [hot] = rules(level('steps = [{ severity = "high", limit = 90 }]')).rules
    assert lint_now([hot], here) == []
    [other] = rules(level('steps = [{ severity = "high", limit = 90 }]', metric="fan_rpm_sd_pct")).rules
    [problem] = lint_now([other], here)
    assert "none of the 1 devices it applies to sends 'fan_rpm_sd_pct'" in str(problem)
    [typo] = rules(level('applies_to = { models = ["lense"] }\nsteps = [{ severity = "high", limit = 90 }]')).rules
    [problem] = lint_now([typo], here)
    assert "applies to none of the 1 devices here" in str(problem)
    assert not problem.error
    [seen] = rules(level('steps = [{ severity = "high", limit = 30 }]', metric="seen_clock_offset_s")).rules
    assert lint_now([seen], here) == []


# --- examples ---------------------------------------------------------------------------------------------------------
EXAMPLE = """
[[rule.example]]
say = "hot for a while"
segments = [
  { for_s = 3600, metrics = { soc_temp_c = [50, 60] }, noise = { soc_temp_c = 0.5 } },
  { for_s = 3600, metrics = { soc_temp_c = 85 }, boot = true, events = ["a/b"] },
]
expect = ["opened warning"]

[[rule.example]]
say = "wrong on purpose"
segments = [{ for_s = 3600, metrics = { soc_temp_c = 50 } }]
expect = ["opened warning"]
"""


def test_an_example_that_gives_something_else_says_what():
    [failed] = failures(rules(HOT + EXAMPLE), CATALOGUE)
    assert str(failed) == "rule 'hot': wrong on purpose: expected opened warning; got nothing"


def test_examples_may_have_peers_and_silence():
    text = """
[[rule]]
name = "silent"
kind = "silence"
fault_class = "OFFLINE"
clear_samples = 1
steps = [{ severity = "high", limit = 1 }]

[[rule.example]]
say = "alone"
every_s = 60
peers = { count = 3, metrics = { cpu_pct = 10 } }
segments = [
  { for_s = 600, metrics = { cpu_pct = 10 } },
  { for_s = 600, silent = true },
  { for_s = 180, metrics = { cpu_pct = 10 } },
]
expect = ["opened high", "recovered"]

[[rule.example]]
say = "with everybody"
every_s = 60
peers = { count = 3, silent = true }
segments = [{ for_s = 60, metrics = { cpu_pct = 10 } }, { for_s = 900, silent = true }]
expect = ["site opened critical"]
"""
    assert [str(failed) for failed in failures(rules(text), CATALOGUE)] == []


def test_an_empty_rule_set_is_a_rule_set():
    assert parse_rules("", "f.toml", CATALOGUE) == RuleSet(())
