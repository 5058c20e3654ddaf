"""The book over the rule files: overrides, editions, checks, deeds and the noise budget."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.lint import Sighting
from diagnostics.rule_text import split
from gateway.ports.rule_book import EditionReason, Opened, OutdatedDraft, OutdatedEdition, Watched
from gateway.rules.book import at_start, base_of, changed_names, compose, outdated, rules_of, with_override
from gateway.rules.budget import Budget, Decision, Noise, decide, noise, note
from gateway.rules.check import MAX_RULES
from gateway.rules.desk import MAX_TEXT, RuleRefused
from gateway.rules.engines import Engines, begin
from gateway.rules.keeper import keep_budget
from gateway.rules.overview import overview
from gateway.tickets.ticket import CloseCode
from tests.gateway.rules.desks import BASE, CATALOGUE, DAY, HOT, HOTTER, NEW, NOW, SILENT, WEAK, Room


def text_of(edition, name):
    return next(chunk.text for chunk in split(edition.text) if chunk.name == name)


def says(room_check):
    return [str(mistake) for mistake in room_check.mistakes]


# --- files and overrides --------------------------------------------------------------------------------------------
def test_a_file_is_split_at_its_rules_with_the_comments_above_them() -> None:
    assert [(it.name, it.line) for it in BASE.chunks] == [("hot", 1), ("weak", 17), ("silent", 27)]
    assert compose(BASE, {}) == f"{HOT}\n{WEAK}\n{SILENT}"


def test_an_override_stands_in_its_rules_place_and_a_new_rule_at_the_end() -> None:
    over = with_override(BASE, {}, split(f"{HOTTER}\n{NEW}"), NOW, "dewi")
    assert [it.name for it in split(compose(BASE, over))] == ["hot", "weak", "silent", "weaker"]
    assert changed_names(compose(BASE, {}), compose(BASE, over)) == ["hot", "weaker"]
    assert with_override(BASE, over, split(HOT), NOW, "dewi").keys() == {"weaker"}


async def test_a_start_makes_an_edition_only_when_the_files_are_other_ones() -> None:
    room = Room()
    first = await room.start()
    assert at_start(BASE, first, NOW) is None
    made = await room.desk.activate(HOTTER, 1, "dewi", "", NOW)
    other = base_of(f"{HOT.replace('82', '81')}\n{WEAK}\n{SILENT}", "rules.toml")
    assert outdated(other, made.overrides) == ["hot"]
    assert at_start(other, made, NOW) is None, "the override still says it all"
    newest, warnings = await begin(room.book, other, NOW)
    assert newest == made
    assert warnings == [
        "rule 'hot' was changed in rules.toml under an active override, which stays: "
        "see siaga rules show hot, or siaga rules drop hot to take the file's"
    ]
    newest, warnings = await begin(room.book, base_of(f"{HOT}\n{SILENT}", "rules.toml"), NOW)
    assert (newest.number, newest.reason, warnings) == (3, EditionReason.FILE_CHANGED, [])


async def test_an_engine_leaves_out_what_this_program_cannot_read_and_refuses_an_unknown_edition() -> None:
    room = Room()
    first = await room.start()
    odd = replace(first, number=2, text=first.text.replace('"soc_temp_c"', '"made_up"'))
    rules, problems = rules_of(odd.text, {"weak": Watched(NOW, "dewi", "")}, CATALOGUE)
    assert [(rule.name, rule.watch) for rule in rules.rules] == [("weak", True), ("silent", False)]
    assert "made_up" in problems[0]
    engines = Engines(room.desk.rules_of(first), CATALOGUE)
    engines.learn([first, odd, *(replace(first, number=number) for number in range(3, 9))])
    assert [len(engines(number).rules.rules) for number in (0, 1, 2, 3, 4, 5, 6)] == [3, 3, 2, 3, 3, 3, 3]
    assert engines(6) is engines(6)
    with pytest.raises(ValueError, match="edition 9 are not in the rule book"):
        engines(9)


async def test_reasons_in_indonesian_are_those_of_the_files_and_of_the_editions_that_are_judged_by() -> None:
    told = SILENT.replace("version", 'reason_id = "Perangkat yang diam tidak ada."\nversion')
    room = Room(base_of(f"{HOT}\n{told}", "rules.toml"))
    first = await room.start()
    silent = "A device that says nothing is not there."
    engines = Engines(room.desk.rules_of(first), CATALOGUE)
    assert engines.reasons() == {silent: "Perangkat yang diam tidak ada."}
    hot = HOTTER.replace("version", 'reason_id = "Batas yang dipilih oleh uji ini."\nversion', 1)
    activated = await room.desk.activate(hot, 1, "dewi", "", NOW)
    engines.learn([first, activated])
    engines(activated.number)
    assert engines.reasons() == {
        silent: "Perangkat yang diam tidak ada.",
        "A limit that this test has chosen.": "Batas yang dipilih oleh uji ini.",
    }


# --- checks ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: there is no [[rule]] here"),
        ("x", "line 1: Expected '=' after a key"),
        (HOTTER.replace("soc_temp_c", "sock", 1), "line 7: rule 'hot': metric 'sock' is not in the catalogue"),
        (HOTTER.replace("83, clear = 70", "83, clear = 99"), "line 9: rule 'hot': steps: clear 99 must not lie above"),
        (HOTTER.replace("limit = 83", "limit = 999"), "line 9: rule 'hot': limit 999 lies outside the physical range"),
        (HOTTER.replace('"level"', '"levle"'), "line 6: rule 'hot': kind: 'levle' is none of level"),
        (f"{HOTTER}\n{HOTTER}", "line 17: rule 'hot': stands here twice, first on line 1"),
        (HOT.replace("82", "83"), "line 4: rule 'hot': version is still 1: raise it"),
        (HOTTER.replace("83, clear = 70", "40, clear = 38"), "would fire on most of the fleet: healthy is"),
        (HOTTER.replace('"F07"', '"F99"'), "fault class 'F99' has no texts"),
        (HOTTER.replace('["opened warning"]', "[]"), "example: heat opens: expected nothing; got opened warning"),
        (HOTTER.replace("for_s = 3600", "for_s = 3e7"), "reports, at most 20000: report less often"),
        (HOTTER.replace("for_s = 3600", "for_s = 1e11"), "for_s: must be at most 31622400"),
        (HOTTER + 'broken = "', "line 16: rule 'hot': Unterminated string"),
        (
            HOTTER.replace('"hot"', '"cold"').replace("limit = 83", "limit = 90").replace("[[rule.example]]", "")
            .split("\nsay")[0].replace("steps", 'direction = "below"\nsteps').replace("clear = 70", "clear = 91"),
            "contradicts rule 'hot'",
        ),
    ],
)  # fmt: skip
async def test_a_mistake_is_told_with_its_line_and_what_to_do(text, said) -> None:
    room = Room()
    checked = room.desk.check(text, await room.start())
    assert checked.refused, said
    assert any(said in line for line in says(checked)), says(checked)


async def test_a_draft_that_says_nothing_new_is_told_so() -> None:
    room = Room()
    first = await room.start()
    checked = room.desk.check(HOT, first)
    assert (says(checked), checked.refused) == (["line 1: warning: nothing differs from the rules in force"], False)
    with pytest.raises(RuleRefused, match="nothing differs"):
        await room.desk.activate(HOT, 1, "dewi", "", NOW)
    with pytest.raises(RuleRefused, match="at most"):
        room.desk.check("#" * (MAX_TEXT + 1), first)


async def test_a_draft_of_more_rules_than_anybody_reads_is_refused_before_any_is_judged() -> None:
    room = Room()
    many = "\n".join(f'[[rule]]\nname = "r{number}"\n' for number in range(MAX_RULES + 1))
    checked = room.desk.check(many, await room.start())
    assert (says(checked), checked.refused) == ([f"line 1: {MAX_RULES + 1} rules: at most {MAX_RULES}"], True)


async def test_a_list_of_rules_says_where_each_comes_from_and_which_this_program_cannot_read() -> None:
    room = Room()
    await room.start()
    await room.desk.activate(f"{HOTTER}\n{NEW}", 1, "dewi", "", NOW)
    await room.desk.watch("silent", 2, "dewi", "", NOW)
    await room.ticket("weak@3", "cam-1", CloseCode.NO_FAULT_FOUND)
    newest = await room.desk.newest()
    odd = replace(newest, text=newest.text.replace('"rssi_dbm"', '"made_up"', 1))
    rows = {row.name: row for row in overview(BASE, odd, await room.book.opened(0.0), CATALOGUE)}
    assert {name: row.origin for name, row in rows.items()} == {
        "hot": "override", "weak": "file", "silent": "file", "weaker": "new",
    }  # fmt: skip
    assert [name for name, row in rows.items() if row.silent] == ["silent"]
    assert "made_up" in rows["weak"].problem
    assert rows["weak"].rule is None
    assert rows["weak"].noise.false == 1


@pytest.mark.parametrize(("devices", "refused"), [(30, True), (6, False)])
async def test_a_rule_that_most_of_the_fleet_breaks_now_is_refused_or_in_a_small_fleet_doubted(
    devices, refused
) -> None:
    hot, cool = (Sighting("camera", "m", {"soc_temp_c": value}, {}) for value in (90.0, 50.0))
    room = Room(fleet=[*[hot] * (devices - 2), cool, cool, Sighting("camera", "m", {}, {})])
    checked = room.desk.check(HOTTER, await room.start())
    assert checked.refused is refused
    assert f"would fire on most of the fleet now: {devices - 2} of {devices} devices" in says(checked)[0]


@given(st.text(alphabet="[]rule\"=\n#'x1", max_size=60))
def test_whatever_is_written_is_answered_with_lines_and_never_an_accident(text) -> None:
    room = Room()
    first = at_start(BASE, None, NOW)
    assert first is not None
    assert room.desk.check(text, first).mistakes


# --- deeds ----------------------------------------------------------------------------------------------------
async def test_activating_rolling_back_and_dropping_are_editions_that_name_who_and_why() -> None:
    room, actor = Room(), "dewi"
    await room.start()
    second = await room.desk.activate(f"{HOTTER}\n{NEW}", 1, actor, "warm yards", NOW + 1)
    assert (second.number, second.rule, second.actor, second.note) == (2, "hot, weaker", actor, "warm yards")
    assert text_of(second, "hot") == HOTTER.strip()
    with pytest.raises(OutdatedEdition):
        await room.desk.activate(HOTTER, 1, actor, "", NOW)
    third = await room.desk.back_to_file("weaker", 2, actor, "no use", NOW + 2)
    assert [it.name for it in split(third.text)] == ["hot", "weak", "silent"]
    fourth = await room.desk.roll_back(2, "", 3, actor, "it was", NOW + 3)
    assert (fourth.text, fourth.note) == (second.text, "to edition 2: it was")
    fifth = await room.desk.roll_back(1, "hot", 0, actor, "", NOW + 4)
    assert (text_of(fifth, "hot"), fifth.overrides.keys()) == (HOT.strip(), {"weaker"})
    assert room.woken == 4
    for wrong, what in (
        (room.desk.roll_back(1, "nobody", 0, actor, "", NOW), "was not there in edition 1"),
        (room.desk.roll_back(5, "", 0, actor, "", NOW), "says the same"),
        (room.desk.back_to_file("hot", 0, actor, "", NOW), "is the file's already"),
        (room.desk.restore("hot", 0, actor, "", NOW), "opens tickets already"),
    ):
        with pytest.raises(RuleRefused, match=what):
            await wrong
    for unknown in (
        room.desk.roll_back(9, "", 0, actor, "", NOW),
        room.desk.watch("nobody", 0, actor, "", NOW),
        room.desk.begin("nobody", "", actor, NOW),
        room.desk.write("nothing", 1, "", NOW),
    ):
        with pytest.raises(KeyError):
            await unknown
    assert room.woken == 4
    with pytest.raises(RuleRefused, match="empty"):
        await Room().desk.newest()


async def test_undoing_the_edition_that_made_a_rule_takes_it_out_again() -> None:
    room = Room()
    await room.start()
    await room.desk.activate(NEW, 1, "dewi", "", NOW)
    undone = await room.desk.roll_back(1, "weaker", 2, "dewi", "too many", NOW)
    assert [it.name for it in split(undone.text)] == ["hot", "weak", "silent"]
    assert not undone.overrides


async def test_a_deleted_rule_is_gone_until_it_is_restored_and_a_rule_that_another_names_stays() -> None:
    room, actor = Room(), "dewi"
    await room.start()
    await room.desk.activate(NEW, 1, actor, "", NOW)
    await room.desk.watch("weak", 2, actor, "noisy", NOW)
    gone = await room.desk.delete("weak", 3, actor, "no use", NOW)
    assert (gone.reason, gone.rule, gone.note) == (EditionReason.DELETED, "weak", "no use")
    assert [it.name for it in split(gone.text)] == ["hot", "silent", "weaker"]
    assert not gone.watched
    row = (await room.desk.rules(NOW))[-1]
    assert (row.name, row.origin, row.silent, row.text) == ("weak", "deleted", True, WEAK.strip())
    for wrong, what in (
        (room.desk.delete("weak", 0, actor, "", NOW), "is deleted already"),
        (room.desk.roll_back(4, "", 0, actor, "", NOW), "says the same"),
    ):
        with pytest.raises(RuleRefused, match=what):
            await wrong
    with pytest.raises(KeyError):
        await room.desk.delete("nobody", 0, actor, "", NOW)
    assert at_start(BASE, gone, NOW) is None, "a start does not bring it back"
    changed = base_of(f"{HOT}\n{WEAK.replace('-80', '-81')}\n{SILENT}", "rules.toml")
    assert outdated(changed, gone.overrides) == ["weak"]
    assert outdated(base_of(f"{HOT}\n{SILENT}", "rules.toml"), gone.overrides) == [], "gone from the file as well"
    back = await room.desk.restore("weak", 0, actor, "needed", NOW)
    assert [it.name for it in split(back.text)] == ["hot", "weak", "silent", "weaker"]
    assert (await room.desk.roll_back(4, "weak", 0, actor, "", NOW)).overrides["weak"].text == ""
    assert (await room.desk.delete("weaker", 0, actor, "", NOW)).overrides.keys() == {"weak"}
    explained = HOTTER.replace("min_samples", 'explained_by = ["silent"]\nmin_samples')
    base = base_of(f"{explained}\n{SILENT}", "rules.toml")
    other = Room(base)
    await other.start()
    with pytest.raises(RuleRefused, match="rule 'hot' still names it"):
        await other.desk.delete("silent", 0, actor, "", NOW)


async def test_a_watched_rule_is_watched_in_every_engine_until_it_is_restored_or_gets_a_new_version() -> None:
    room = Room()
    await room.start()
    watched = await room.desk.watch("hot", 1, "dewi", "noisy", NOW)
    assert [rule.watch for rule in rules_of(watched.text, watched.watched, CATALOGUE)[0].rules] == [True, False, False]
    with pytest.raises(RuleRefused, match="watched already"):
        await room.desk.watch("hot", 2, "dewi", "", NOW)
    row = (await room.desk.rules(NOW))[0]
    assert (row.name, row.silent, row.origin) == ("hot", True, "file")
    restored = await room.desk.restore("hot", 2, "dewi", "", NOW)
    assert not restored.watched
    await room.desk.watch("hot", 3, "dewi", "noisy", NOW)
    assert not (await room.desk.activate(HOTTER, 4, "dewi", "", NOW)).watched


async def test_two_people_do_not_overwrite_each_others_draft() -> None:
    room = Room()
    await room.start()
    draft = await room.desk.begin("hot", "", "dewi", NOW)
    assert draft.text == HOT.strip()
    saved = await room.desk.write(draft.draft_id, 1, HOTTER, NOW)
    with pytest.raises(OutdatedDraft):
        await room.desk.write(draft.draft_id, 1, WEAK, NOW)
    assert await room.book.keep_backtest(saved.draft_id, 2, "{}")
    same = await room.desk.write(draft.draft_id, 2, HOTTER, NOW)
    assert same.backtest == "{}"
    assert (await room.desk.write(draft.draft_id, 3, NEW, NOW)).backtest == ""
    with pytest.raises(RuleRefused):
        await room.desk.write(draft.draft_id, 4, "#" * (MAX_TEXT + 1), NOW)


# --- noise ----------------------------------------------------------------------------------------------------
BUDGET = Budget(0.2, 8)


@pytest.mark.parametrize(
    ("kind", "watched", "seen", "decision"),
    [
        ("level", False, Noise(9, 8, 4), Decision.DEMOTE),
        ("level", False, Noise(9, 8, 3), Decision.KEEP_WITHIN),
        ("level", False, Noise(90, 7, 7), Decision.KEEP_TOO_FEW),
        ("level", True, Noise(9, 9, 9), Decision.KEEP_WATCHED),
        ("silence", False, Noise(9, 9, 9), Decision.KEEP_SILENCE),
        ("level", False, Noise(), Decision.KEEP_TOO_FEW),
    ],
)
def test_a_rule_is_demoted_when_surely_more_than_the_budget_was_false(kind, watched, seen, decision) -> None:
    assert decide(kind, watched, seen, BUDGET) is decision


def test_only_what_a_person_judged_counts() -> None:
    codes = [*CloseCode, None]
    seen = noise(Opened("hot@1", code, 2) for code in codes)
    assert (seen.opened, seen.judged, seen.false) == (2 * len(codes), 10, 2)
    assert seen.share == 0.2
    assert Noise().share is None
    assert note(Noise(9, 8, 4), BUDGET) == (
        "4 of 8 judged tickets in 90 days were false (22 to 78 %); the budget is 20 %"
    )


@given(st.integers(0, 60), st.integers(0, 60))
def test_more_false_tickets_never_save_a_rule(judged, false) -> None:
    if false < judged:
        some, more = (decide("level", False, Noise(judged, judged, it), BUDGET) for it in (false, false + 1))
        assert (some is not Decision.DEMOTE) or more is Decision.DEMOTE


async def test_the_budget_demotes_by_name_once_and_counts_anew_after_a_restoration() -> None:
    room = Room()
    await room.start()
    for number in range(5):
        await room.ticket("hot@1", f"cam-{number}", CloseCode.NO_FAULT_FOUND)
        await room.ticket("weak@3", f"dev-{number}", CloseCode.PART_REPLACED)
    await room.ticket("hot@1", "old", CloseCode.NO_FAULT_FOUND, NOW - 100 * DAY)
    (demoted,) = await keep_budget(room.desk, NOW)
    assert (demoted.reason, demoted.rule, demoted.actor) == (EditionReason.DEMOTED, "hot", "siaga")
    assert demoted.watched["hot"].note.startswith("5 of 5 judged tickets in 90 days were false (57 to 100 %)")
    assert await keep_budget(room.desk, NOW) == []
    await room.desk.restore("hot", 0, "dewi", "the label was wrong", NOW)
    assert await keep_budget(room.desk, NOW + 60) == [], "what was before the restoration is forgiven"
    for number in range(4):
        await room.ticket("hot@1", f"new-{number}", CloseCode.NO_FAULT_FOUND, NOW + 3600)
    assert len(await keep_budget(room.desk, NOW + 7200)) == 1
