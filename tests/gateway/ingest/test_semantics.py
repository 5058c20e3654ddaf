"""What the protocol promises of time and order (docs/device-protocol.md), over random interleavings, by the digest."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import ChangeKind
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet, load_default_rules, parse_rules
from diagnostics.topology import Device
from gateway.ingest.digest import NOWHERE, Digest
from gateway.ingest.journal import samples
from gateway.ports.history import Sample, to_ms
from gateway.ports.ingest import Inbound
from gateway.ports.ledger import JournalEntry

CATALOGUE = load_catalogue()
START = 1_795_255_200.0
SHIPPED = load_default_rules(CATALOGUE)


@dataclass(frozen=True)
class Said:
    """One report as the device made it: its number is its value."""

    boot: int
    seq: int
    value: float
    at: float

    def json(self, skew: float = 0.0) -> dict[str, object]:
        stamp = datetime.fromtimestamp(self.at + skew, UTC).isoformat(timespec="milliseconds")
        return {"v": 1, "boot": self.boot, "seq": self.seq, "at": stamp, "metrics": {"torture_number": self.value}}


class World:
    """A fleet of one device behind a digest; keeps what the history was given."""

    def __init__(self, rules: RuleSet = SHIPPED) -> None:
        self.fleet = Fleet(Engine(rules, CATALOGUE), (), START)
        self.fleet.register(Device("cam-1", "camera", "m", "site"))
        self.digest = Digest(self.fleet, {"cam-1"})
        self.samples: list[Sample] = []
        self.changes: list[ChangeKind] = []

    def hear(self, payloads: list[object], now: float) -> None:
        """A batch of messages, all received now. What the journal gives back must be what was handed out."""
        messages = [
            Inbound("cam-1", "telemetry", json.dumps(payload).encode(), now, NOWHERE, 1) for payload in payloads
        ]
        done = self.digest.batch(messages, now)
        assert not done.effects.rejects
        entry = JournalEntry(1, done.effects.kind, now, done.effects.count, done.effects.journal)
        again = [(each.at, each.metrics) for each in samples(entry, CATALOGUE.possible)]
        assert again == [(each.at, each.metrics) for each in done.samples]
        self.samples += done.samples
        self.changes += [change.kind for change in done.effects.changes]

    def points(self) -> dict[int, float]:
        """The history as a store keeps it: one value a millisecond, as written last."""
        return {to_ms(each.at): each.metrics["torture_number"] for each in self.samples}


def life(boots: int, reports: int) -> list[Said]:
    """A device's life: boots and numbers rise, a report every ten seconds."""
    made = [(boot, seq) for boot in range(1, boots + 1) for seq in range(1, reports + 1)]
    return [Said(boot, seq, float(n), START + 10.0 * n) for n, (boot, seq) in enumerate(made)]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Said], list[list[list[Said]]]]:
    """A life, and how it arrives: out of order within a window, some of it twice, in arrays, in batches.

    Each boot is heard of before the next one. (Five messages in a row of a lower boot that was never heard of are
    another device: without that nobody could ever replace one.)
    """
    said = life(draw(st.integers(1, 3)), draw(st.integers(1, 10)))
    shift = draw(st.lists(st.integers(0, 12), min_size=len(said), max_size=len(said)))
    order = [said[n] for n in sorted(range(len(said)), key=lambda n: (n + shift[n] * (said[n].seq > 1), n))]
    for again in draw(st.lists(st.integers(0, len(said) - 1), max_size=8)):
        order.insert(draw(st.integers(order.index(said[again]) + 1, len(order))), said[again])
    batches: list[list[list[Said]]] = []
    while order:
        batch = []
        for _ in range(draw(st.integers(1, 3))):
            size = draw(st.integers(1, 4))
            if order:
                batch.append(order[:size])
            order = order[size:]
        batches.append(batch)
    return said, batches


def payload(reports: list[Said], skew: float = 0.0) -> object:
    """One report alone, or a catch-up array."""
    return reports[0].json(skew) if len(reports) == 1 else [each.json(skew) for each in reports]


@given(deliveries())
@settings(max_examples=80, deadline=None)
def test_each_report_is_in_the_history_exactly_once_however_it_arrives(
    delivered: tuple[list[Said], list[list[list[Said]]]],
) -> None:
    said, batches = delivered
    world = World()
    now = said[-1].at
    for batch in batches:
        now += 0.5
        world.hear([payload(message) for message in batch], now)
    assert sorted(world.points().values()) == [each.value for each in said]
    assert len(world.samples) == len(said)


@given(deliveries())
@settings(max_examples=80, deadline=None)
def test_catch_up_arrays_mean_what_their_reports_would_have_meant_alone(
    delivered: tuple[list[Said], list[list[list[Said]]]],
) -> None:
    _, batches = delivered
    together, alone = World(), World()
    for number, batch in enumerate(batches):
        now = START + 1000.0 + number
        together.hear([payload(message) for message in batch], now)
        for message in batch:
            for each in message:
                alone.hear([each.json()], now)
    assert together.points() == alone.points()
    assert together.changes == alone.changes
    assert together.fleet.save("cam-1") == alone.fleet.save("cam-1")


@given(deliveries())
@settings(max_examples=80, deadline=None)
def test_late_data_and_duplicates_never_move_the_newest_value(
    delivered: tuple[list[Said], list[list[list[Said]]]],
) -> None:
    _, batches = delivered
    world, newest = World(), Said(0, 0, -1.0, 0.0)
    for number, batch in enumerate(batches):
        world.hear([payload(message) for message in batch], START + 1000.0 + number)
        newest = max([newest, *(each for message in batch for each in message)], key=lambda each: (each.boot, each.seq))
        seen = world.fleet.view("cam-1")
        assert seen is not None
        assert seen.metrics is not None
        assert seen.metrics["torture_number"][1] == newest.value
        assert seen.boot == newest.boot


@given(
    st.floats(-7 * 86_400.0, 7 * 86_400.0),
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
)
@settings(max_examples=80, deadline=None)
def test_a_wrong_clock_never_leads_into_the_future_or_out_of_order(skew: float, delays: list[float]) -> None:
    """Times keep their order, and lie behind their receipt by no more than what keeps reports apart."""
    world, received = World(), START
    for number, delay in enumerate(delays):
        said = Said(1, number + 1, float(number), START + 30.0 * number)
        received = max(received, said.at + delay)
        world.hear([said.json(skew)], received)
        assert world.samples[-1].at <= received + 0.001 * (number + 1)
    times = [to_ms(sample.at) for sample in world.samples]
    assert times == sorted(set(times))
    assert len(times) == len(delays)


@given(st.lists(st.floats(0.0, 1.9), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_a_right_clock_is_believed_to_the_millisecond_whatever_the_network_does(delays: list[float]) -> None:
    world = World()
    received = START
    for number, delay in enumerate(delays):
        said = Said(1, number + 1, float(number), START + 30.0 * number)
        received = max(received, said.at + delay + 0.001)
        world.hear([said.json()], received)
    assert world.points() == {to_ms(START + 30.0 * number): float(number) for number in range(len(delays))}


GROWN = """
[[rule]]
name = "grown"
version = 1
fault_class = "F02"
kind = "count"
of = "increments"
metric = "fs_err_cnt"
window_s = 31536000
steps = [{ severity = "warning", limit = LIMIT }]
reason = "Counts growth, whatever restarts and new parts do to the number."
"""


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=1, max_size=30),
    st.integers(1, 30),
    st.integers(0, 50),
)
@settings(max_examples=80, deadline=None)
def test_growth_of_a_counter_is_counted_over_restarts_and_new_parts_and_never_invented(
    steps: list[tuple[bool, bool, int]], limit: int, first: int
) -> None:
    """A step restarts the device or not, lets the counter begin at 0 or not, and then so many errors happen."""
    world = World(parse_rules(GROWN.replace("LIMIT", str(limit)), "grown", CATALOGUE))
    boot, seq, shown, known, happened = 1, 1, first, 0, 0
    world.hear([{"v": 1, "boot": 1, "seq": 1, "metrics": {"fs_err_cnt": shown}}], START)
    for number, (restart, anew, errors) in enumerate(steps):
        before = shown
        boot, seq = (boot + 1, 1) if restart else (boot, seq + 1)
        shown = (0 if anew else shown) + errors
        happened += errors
        # A counter that fell began anew: with a restart all that it shows is new, without one it is another part.
        known += shown - before if shown >= before else shown if restart else 0
        world.hear([{"v": 1, "boot": boot, "seq": seq, "metrics": {"fs_err_cnt": shown}}], START + 60.0 * (number + 1))
        assert known <= happened
        assert (ChangeKind.OPENED in world.changes) == (known >= limit)
