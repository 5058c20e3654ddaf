"""The console's rule pages: plain words with units, drafts of two people, backtests with names and charts, deletion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Evidence
from diagnostics.faults import load_faults
from diagnostics.rule_file import load_default_rules, parse_rules
from diagnostics.rule_text import split
from gateway.web.knowledge import Knowledge
from gateway.web.language import speak
from gateway.web.rule_backtests import shift_words
from gateway.web.rule_diff import by_rule, marked
from gateway.web.rule_words import facts, kind_words, looks_at, number, span, steps
from tests.gateway.rules.desks import BASE, HOT, HOTTER, NEW, WEAK
from tests.gateway.web.test_rules_api import YARD
from tests.gateway.web.world import NOW, open_ticket

CATALOGUE = load_catalogue()
KNOW = Knowledge(load_faults(), CATALOGUE)
LOW = YARD.replace("limit = 82, clear = 60", "limit = 59, clear = 50")
DAY, HOUR = 86_400.0, 3600.0


@pytest.fixture(autouse=True)
def in_english():
    speak("en")
    yield
    speak("en")


# --- words ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("spoken", ["en", "id"])
def test_every_shipped_rule_is_said_in_plain_words_with_no_name_of_a_setting(spoken) -> None:
    speak(spoken)
    for rule in load_default_rules(CATALOGUE).rules:
        said = [words for pair in facts(rule, KNOW) for words in pair] + [kind_words(rule.kind)]
        said += [part for step in steps(rule, KNOW) for part in (step.severity, step.past)]
        assert all(said), rule.name
        assert [it for it in said if "%(" in it or "_s" in it.split()] == [], rule.name


def test_no_plain_words_of_a_shipped_rule_are_english_in_indonesian() -> None:
    for rule in load_default_rules(CATALOGUE).rules:
        speak("en")
        english = [what for what, _how in facts(rule, KNOW)], looks_at(rule, KNOW)
        speak("id")
        assert not {what for what, _how in facts(rule, KNOW)} & set(english[0]), rule.name
        assert looks_at(rule, KNOW) != english[1], rule.name


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "Temperature inside the device"),
        ("average_s = 3600", "Temperature inside the device, mean over 1 hour"),
        (
            'of = "day_max"\nrelative = "usual"',
            ", highest of the last complete day, against its own usual value (14 days)",
        ),
        ('per = "cpu_pct"', "Temperature inside the device, divided by Processor load"),
    ],
)
def test_a_level_says_what_it_looks_at(more, said) -> None:
    (rule,) = parse_rules(HOT.replace("min_samples", f"{more}\nmin_samples"), "x", CATALOGUE).rules
    assert looks_at(rule, KNOW).endswith(said)


def test_limits_and_times_are_said_exactly_and_with_their_unit() -> None:
    (rule,) = parse_rules(HOT.replace("min_samples", "for_s = 5400\nmin_samples"), "x", CATALOGUE).rules
    assert [(it.severity, it.past, it.again) for it in steps(rule, KNOW)] == [
        ("Warning", "from 82\u00a0°C up", "until 70\u00a0°C or less")
    ]
    assert dict(facts(rule, KNOW))["Fires after"] == "1.5 hours and 2 reports"
    bare = parse_rules(WEAK.replace(", clear = -70", ""), "x", CATALOGUE).rules[0]
    assert [(it.past, it.again) for it in steps(bare, KNOW)] == [("from −80\u00a0dBm down", "")]
    assert [span(it) for it in (0.5, 60, 100, 900, HOUR, 5400, DAY, 1.5 * DAY)] == [
        "0.5 seconds", "1 minute", "100 seconds", "15 minutes", "1 hour", "1.5 hours", "1 day", "1.5 days",
    ]  # fmt: skip
    assert (number(0.005), number(12345.678)) == ("0.005", "12,345.678")
    speak("id")
    assert (number(0.005), span(5400)) == ("0,005", "1,5 jam")


def test_a_ticket_that_moves_says_by_how_much() -> None:
    said = [shift_words(it) for it in (0.0, -27.5 * HOUR, 3 * DAY, 90.0, -20.0)]
    assert said == ["", "27.5 hours earlier", "3 days later", "1.5 minutes later", "20 seconds earlier"]


# --- diffs ------------------------------------------------------------------------------------------------------------
def test_a_diff_names_each_rule_and_marks_the_words_that_changed() -> None:
    text = "\n\n".join(chunk.text for chunk in BASE.chunks)
    after = text.replace(HOT.strip(), HOTTER.strip()).replace(WEAK.strip(), NEW.strip())
    assert [(it.name, it.kind) for it in by_rule(text, after)] == [
        ("hot", "changed"),
        ("weaker", "new"),
        ("weak", "gone"),
    ]
    lines = marked("a = 1\nlimit = 44, clear = 45\nz", "a = 1\nlimit = 46, clear = 45\nz")
    assert [(line.kind, [part for changed, part in line.parts if changed]) for line in lines] == [
        ("same", []), ("gone", ["44"]), ("come", ["46"]), ("same", []),
    ]  # fmt: skip
    apart = marked("\n".join("abcdefghijkl"), "\n".join("xbcdefghijky"))
    assert [line.kind for line in apart].count("gap") == 1
    long = "y" * 3000
    assert marked(long, f"{long}z")[0].parts == ((False, long),)
    assert marked("same", "same") == ()


@given(
    st.lists(st.sampled_from(["a", "b = 1", "c = 2", ""]), max_size=8),
    st.lists(st.text("ab1 =", max_size=6), max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_a_diff_loses_no_line_that_comes_or_goes(before, after) -> None:
    lines = marked("\n".join(before), "\n".join(after))
    for kind, whole in (("gone", before), ("come", after)):
        shown = ["".join(part for _, part in line.parts) for line in lines if line.kind == kind]
        assert all(text in whole for text in shown)


# --- pages ------------------------------------------------------------------------------------------------------------
async def backtested(dewi, world) -> str:
    answer = await dewi.send("/staff/rules/drafts", "/staff/rules")
    draft = answer.headers["Location"]
    await dewi.send(draft, draft, version="1", text=LOW, act="backtest", days="14", devices="")
    assert "Backtest waits for its turn" in await dewi.page(f"{draft}/backtest")
    await world.rules._work(await world.rules._queue.get())
    return draft


async def test_each_ticket_that_differs_has_names_and_a_chart_with_both_limits(person, world) -> None:
    dewi = await person("dewi")
    draft = await backtested(dewi, world)
    page = await dewi.page(draft)
    assert 'href="/staff/devices/' in page
    assert 'href="/staff/customers/' in page
    case = await dewi.page(f"{draft}/cases/0")
    assert "No ticket." in case
    assert "It has no such rule." in case
    assert "from 59\u00a0°C up" in case
    drawn = await (await dewi.get(f"{draft}/cases/0/chart.json")).json()
    assert (drawn["metric"], drawn["unit"], drawn["marks"][0]["text"]) == ("soc_temp_c", "°C", "opens by the draft")
    assert [it["value"] for it in drawn["limits"]] == [59]
    assert drawn["start"] < drawn["marks"][0]["at"] <= drawn["end"] <= NOW
    for gone in ("999", "0/chart.json"):
        await dewi.send(draft, draft, version="2", text=LOW + "\n# anew\n")
        assert (await dewi.get(f"{draft}/cases/{gone}")).status == 303
    sari = await person("sari")
    for path in ("", "/cases/0", "/cases/0/chart.json", "/backtest"):
        assert (await sari.get(draft + path)).status == 404


async def test_a_changed_limit_is_drawn_beside_the_one_in_force(person, world) -> None:
    dewi = await person("dewi")
    text = LOW.replace("version = 2", "version = 1").replace("limit = 59", "limit = 64")
    await world.rule_desk.activate(text, 1, "dewi", "", NOW)
    draft = await backtested(dewi, world)
    limits = (await (await dewi.get(f"{draft}/cases/0/chart.json")).json())["limits"]
    assert [(it["value"], it["kind"], it["text"]) for it in limits] == [
        (64, "before", "now: 64\u00a0°C"),
        (59, "after", "draft: 59\u00a0°C"),
    ]


async def test_a_backtest_is_cancelled_from_its_page(person, world) -> None:
    dewi = await person("dewi")
    answer = await dewi.send("/staff/rules/drafts", "/staff/rules")
    draft = answer.headers["Location"]
    await dewi.send(draft, draft, version="1", text=LOW, act="backtest", days="14", devices="")
    assert (await dewi.send(f"{draft}/backtest/cancel", draft)).status == 303
    assert "it was cancelled" in await dewi.page(draft)


async def test_an_activation_while_a_backtest_runs_keeps_the_edition_and_ends_nothing(person, world) -> None:
    dewi = await person("dewi")
    answer = await dewi.send("/staff/rules/drafts", "/staff/rules")
    draft = answer.headers["Location"]
    await dewi.send(draft, draft, version="1", text=YARD, act="backtest", days="14", devices="")
    assert "Backtest waits" in await dewi.page(f"{draft}/activate")
    made = await dewi.send(f"{draft}/activate", draft, version="2", seen="1", why="warm")
    assert made.headers["Location"] == "/staff/rules/editions/2"
    await world.rules._work(await world.rules._queue.get())
    assert "This draft is gone" in await (await dewi.get(draft)).text()


async def test_two_managers_see_each_others_text_and_what_changed_in_force_meanwhile(person, world) -> None:
    dewi, draft = await person("dewi"), "/staff/rules/drafts/a-draft"
    page = await dewi.page(draft)
    mine = "# mine\n" + (await world.rule_desk.book.draft("a-draft")).text
    await world.rule_desk.write("a-draft", 1, mine.replace("# mine", "# theirs"), NOW)
    said = await (await dewi.send(draft, draft, version="1", text=mine)).text()
    assert "Theirs (−) against yours (+)" in said
    assert "theirs</b>" in said
    assert "Theirs (−)" not in page
    changed = mine.removeprefix("# mine\n").replace("version = 2", "version = 3")
    await world.rule_desk.activate(changed, 1, "sari", "", NOW)
    assert "Changed in force since this draft was saved" in await dewi.page(draft)
    await dewi.send(draft, draft, version="2", text=mine)
    assert "Changed in force since this draft was saved" not in await dewi.page(draft)


async def test_a_rule_is_deleted_and_restored_on_its_page_and_a_made_one_is_gone(person, world) -> None:
    dewi, page = await person("dewi"), "/staff/rule/sd-slow"
    shown = await dewi.page(page)
    assert "Delete the rule" in shown
    assert (await dewi.send(f"{page}/delete", page, seen="1", why="no use")).headers["Location"] == page
    assert "Deleted here: no device is judged by it." in await dewi.page(page)
    assert "deleted here" in await dewi.page("/staff/rules")
    assert (await dewi.send(f"{page}/restore", page, seen="2", why="needed")).status == 303
    assert "rule file" in await dewi.page(page)
    await world.rule_desk.activate(YARD, 3, "dewi", "", NOW)
    yard = "/staff/rule/hot-yard"
    assert (await dewi.send(f"{yard}/roll-back", yard, seen="4", edition="3", why="x")).headers[
        "Location"
    ] == "/staff/rules"
    refused = await dewi.client.get("/?lang=id")
    assert refused.status == 200
    said = await (await dewi.send(f"{page}/watch", page, seen="1", why="x")).text()
    assert "Aturan sudah diubah" in said or "aturan sudah diubah" in said


async def test_rules_are_found_by_name_and_by_fault(person) -> None:
    dewi = await person("dewi")
    page = await dewi.page("/staff/rules?q=overheat-nobody")
    assert 'action="/staff/rules"' in page
    assert "No rule fits this search." in page
    assert "heat-level" in await dewi.page("/staff/rules?q=too+hot")


async def test_a_ticket_leads_managers_to_its_rule_and_agents_only_read_its_name(person, world) -> None:
    dewi, sari = await person("dewi"), await person("sari")
    ticket = next(it for it in world.tickets.everything() if it.rule and it.device_id)
    link = f'href="/staff/rule/{ticket.rule.partition("@")[0]}"'
    assert link in await dewi.page(f"/staff/tickets/{ticket.number}")
    assert link not in await sari.page(f"/staff/tickets/{ticket.number}")


async def test_a_text_beyond_all_bounds_is_refused_and_the_draft_stays(person, world) -> None:
    dewi, draft = await person("dewi"), "/staff/rules/drafts/a-draft"
    before = await world.rule_desk.book.draft("a-draft")
    answer = await dewi.send(draft, draft, version="1", text="x = 1\n" * 60_000)
    assert answer.status == 413
    assert "still in the form" in await answer.text()
    assert (await dewi.send(draft, draft, version="1", text="a" * 210_000)).status == 422
    assert await world.rule_desk.book.draft("a-draft") == before


# --- why these numbers ------------------------------------------------------------------------------------------------
async def test_why_these_numbers_is_read_in_indonesian_and_stays_marked_english_where_nobody_wrote_it(
    person, world
) -> None:
    dewi = await person("dewi")
    rule = world.rule_desk.rules_of(await world.rule_desk.newest()).by_name()["sd-slow"]
    english = await dewi.page("/staff/rule/sd-slow")
    assert f"<p>{rule.reason}</p>" in english
    assert f"<p>{rule.reason_id}</p>" not in english
    await world.rule_desk.activate(YARD, 1, "dewi", "", NOW)
    assert "<p>A limit that this test has chosen.</p>" in await dewi.page("/staff/rule/hot-yard")
    await dewi.get("/staff/rules?lang=id")
    indonesian = await dewi.page("/staff/rule/sd-slow")
    assert f"<p>{rule.reason_id}</p>" in indonesian
    assert f"{rule.reason}</p>" not in indonesian
    assert '<p lang="en">A limit that this test has chosen.</p>' in await dewi.page("/staff/rule/hot-yard")


async def test_an_older_text_with_the_shipped_reason_is_told_in_indonesian_like_the_shipped_rule(person, world) -> None:
    dewi, shipped = await person("dewi"), await world.rule_desk.newest()
    rule = world.rule_desk.rules_of(shipped).by_name()["sd-slow"]
    older = next(chunk.text for chunk in split(shipped.text) if chunk.name == "sd-slow")
    older = older.replace(f'reason_id = "{rule.reason_id}"\n', "").replace("version = 1", "version = 2")
    await world.rule_desk.activate(older, 1, "dewi", "", NOW)
    assert (await (await dewi.get("/api/v1/rules/sd-slow")).json())["reason_id"] == ""
    await dewi.get("/staff/rules?lang=id")
    assert f"<p>{rule.reason_id}</p>" in await dewi.page("/staff/rule/sd-slow")


async def test_a_draft_may_say_its_reason_in_indonesian_too(person, world) -> None:
    dewi = await person("dewi")
    told = YARD.replace("version", 'reason_id = "Batas yang dipilih oleh uji ini."\nversion', 1)
    await world.rule_desk.activate(told, 1, "dewi", "", NOW)
    await dewi.get("/staff/rules?lang=id")
    assert "<p>Batas yang dipilih oleh uji ini.</p>" in await dewi.page("/staff/rule/hot-yard")
    found = await (await dewi.get("/api/v1/rules/hot-yard")).json()
    assert found["reason"] == "A limit that this test has chosen."
    assert found["reason_id"] == "Batas yang dipilih oleh uji ini."


async def test_a_ticket_says_why_it_opened_in_the_language_of_the_page(person, world) -> None:
    rule = world.rule_desk.rules_of(await world.rule_desk.newest()).by_name()["card-unusable"]
    note = f"Rule {rule.label}: {rule.reason}"
    bare = Evidence("", None, None, None, NOW - HOUR, (), note)
    measured = Evidence("sd_write_p99_ms", 160.0, 100.0, 20.0, NOW - HOUR, (), note)
    ids = [
        open_ticket(world, fault, "kemang-cam-05", since=NOW - HOUR, evidence=evidence, rule=rule.label)
        for fault, evidence in (("F02", bare), ("F01", measured))
    ]
    sari = await person("sari")
    assert all([rule.reason in await sari.page(f"/staff/tickets/{it}") for it in ids])
    await sari.get("/staff/queue?lang=id")
    pages = [await sari.page(f"/staff/tickets/{it}{part}") for it in ids for part in ("", "/peek")]
    pages.append(await sari.page("/staff/queue"))
    assert all(f"Aturan {rule.label}: {rule.reason_id}" in page for page in pages)
    assert not any(rule.reason in page for page in pages)
