"""Words of staff pages for the names of the update tables: states, waves, reasons, what stops a rollout by itself."""

from collections.abc import Sequence

from gateway.web.labels import named_reason
from gateway.web.language import _


def release_kind(name: str) -> str:
    """What a release is for."""
    return {
        "security": _("security"),
        "feature": _("new functions"),
        "mixed": _("security and new functions"),
    }.get(name, named_reason(name))


def rollout_state(name: str) -> str:
    """Where a rollout stands."""
    return {
        "draft": _("draft"),
        "simulated": _("dry run done"),
        "pending_approval": _("waits for approval"),
        "scheduled": _("approved, begins soon"),
        "running": _("running"),
        "paused": _("paused"),
        "halted": _("halted by itself"),
        "aborted": _("stopped for good"),
        "completed": _("completed"),
        "completed_partial": _("ended at its deadline"),
        "expired": _("expired"),
    }.get(name, named_reason(name))


def rollout_tone(name: str) -> str:
    """Colour by what is needed."""
    return {
        "pending_approval": "wait",
        "running": "info",
        "paused": "wait",
        "halted": "act",
        "completed": "ok",
    }.get(name, "calm")


def wave_name(name: str) -> str:
    """A number, or one of "canaries" and "control"."""
    if name == "canaries":
        return _("Canaries, first of all")
    if name == "control":
        return _("Control, updated last")
    return _("Wave %(number)s", number=name)


def wave_state(name: str) -> str:
    """Where a wave stands."""
    return {
        "pending": _("not yet"),
        "open": _("open"),
        "soaking": _("soaking"),
        "gate": _("compared with the control"),
        "passed": _("passed"),
        "failed": _("failed"),
    }.get(name, named_reason(name))


def stop_rule(rule: Sequence[str]) -> str:
    """What stops a rollout by itself: the rule's name and its numbers."""
    match list(rule):
        case ["budget", count]:
            return _("%(count)s devices are at risk or bad before others have proved the release", count=count)
        case ["rate", share, odds]:
            return _("failures are more than %(share)s beyond doubt (one chance in %(odds)s)", share=share, odds=odds)
        case ["control"]:
            return _("updated devices do worse than the untouched control on the same fault rules")
        case words:
            return " ".join(words)


def reason(name: str) -> str:
    """Why a device does not get it, or failed. Names that nobody put into words stay as in the documents."""
    return {
        "no_window": _("no maintenance window"),
        "window_closed": _("outside its window"),
        "window_too_short": _("too little of its window left"),
        "blackout_date": _("a day without updates"),
        "support_ended": _("support has ended"),
        "manifest_expired": _("the release has expired"),
        "release_revoked": _("the release was revoked"),
        "key_not_trusted": _("its key is not trusted"),
        "downgrade": _("it would be a step back"),
        "hardware": _("other hardware"),
        "from_version": _("not from its version"),
        "depends": _("needs another part first"),
        "conflicts": _("conflicts with another part"),
        "space": _("too little space"),
        "no_inventory": _("has not said what runs on it"),
        "inventory_stale": _("has not said for a day what runs on it"),
        "quarantined": _("went back from this release"),
        "device_at_risk": _("another update is at work on it"),
        "site_cap": _("enough at once at its site"),
        "group_cap": _("another watches the same place"),
        "budget": _("waits for others to prove it"),
        "consent": _("its owner has not agreed"),
        "postponed": _("its owner wants it later"),
        "critical_ticket": _("has a critical ticket"),
        "device_busy": _("busy"),
        "low_battery": _("battery too low"),
        "signature": _("refused the signature"),
        "lost": _("silent since the install"),
        "rolled_back": _("went back to its old version"),
    }.get(name, named_reason(name))
