"""Who may use which topic, and under which name a session is kept. Pure."""

from gateway.ingest.endpoint.reasons import Reason
from gateway.ingest.topics import PREFIX
from gateway.ports.endpoint import AuthRefusal, Principal, Rights

REFUSALS = {
    AuthRefusal.BAD_CREDENTIALS: Reason.BAD_USER_NAME_OR_PASSWORD,
    AuthRefusal.NOT_AUTHORIZED: Reason.NOT_AUTHORIZED,
    AuthRefusal.BANNED: Reason.BANNED,
    AuthRefusal.BUSY: Reason.SERVER_BUSY,
    AuthRefusal.UNAVAILABLE: Reason.SERVER_UNAVAILABLE,
}


def may_publish(principal: Principal, topic: str) -> bool:
    """A device under its own name; others anywhere but in the server's `$` topics (4.7.2)."""
    if principal.rights is Rights.DEVICE:
        return topic.startswith(f"{PREFIX}{principal.identity}/")
    return not topic.startswith("$")


def may_subscribe(principal: Principal, topic_filter: str) -> bool:
    """A device under its own name, where wildcards stay inside; others anything."""
    return principal.rights is Rights.GENERAL or topic_filter.startswith(f"{PREFIX}{principal.identity}/")


def session_key(principal: Principal, client_id: str) -> str:
    """The session's name. A device's is kept apart from every other identity's, so that it can neither take over nor
    inherit a session by guessing client ids; a device id is never empty, so the two shapes cannot meet.
    """
    return f"{principal.identity if principal.rights is Rights.DEVICE else ''}/{client_id}"
