"""How a client gets in: CONNECT is judged, its session found or made, an older connection closed, CONNACK sent."""

import asyncio
import secrets
from typing import TYPE_CHECKING

from gateway.ingest.endpoint import access, encode
from gateway.ingest.endpoint.outlet import Outlet
from gateway.ingest.endpoint.packets import V5, Connect, Kind
from gateway.ingest.endpoint.properties import Properties, Property
from gateway.ingest.endpoint.reasons import Reason
from gateway.ports.endpoint import AuthRefusal, Credentials, Principal

if TYPE_CHECKING:
    from gateway.ingest.endpoint.connection import Connection

_KEEP_ALIVE_GRACE = 1.5


async def admit(connection: "Connection", connect: Connect) -> None:
    """Judge and answer a CONNECT. The connection may be gone after any await."""
    hub = connection.hub
    client_id = connect.client_id
    if not client_id and (connect.version == V5 or connect.clean_start):
        client_id = f"siaga-{secrets.token_hex(8)}"
    verdict = _flaw(connection, connect, client_id) or await _principal(connection, connect, client_id)
    if connection.is_closed:
        return
    if isinstance(verdict, Principal):
        verdict = _overreach(connection, connect, verdict, client_id) or verdict
    if isinstance(verdict, Reason):
        hub.counters.refused[verdict.name] += 1
        connection.write(encode.connack(connect.version, verdict, {}))
        connection.close()
        return
    key = access.session_key(verdict, client_id)
    old = hub.sessions.get(key)
    if old is not None and old.line is not None:
        hub.counters.take_overs += 1
        old.line.fail(Reason.SESSION_TAKEN_OVER, "the same client connected again")
    expiry_s = min(connect.session_expiry_s, hub.settings.max_session_expiry_s)
    session, present = hub.attach(
        connection, key, client_id, verdict.identity, clean=connect.clean_start, expiry_s=expiry_s
    )
    connection.principal = verdict
    connection.session = session
    connection.will = connect.will
    hub.flush()
    try:
        await hub.journal.written()
    except ConnectionError:
        return
    if session.line is not connection:
        return
    _open(connection, connect, client_id, present=present)


def _flaw(connection: "Connection", connect: Connect, client_id: str) -> Reason | None:
    """What is wrong with a CONNECT whoever sends it."""
    if connect.authentication_method is not None:
        return Reason.BAD_AUTHENTICATION_METHOD
    if not client_id or len(client_id) > connection.hub.settings.max_client_id_chars:
        return Reason.CLIENT_IDENTIFIER_NOT_VALID
    return None


async def _principal(connection: "Connection", connect: Connect, client_id: str) -> Principal | Reason:
    credentials = Credentials(
        client_id, connect.username, connect.password, connection.certificate_name(), connection.peer()
    )
    hub = connection.hub
    try:
        async with asyncio.timeout(hub.settings.connect_timeout_s):
            verdict = await hub.authenticate(credentials)
    except OSError:
        return Reason.SERVER_UNAVAILABLE
    return access.REFUSALS[verdict] if isinstance(verdict, AuthRefusal) else verdict


def _overreach(connection: "Connection", connect: Connect, principal: Principal, client_id: str) -> Reason | None:
    """What this client asks for and may not have."""
    closed = connection.hub.settings.closed
    if connect.will is not None and access.publish_refusal(principal, connect.will.topic, closed):
        return Reason.NOT_AUTHORIZED
    if not connection.hub.make_room(access.session_key(principal, client_id), principal):
        return Reason.QUOTA_EXCEEDED
    return None


def _open(connection: "Connection", connect: Connect, client_id: str, *, present: bool) -> None:
    hub = connection.hub
    settings = hub.settings
    session = connection.session
    assert session is not None
    connection.problem_information = connect.problem_information
    connection.outlet = Outlet(
        connect.version, connect.maximum_packet, min(connect.topic_alias_maximum, settings.topic_alias_maximum)
    )
    connection.window = min(connect.receive_maximum, settings.max_inflight)
    connection.bucket = hub.bucket(connection.principal)
    keep_alive_s = connect.keep_alive_s
    found: Properties = {
        Property.RECEIVE_MAXIMUM: settings.receive_maximum,
        Property.MAXIMUM_PACKET_SIZE: settings.max_packet_bytes,
        Property.TOPIC_ALIAS_MAXIMUM: settings.topic_alias_maximum,
    }
    if session.expiry_s != connect.session_expiry_s:
        found[Property.SESSION_EXPIRY] = session.expiry_s
    if client_id != connect.client_id:
        found[Property.ASSIGNED_CLIENT_ID] = client_id
    most_s = settings.max_keep_alive_s
    if connect.version == V5 and most_s is not None and not 0 < keep_alive_s <= most_s:
        keep_alive_s = found[Property.SERVER_KEEP_ALIVE] = most_s
    connection.keep_alive_s = keep_alive_s * _KEEP_ALIVE_GRACE
    connack = encode.connack(connect.version, Reason.SUCCESS, found, session_present=present)
    if not connection.outlet.fits(connack):
        connection.fail(Reason.PACKET_TOO_LARGE)
        return
    connection.write(connack)
    for delivery in session.reconnected():
        connection.write(encode.ack(Kind.PUBREL, delivery.packet_id))
    connection.admitted()
