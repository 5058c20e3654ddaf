"""Who may use which topic, and under which name a session is kept. Pure."""

from collections.abc import Sequence

from gateway.ingest.endpoint.reasons import Reason
from gateway.ingest.endpoint.topics import matches
from gateway.ingest.topics import PREFIX
from gateway.ports.endpoint import AuthRefusal, Principal, Rights

REFUSALS = {
    AuthRefusal.BAD_CREDENTIALS: Reason.BAD_USER_NAME_OR_PASSWORD,
    AuthRefusal.NOT_AUTHORIZED: Reason.NOT_AUTHORIZED,
    AuthRefusal.BANNED: Reason.BANNED,
    AuthRefusal.BUSY: Reason.SERVER_BUSY,
    AuthRefusal.UNAVAILABLE: Reason.SERVER_UNAVAILABLE,
}


def publish_refusal(principal: Principal, topic: str, closed: Sequence[str]) -> Reason | None:
    """Why this client may not publish there, None if it may: a device under its own name; others anywhere but in the
    server's `$` topics (4.7.2) and in the `closed` ones, a guest not among the devices.
    """
    if principal.rights is Rights.DEVICE:
        return None if topic.startswith(f"{PREFIX}{principal.identity}/") else Reason.NOT_AUTHORIZED
    if topic.startswith("$") or (principal.rights is Rights.GUEST and topic.startswith(PREFIX)):
        return Reason.NOT_AUTHORIZED
    return _closed(topic, closed)


def subscribe_refusal(principal: Principal, topic_filter: str, closed: Sequence[str]) -> Reason | None:
    """Why this client may not subscribe, None if it may: a device under its own name, where wildcards stay inside;
    others anything that is not `closed`. A wider filter is granted: nobody publishes what it must not see.
    """
    if principal.rights is Rights.DEVICE:
        return None if topic_filter.startswith(f"{PREFIX}{principal.identity}/") else Reason.NOT_AUTHORIZED
    return _closed(topic_filter, closed)


def _closed(topic: str, closed: Sequence[str]) -> Reason | None:
    """A closed topic is refused without a reason (0x80: the server does not wish to reveal why)."""
    return Reason.UNSPECIFIED_ERROR if any(matches(topic_filter, topic) for topic_filter in closed) else None


def session_key(principal: Principal, client_id: str) -> str:
    """The session's name. A device's is kept apart from every other identity's, so that it can neither take over nor
    inherit a session by guessing client ids; a device id is never empty, so the two shapes cannot meet.
    """
    return f"{principal.identity if principal.rights is Rights.DEVICE else ''}/{client_id}"
