"""The board and its drill-down as text for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from diagnostics.faults import load_faults
from diagnostics.score import HOUR, Raised
from gateway.scoreboard_cases import Case, day_of, shown
from gateway.scoreboard_watch import Points, Watch

BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = 96
WIDTH = 118
"""Of what is written where no terminal says how wide it is."""
LEGEND = (
    "Days since the run began; series as the rules get them, from three days before to a day after, played again with "
    "these sites alone.\nUnder them: b began, t ticket, n the customer noticed, r repaired."
)
HAPPENED = 24
"""Words of a device that are written out."""
NAME_WIDTH, FIGURE_WIDTH, MEASURED_WIDTH = 38, 45, 36
PLAIN: Any = {"highlight": False, "soft_wrap": True, "markup": False}


def print_board(console: Console, board: Mapping[str, Any]) -> None:
    """The classes, then the figures that one would quote, each with its target."""
    seeds = ", ".join(map(str, board["seeds"]))
    title = f"Seed {seeds}: {board['devices']} devices, {board['days']:g} days"
    console.print(_classes(title, board["classes"]))
    for figure, measured, target in headlines(board):
        console.print(f"{figure:<{FIGURE_WIDTH}} {measured:<{MEASURED_WIDTH}} {target}".rstrip(), **PLAIN)


def _classes(title: str, classes: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    names, faults = (
        ("", "fault", "n", "before", "late", "missed", "p10 h", "median h", "delay h", "false"),
        load_faults(),
    )
    for name in names:
        table.add_column(name, justify="left" if name in {"", "fault"} else "right", no_wrap=True)
    for name, part in classes.items():
        lead, delay = part["lead_h"], part["delay_h"]
        counts = (part["injected"], part["before_visible"], part["after_visible"], part["missed"])
        hours = [_hours(value) for value in (lead["p10"], lead["median"], delay["median"])]
        said = faults[name].name.en if name in faults else ""
        said = f"{said[: NAME_WIDTH - 1]}…" if len(said) > NAME_WIDTH else said
        table.add_row(name, said, *map(str, counts), *hours, str(part["false"]))
    return table


def _hours(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def headlines(board: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(figure, measured, target and whether it is met), as words."""
    targets, lead, false = board["targets"], board["lead_h"], board["false_per_100_device_months"]
    below, step = targets["classes_below_85"], board["step_delay_s"]
    outages = ", ".join(f"{count} for {number}" for count, number in board["tickets_per_site_outage"].items())
    return [
        ("degradations ticketed before they are seen", _share(board["coverage"]), _met("95 %", targets["coverage_95"])),
        ("classes below 85 %", ", ".join(below) or "none", _met("none", not below)),
        ("lead in hours, median", _hours(lead["median"]) or "none", _met("48 h", targets["lead_median_48_h"])),
        (
            "lead in hours, one in ten shorter than",
            _hours(lead["p10"]) or "none",
            _met("6 h", targets["lead_p10_6_h"]),
        ),
        ("steps, from fault to ticket: median", _seconds(step["median"]), ""),
        ("never ticketed", str(board["missed"]), ""),
        ("false tickets per 100 device-months, healthy", _rate(false), _met("0.5", targets["false_half_per_100"])),
        ("false tickets beside and between faults", _rate(board["false_elsewhere_per_100_device_months"]), ""),
        ("  by class and rule", _counts(board["false_by_class_and_rule"]), ""),
        ("duplicates", str(board["duplicates"]), _met("0", targets["no_duplicates"])),
        ("tickets per site outage", outages or "no outage", _met("1", targets["one_ticket_an_outage"])),
        (
            f"tickets in {board['own_outages']} outages of our own",
            str(board["tickets_during_own_outage"]),
            _met("0", targets["none_in_own_outage"]),
        ),
        (
            f"tickets by our own clock, wrong {board['own_clock_wrong']} times",
            str(board["tickets_by_own_clock"]),
            _met("0", targets["none_by_own_clock"]),
        ),
        ("forecasts: seen within the 80 % interval", _share(board["forecast_interval_coverage"]), ""),
        ("exact dates: right within an hour", _share(board["exact_dates_right"]), ""),
        (
            "tickets, opened again, consequences",
            f"{board['tickets']}, {board['reopened']}, {board['consequences']}",
            "",
        ),
        ("ten minutes with more than ten tickets", f"{100 * board['flood_share']:.2f} %", ""),
        (
            "played",
            f"{board['reports']} reports, {board['seconds']:g} s; {board['reports_per_cpu_second']} per CPU second",
            "",
        ),
    ]


def _met(target: str, met: bool | None) -> str:
    return f"target {target}: " + {True: "met", False: "NOT met", None: "nothing to judge"}[met]


def _share(part: Mapping[str, Any]) -> str:
    if part["share"] is None:
        return "none to judge"
    return f"{100 * part['share']:.1f} % of {part['of']} ({100 * part['low']:.1f} to {100 * part['high']:.1f})"


def _rate(part: Mapping[str, Any]) -> str:
    if part["rate"] is None:
        return "no time to judge"
    return f"{part['rate']:.2f} ({part['low']:.2f} to {part['high']:.2f}), {part['count']} tickets"


def _seconds(value: float | None) -> str:
    return "no step" if value is None else f"{value:.0f} s"


def _counts(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in parts.items()) or "none"


def print_cases(console: Console, name: str, seed: int, cases: Sequence[Case], watch: Watch) -> None:
    """All cases of a class on one seed."""
    if not cases:
        console.print(f"{name}, seed {seed}: nothing of it happened on this board", **PLAIN)
    elif all(case.what == "in time" for case in cases):
        console.print(f"{name}, seed {seed}: nothing was missed, late or false; these came closest", **PLAIN)
    if any(case.devices for case in cases):
        console.print(LEGEND, **PLAIN)
    for case in cases:
        print_case(console, name, case, watch)


def print_case(console: Console, name: str, case: Case, watch: Watch) -> None:
    """One case: what happened when, the series of its devices over that time, and what they said."""

    def line(words: str) -> None:
        console.print(words, **PLAIN)

    line(f"\n{name} {_verdict(case)}: {case.place}")
    line(f"  {'; '.join(_story(case))}")
    if case.meanwhile:
        line(f"  meanwhile: {'; '.join(_other(one) for one in case.meanwhile)}")
    begin, end = case.span
    for device in shown(case, watch):
        if len(case.devices) > 1:
            line(f"  {device}")
        for (known, metric), points in sorted(watch.series.items()):
            within = [point for point in points if begin <= point[0] <= end]
            if known == device and within:
                line(f"  {metric:>20} {spark(within, begin, end)}")
        line(f"  {'':>20} {ruler(case)} day {day_of(begin):.1f} to {day_of(end):.1f}")
        happened = [part for part in watch.happened.get(device, ()) if begin <= part[0] <= end]
        said = [f"day {day_of(at):.2f} {words}" for at, words in happened[:HAPPENED]]
        left = [f"and {len(happened) - HAPPENED} more"] if len(happened) > HAPPENED else []
        if said:
            line(f"  {'happened':>20} {'; '.join(said + left)}")


def _verdict(case: Case) -> str:
    lead = case.lead_h
    if lead is None or case.opened is None:
        return case.what
    if case.what == "slow":
        return f"slow, {(case.opened - case.onset) / HOUR:.2f} h from fault to ticket"
    return f"{case.what}, {abs(lead):.1f} h {'before' if lead > 0 else 'after'} the customer noticed"


def _story(case: Case) -> list[str]:
    if case.visible is None or case.ended is None:
        return [f"ticket day {day_of(case.onset):.2f} by {case.rule}, and nothing was wrong"]
    ticket = f"ticket day {day_of(case.opened):.2f} by {case.rule}" if case.opened is not None else "no ticket"
    times = (("began", case.onset), ("noticed", case.visible), ("repaired", case.ended))
    return [*(f"{word} day {day_of(at):.2f}" for word, at in times), ticket]


def _other(one: Raised) -> str:
    return f"{one.fault_class} {one.scope_id} day {day_of(one.opened_at):.2f}"


def ruler(case: Case) -> str:
    """Where on the line of a series things happened: began, ticket, noticed, repaired."""
    begin, end = case.span
    marks = ["·"] * COLUMNS
    for letter, at in (
        ("b", None if case.visible is None else case.onset),
        ("r", case.ended),
        ("n", case.visible),
        ("t", case.opened),
    ):
        if at is not None and begin <= at <= end:
            marks[_column(at, begin, end)] = letter
    return "".join(marks)


def _column(at: float, begin: float, end: float) -> int:
    return min(COLUMNS - 1, int((at - begin) / max(1.0, end - begin) * COLUMNS))


def spark(points: Points, begin: float, end: float) -> str:
    """A series as one line of bars from `begin` to `end`, with its least and greatest value. A column without a value
    is empty; one value all the time is a dash.
    """
    low, high = min(value for _, value in points), max(value for _, value in points)
    columns: list[list[float]] = [[] for _ in range(COLUMNS)]
    for at, value in points:
        columns[_column(at, begin, end)].append(value)
    steps = len(BARS) - 2
    line = "".join(
        BARS[1 + round(steps * (sum(values) / len(values) - low) / (high - low))]
        if values and high > low
        else " -"[bool(values)]
        for values in columns
    )
    return f"{line} {low:g} to {high:g}"
