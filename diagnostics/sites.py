"""A site as one thing: which of its devices are silent, whether that is one outage, and who must prove itself after
it.
"""

from collections.abc import Mapping, Sized

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from diagnostics.memory import Memory
from diagnostics.places import Outage, Site

OUTAGE_SHARE = 0.6
OUTAGE_WITHIN_S = 180.0
OUTAGE_CLASS = "F39"
OUTAGE_RULE = "site-outage@1"
CONFIRM_S = 30.0
OVERDUE = 1.25
OVERDUE_SLACK_S = 5.0


def overdue(memory: Memory, now: float) -> bool:
    """Whether a device should have reported by now, judged by its own usual interval."""
    return now - memory.received_at > OVERDUE * memory.gap_s + OVERDUE_SLACK_S


def patience_of(memory: Memory) -> float:
    """How long a device may be silent before that is a verdict, seconds."""
    return max(memory.device.silence_s, 2.0 * memory.gap_s + 30.0)


def taken_together(site: Site, memories: Mapping[str, Memory], now: float, *, patient: bool) -> list[str]:
    """Members that fell silent within 3 minutes of the last that did (and their own report interval).

    `patient` = False: who is overdue counts as silent already.
    """
    gone = [
        memory
        for device_id in site.spoke
        if (memory := memories[device_id]).silent_since or (not patient and overdue(memory, now))
    ]
    if not gone:
        return []
    last = max(memory.received_at for memory in gone)
    return sorted(
        memory.device.device_id
        for memory in gone
        if memory.received_at >= last - OUTAGE_WITHIN_S - OVERDUE * memory.gap_s
    )


def last_wills(site: Site, now: float) -> list[str]:
    """Members whose last wills came within 3 minutes, half a minute ago or more, with nothing heard since."""
    if not site.suspects:
        return []
    last = max(site.suspects.values())
    if now - last < CONFIRM_S:
        return []
    return sorted(device_id for device_id, at in site.suspects.items() if at >= last - OUTAGE_WITHIN_S)


def is_outage(site: Site, together: Sized) -> bool:
    """At least two devices and 60 % of those that ever spoke."""
    count = len(together)
    return count >= 2 and count >= OUTAGE_SHARE * len(site.spoke)


def ancestors(memory: Memory, memories: Mapping[str, Memory]) -> list[Memory]:
    """Switch, recorder, router above a device, nearest first (those that ever spoke)."""
    found: list[Memory] = []
    parent = memories.get(memory.device.parent_id)
    while parent is not None and parent not in found and len(found) < 8:
        found.append(parent)
        parent = memories.get(parent.device.parent_id)
    return found


def tell(kind: ChangeKind, site: Site, outage: Outage, now: float) -> Change:
    """The change of a whole site."""
    count = float(len(outage.devices))
    evidence = Evidence(
        "silence",
        count,
        OUTAGE_SHARE * len(site.spoke),
        0.0,
        outage.since,
        note=f"{count:.0f} of {len(site.spoke)} devices.",
    )
    return Change(
        kind,
        Scope.SITE,
        site.site_id,
        OUTAGE_CLASS,
        OUTAGE_RULE,
        Severity.CRITICAL,
        now,
        now,
        evidence,
        devices=outage.devices,
    )
