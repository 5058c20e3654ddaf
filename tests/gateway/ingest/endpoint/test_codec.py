"""The codec against an independent one, and against every input."""

import mqtt5
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.ingest.endpoint import codec, encode, packets
from gateway.ingest.endpoint.packets import Kind
from gateway.ingest.endpoint.properties import (
    Property,
    read_message,
    read_properties,
    read_varint,
    varint,
    write_properties,
)
from gateway.ingest.endpoint.reasons import ProtocolError, Reason


def members(enumeration) -> list:
    """The values of an enumeration of the independent codec, which is not one of Python's."""
    return [getattr(enumeration, name) for name in dir(enumeration) if name.isupper()]


_text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
_topic = _text.filter(lambda t: t and "#" not in t and "+" not in t)
_bytes = st.binary(max_size=40)
_id = st.integers(1, 65535)
_users = st.lists(st.tuples(_text, _text), max_size=3)
_seconds = st.none() | st.integers(0, 2**32 - 1)

_message = {
    "payload_format_indicator": st.integers(0, 1),
    "message_expiry_interval": _seconds,
    "content_type": st.none() | _text,
    "response_topic": st.none() | _topic,
    "correlation_data": st.none() | _bytes,
    "user_properties": _users,
}
_will = st.builds(
    mqtt5.Will,
    _topic,
    payload=_bytes,
    qos=st.sampled_from(members(mqtt5.QoS)),
    retain=st.booleans(),
    will_delay_interval=st.integers(0, 2**32 - 1),
    **_message,
)


def decode(raw: bytes, version: int = 5):
    at, end = codec.frame(raw, 0, len(raw))
    assert end == len(raw)
    return codec.decode(raw[0], raw, at, end, version)


def properties_of(packet) -> dict:
    """The properties that are passed on, as our reader sees them."""
    raw = packet.properties
    found, _ = read_properties(varint(len(raw)) + raw, 0, 10**6, frozenset(Property))
    return found


def same_message(ours, theirs) -> None:
    found = properties_of(ours)
    assert found.get(Property.PAYLOAD_FORMAT, 0) == theirs.payload_format_indicator
    assert found.get(Property.CONTENT_TYPE) == theirs.content_type
    assert found.get(Property.RESPONSE_TOPIC) == theirs.response_topic
    assert found.get(Property.CORRELATION_DATA) == theirs.correlation_data
    assert found.get(Property.USER_PROPERTY, []) == theirs.user_properties
    assert ours.expiry_s == theirs.message_expiry_interval
    assert (ours.topic, ours.payload, ours.qos) == (theirs.topic, theirs.payload or b"", int(theirs.qos))
    assert ours.retain == theirs.retain


@given(
    st.builds(
        mqtt5.ConnectPacket,
        _text,
        username=st.none() | _text,
        password=st.none() | _bytes,
        clean_start=st.booleans(),
        will=st.none() | _will,
        keep_alive=st.integers(0, 65535),
        session_expiry_interval=st.integers(0, 2**32 - 1),
        request_problem_info=st.booleans(),
        request_response_info=st.booleans(),
        receive_max=st.integers(1, 65535),
        topic_alias_max=st.integers(0, 65535),
        max_packet_size=st.none() | st.integers(1, 2**32 - 1),
        user_properties=_users,
    )
)
@settings(max_examples=60)
def test_connect_is_read_as_an_independent_codec_wrote_it(theirs):
    ours = decode(theirs.write())
    assert (ours.version, ours.client_id, ours.username, ours.password) == (
        5,
        theirs.client_id,
        theirs.username,
        theirs.password,
    )
    assert (ours.clean_start, ours.keep_alive_s) == (theirs.clean_start, theirs.keep_alive)
    assert ours.session_expiry_s == theirs.session_expiry_interval
    assert (ours.receive_maximum, ours.maximum_packet) == (theirs.receive_max, theirs.max_packet_size)
    assert (ours.topic_alias_maximum, ours.problem_information) == (theirs.topic_alias_max, theirs.request_problem_info)
    assert (ours.will is None) == (theirs.will is None)
    if ours.will is not None:
        same_message(ours.will, theirs.will)
        assert ours.will.delay_s == theirs.will.will_delay_interval


_publishes = st.builds(
    lambda topic, payload, qos, packet_id, dup, **how: mqtt5.PublishPacket(
        topic, payload, qos=qos, packet_id=packet_id if int(qos) else None, duplicate=dup and int(qos) > 0, **how
    ),
    _topic,
    _bytes,
    st.sampled_from(members(mqtt5.QoS)),
    _id,
    st.booleans(),
    retain=st.booleans(),
    topic_alias=st.none() | st.integers(1, 65535),
    **_message,
)


@given(_publishes)
@settings(max_examples=60)
def test_publish_is_read_as_an_independent_codec_wrote_it(theirs):
    ours = decode(theirs.write())
    same_message(ours, theirs)
    assert (ours.packet_id, ours.dup, ours.alias) == (theirs.packet_id or 0, theirs.duplicate, theirs.topic_alias or 0)


@given(_publishes, st.lists(st.integers(1, 268_435_455), max_size=3))
@settings(max_examples=60)
def test_an_independent_codec_reads_publish_as_we_wrote_it(theirs, identifiers):
    ours = decode(theirs.write())
    raw = encode.publish(
        5,
        ours.topic,
        ours.payload,
        qos=ours.qos,
        retain=ours.retain,
        dup=ours.dup,
        packet_id=ours.packet_id,
        properties=ours.properties,
        expiry_s=ours.expiry_s,
        identifiers=identifiers,
        alias=ours.alias,
    )
    again, size = mqtt5.read(memoryview(raw))
    assert size == len(raw)
    same_message(ours, again)
    assert (again.packet_id or 0, again.duplicate, again.topic_alias or 0) == (ours.packet_id, ours.dup, ours.alias)
    assert again.subscription_ids == identifiers


@given(
    st.builds(
        mqtt5.SubscribePacket,
        _id,
        st.lists(
            st.builds(
                mqtt5.TopicFilter,
                _topic | st.sampled_from(["#", "a/#", "+/b"]),
                max_qos=st.sampled_from(members(mqtt5.QoS)),
                no_local=st.booleans(),
                retain_as_published=st.booleans(),
                retain_handling=st.sampled_from(members(mqtt5.RetainHandling)),
            ),
            min_size=1,
            max_size=4,
        ),
        subscription_id=st.none() | st.integers(1, 268_435_455),
        user_properties=_users,
    )
)
@settings(max_examples=40)
def test_subscribe_is_read_as_an_independent_codec_wrote_it(theirs):
    ours = decode(theirs.write())
    assert ours.packet_id == theirs.packet_id
    assert [
        (s.topic_filter, s.qos, s.no_local, s.retain_as_published, s.retain_handling, s.identifier)
        for s in ours.subscriptions
    ] == [
        (
            f.pattern,
            int(f.max_qos),
            f.no_local,
            f.retain_as_published,
            int(f.retain_handling),
            theirs.subscription_id or 0,
        )
        for f in theirs.topic_filters
    ]


@given(_id, st.lists(_topic, min_size=1, max_size=4), _users)
@settings(max_examples=30)
def test_unsubscribe_is_read_as_an_independent_codec_wrote_it(packet_id, patterns, users):
    ours = decode(mqtt5.UnsubscribePacket(packet_id, patterns, user_properties=users).write())
    assert ours == packets.Unsubscribe(packet_id, tuple(patterns))


@pytest.mark.parametrize(
    ("theirs", "reasons", "kind"),
    [
        (mqtt5.PubAckPacket, mqtt5.PubAckReasonCode, Kind.PUBACK),
        (mqtt5.PubRecPacket, mqtt5.PubRecReasonCode, Kind.PUBREC),
        (mqtt5.PubRelPacket, mqtt5.PubRelReasonCode, Kind.PUBREL),
        (mqtt5.PubCompPacket, mqtt5.PubCompReasonCode, Kind.PUBCOMP),
    ],
)
@pytest.mark.parametrize("why", [None, "because"])
def test_acknowledgements_mean_the_same_to_an_independent_codec(theirs, reasons, kind, why):
    for reason in members(reasons):
        sent = theirs(7, reason_code=reason, reason_str=why)
        assert decode(sent.write()) == packets.Ack(kind, 7, Reason(int(reason)))
        read, _ = mqtt5.read(memoryview(encode.ack(kind, 7, Reason(int(reason)), why or "")))
        assert (type(read), read.packet_id, read.reason_code) == (theirs, 7, reason)
        assert read.reason_str == (why if int(reason) else None)


def test_disconnect_means_the_same_to_an_independent_codec():
    for reason in members(mqtt5.DisconnectReasonCode):
        for expiry in (None, 0, 2**32 - 1):
            sent = mqtt5.DisconnectPacket(reason_code=reason, session_expiry_interval=expiry, reason_str="x")
            assert decode(sent.write()) == packets.Disconnect(Reason(int(reason)), expiry)
        read, _ = mqtt5.read(memoryview(encode.disconnect(Reason(int(reason)), "why")))
        assert (read.reason_code, read.reason_str) == (reason, "why")


def test_connack_is_read_by_an_independent_codec():
    found = {
        Property.SESSION_EXPIRY: 9,
        Property.ASSIGNED_CLIENT_ID: "x",
        Property.SERVER_KEEP_ALIVE: 8,
        Property.RECEIVE_MAXIMUM: 7,
        Property.TOPIC_ALIAS_MAXIMUM: 6,
        Property.MAXIMUM_PACKET_SIZE: 5,
        Property.SHARED_AVAILABLE: 0,
        Property.USER_PROPERTY: [("a", "b")],
    }
    read, _ = mqtt5.read(memoryview(encode.connack(5, Reason.SUCCESS, found, session_present=True)))
    assert (read.session_present, read.session_expiry_interval, read.assigned_client_id) == (True, 9, "x")
    assert (read.server_keep_alive, read.receive_max, read.topic_alias_max, read.max_packet_size) == (8, 7, 6, 5)
    assert (read.shared_subscription_available, read.user_properties) == (False, [("a", "b")])


@pytest.mark.parametrize("codes", [[0], [1, 2, 0x87, 0x8F]])
def test_suback_and_unsuback_are_read_by_an_independent_codec(codes):
    read, _ = mqtt5.read(memoryview(encode.suback(5, 9, codes)))
    assert (read.packet_id, [int(code) for code in read.reason_codes]) == (9, codes)
    read, _ = mqtt5.read(memoryview(encode.unsuback(5, 9, [0, 0x11])))
    assert (read.packet_id, [int(code) for code in read.reason_codes]) == (9, [0, 0x11])


def test_auth_is_read():
    assert decode(b"\xf0\x00") == packets.Auth()
    raw = mqtt5.AuthPacket(reason_code=mqtt5.AuthReasonCode.RE_AUTHENTICATE, authentication_method="m").write()
    assert decode(raw) == packets.Auth(Reason.RE_AUTHENTICATE)
    assert decode(b"\xf0\x01\x18") == packets.Auth(Reason.CONTINUE_AUTHENTICATION)
    with pytest.raises(ProtocolError):
        decode(b"\xf0\x00", 4)


_ONE_EACH = {
    Property.PAYLOAD_FORMAT: 1,
    Property.MESSAGE_EXPIRY: 5,
    Property.CONTENT_TYPE: "json",
    Property.RESPONSE_TOPIC: "a",
    Property.CORRELATION_DATA: b"\x01",
    Property.WILL_DELAY: 3,
    Property.TOPIC_ALIAS: 2,
}


@given(st.integers(0, 268_435_455))
def test_a_variable_byte_integer_survives_the_way_there_and_back(value):
    raw = varint(value)
    assert read_varint(raw, 0, len(raw)) == (value, len(raw))


@pytest.mark.parametrize("raw", [b"", b"\x80", b"\x80\x00", b"\xff\xff\xff\xff\x01", b"\x81\x80\x00"])
def test_a_variable_byte_integer_is_complete_and_as_short_as_can_be(raw):
    with pytest.raises(ProtocolError) as caught:
        read_varint(raw, 0, len(raw))
    assert caught.value.reason is Reason.MALFORMED_PACKET


@given(st.dictionaries(st.sampled_from([Property.PAYLOAD_FORMAT, Property.WILL_DELAY]), st.integers(0, 1)), _users)
def test_properties_survive_the_way_there_and_back(found, users):
    found = found | ({Property.USER_PROPERTY: users} if users else {})
    raw = write_properties(found)
    raw = varint(len(raw)) + raw
    assert read_properties(raw, 0, len(raw), frozenset(Property)) == (found, len(raw))


@given(st.lists(st.sampled_from(sorted(_ONE_EACH)), unique=True), _users, st.randoms(use_true_random=False))
def test_what_every_receiver_gets_keeps_its_order(kinds, users, chance):
    pieces = [(kind, write_properties({kind: _ONE_EACH[kind]})) for kind in kinds]
    pieces += [(Property.USER_PROPERTY, write_properties({Property.USER_PROPERTY: [pair]})) for pair in users]
    chance.shuffle(pieces)
    raw = b"".join(piece for _, piece in pieces)
    raw = varint(len(raw)) + raw
    _, passed_on, at = read_message(raw, 0, len(raw), frozenset(Property))
    ours = (Property.MESSAGE_EXPIRY, Property.TOPIC_ALIAS, Property.WILL_DELAY)
    assert passed_on == b"".join(piece for kind, piece in pieces if kind not in ours)
    assert at == len(raw)


@given(st.integers(0, 255), st.binary(max_size=60), st.sampled_from([4, 5]))
@settings(max_examples=400)
def test_any_bytes_are_a_packet_or_a_protocol_error(first, body, version):
    raw = bytes([first]) + varint(len(body)) + body
    try:
        packet = decode(raw, version)
    except ProtocolError as error:
        assert error.text
        assert error.reason >= Reason.UNSPECIFIED_ERROR
    else:
        assert isinstance(packet, packets.Packet)


@given(
    st.one_of(
        _publishes,
        st.builds(mqtt5.ConnectPacket, _text, will=st.none() | _will, user_properties=_users),
        st.builds(mqtt5.SubscribePacket, _id, st.lists(st.builds(mqtt5.TopicFilter, _topic), min_size=1, max_size=2)),
        st.builds(mqtt5.DisconnectPacket, session_expiry_interval=_seconds, user_properties=_users),
    ),
    st.data(),
)
@settings(max_examples=150)
def test_a_damaged_packet_is_a_packet_or_a_protocol_error(theirs, data):
    raw = bytearray(theirs.write())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    raw = bytes(raw)
    try:
        found = codec.frame(raw, 0, 10_000)
        assume(found is not None and found[1] <= len(raw))
        decode(raw[: found[1]])
    except ProtocolError as error:
        assert error.reason >= Reason.UNSPECIFIED_ERROR


@given(_publishes, st.data())
@settings(max_examples=40)
def test_a_packet_that_is_not_complete_is_waited_for(theirs, data):
    raw = theirs.write()
    cut = data.draw(st.integers(1, len(raw) - 1))
    assert codec.frame(raw[:cut], 0, 10_000) is None
    assert codec.wanted(raw[:cut], 0) in (0, len(raw))
    assert codec.frame(b"xx" + raw + b"yy", 2, 10_000)[1] == len(raw) + 2


def test_a_packet_is_measured_before_it_has_arrived():
    with pytest.raises(ProtocolError) as caught:
        codec.frame(b"\x30\xff\xff\x03", 0, 1000)
    assert caught.value.reason is Reason.PACKET_TOO_LARGE
    assert codec.wanted(b"\x30\xff\xff\x03", 0) == 4 + 65535
    assert codec.wanted(b"\x30", 0) == 0
    assert codec.wanted(b"\x30\xff\xff\xff\xff\x01", 0) == 0
