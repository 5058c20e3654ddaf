import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.messages import (
    BadMessage,
    Cancel,
    Channel,
    Component,
    Desired,
    GrantMessage,
    GrantTerms,
    Job,
    Order,
    Phase,
    Progress,
    Reported,
    Request,
    Response,
    Signed,
    Slot,
    Status,
    Verdict,
    Want,
    encode_message,
    encode_terms,
    parse_message,
    parse_terms,
)

REPORTED = Reported(
    boot=12,
    seq=3,
    components={"firmware": Component("2.4.1", 6, "ab" * 32)},
    slot=Slot("a", confirmed=True),
    counter_floor=5,
    free_bytes=10_000,
    hw_id="cam-a",
    battery_pct=88,
    tz="Asia/Jakarta",
    last_job=Job("g-1", Phase.DONE),
)
MESSAGES = [
    (Channel.REPORTED, REPORTED),
    (Channel.STATUS, Status(12, 4, "r/cam-1/1", Phase.FAILED, "g-1", "flash_write")),
    (Channel.PROGRESS, Progress(12, 5, "r/cam-1/1", 4096)),
    (Channel.REQUEST, Request(12, 6, "r/cam-1/1", Want.GRANT, "nonce-0001", busy="recording_incident")),
    (Channel.DESIRED, Desired("r/cam-1/1", "firmware", '{"schema":1}', (Signed("0" * 16, "AA=="),))),
    (Channel.GRANT, GrantMessage("{}", Signed("0" * 16, "AA=="))),
    (Channel.RESPONSE, Response("nonce-0001", Verdict.WAIT, "window_closed", 600)),
    (Channel.CANCEL, Cancel("r/cam-1/1", Order.REVERT, "unhealthy")),
]
TERMS = GrantTerms("g-1", "cam-1", "r/cam-1/1", "nonce-0001", "ab" * 32, 120, 1_800_000_000.5, 1_800_000_120.5)


@pytest.mark.parametrize(("channel", "message"), MESSAGES)
def test_every_message_survives_the_wire_and_newer_fields_are_passed_over(channel, message):
    payload = encode_message(message)
    assert parse_message(channel, payload) == message
    newer = {**json.loads(payload), "mood": "fine"}
    assert parse_message(channel, json.dumps(newer).encode()) == message


def test_the_terms_of_a_grant_are_read_from_the_exact_text_that_was_signed():
    assert parse_terms(encode_terms(TERMS)) == TERMS
    with pytest.raises(BadMessage, match="grant valid_for_s"):
        parse_terms(encode_terms(TERMS).replace(b"120,", b"0,"))


def status(**changes):
    return json.dumps({"v": 1, "boot": 1, "seq": 1, "attempt": "a", "state": "staged", **changes}).encode()


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"v":1,"boot":NaN}', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (status(v=2), "update/status v: this gateway speaks version 1"),
        (status(v=True), "update/status v"),
        (status(boot=-1), "update/status boot"),
        (status(seq="7"), "update/status seq"),
        (status(attempt="../../x y"), "update/status attempt"),
        (status(state="flying"), "update/status state"),
        (status(state="installing"), "update/status grant_id: needed with state installing"),
        (status(pad="x" * 20_000), "bytes are above 16384"),
    ],
)
def test_what_a_device_may_not_say_is_refused_in_one_line(payload, message):
    with pytest.raises(BadMessage, match=message) as caught:
        parse_message(Channel.STATUS, payload)
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=80)
@given(channel=st.sampled_from(Channel), payload=st.binary(max_size=300))
def test_no_bytes_at_all_do_more_than_be_refused(channel, payload):
    with pytest.raises(BadMessage):
        parse_message(channel, payload)


@settings(deadline=None, max_examples=80)
@given(
    case=st.sampled_from(MESSAGES),
    field=st.text(max_size=12),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    pick=st.integers(0, 20),
)
def test_any_value_in_any_field_is_understood_or_refused(case, field, value, pick):
    channel, message = case
    body = json.loads(encode_message(message))
    names = [*body, field]
    body[names[pick % len(names)]] = value
    try:
        parse_message(channel, json.dumps(body).encode())
    except BadMessage as error:
        assert "\n" not in str(error)
