"""A journal entry gives back, byte for byte, what was packed into it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest import journal
from gateway.ports.ledger import JournalEntry, JournalKind

times = st.floats(min_value=0, max_value=4e9)
messages = st.tuples(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}/(telemetry|status|update/status)", fullmatch=True),
    times,
    st.integers(0, 100),
    st.binary(max_size=200),
)


@given(ticks=st.lists(times, max_size=5), rows=st.lists(messages, max_size=20), effective=st.lists(times, max_size=20))
def test_what_was_packed_comes_out_again(
    ticks: list[float], rows: list[tuple[str, float, int, bytes]], effective: list[float]
) -> None:
    packed = journal.Packed(
        ticks=ticks,
        names=[row[0] for row in rows],
        received=[row[1] for row in rows],
        reports=[row[2] for row in rows],
        effective=effective,
        payloads=[row[3] for row in rows],
    )
    entry = packed.pack()
    if not ticks and not rows:
        assert entry == b""
    else:
        assert journal.unpack(entry) == packed


def test_an_empty_entry_is_nothing_and_foreign_bytes_are_refused() -> None:
    assert journal.unpack(b"") == journal.Packed()
    with pytest.raises(ValueError, match="not a journal entry"):
        journal.unpack(b"PK whatever")


def test_history_gets_each_report_once_at_its_effective_time_and_no_duplicates() -> None:
    packed = journal.Packed(
        names=["cam-1/telemetry", "cam-1/status", "cam-2/telemetry"],
        received=[10.0, 11.0, 12.0],
        reports=[1, 0, 3],
        effective=[9.0, 1.0, math.nan, 3.0],
        payloads=[
            b'{"v":1,"boot":1,"seq":1,"metrics":{"a_c":1}}',
            b'{"v":1,"state":"online"}',
            b' [{"v":1,"boot":1,"seq":1,"metrics":{"a_c":2}},{"v":1,"boot":1,"seq":1,"metrics":{"a_c":2}},'
            b'{"v":1,"boot":1,"seq":2,"metrics":{"a_c":4}}]',
        ],
    )
    samples = journal.samples(
        JournalEntry(7, JournalKind.BATCH, 12.0, 3, packed.pack()), lambda name, value: value < 1e6
    )
    assert [(sample.device_id, sample.at, sample.metrics) for sample in samples] == [
        ("cam-1", 9.0, {"a_c": 1.0}),
        ("cam-2", 1.0, {"a_c": 2.0}),
        ("cam-2", 3.0, {"a_c": 4.0}),
    ]
