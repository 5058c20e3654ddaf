"""Topic names and filters (section 4.7): what is valid and what matches."""

from typing import Final

MAX_LEVELS: Final = 256
"""Deeper filters and retained topics are refused: each level costs memory, and no device needs that many."""

SHARE_PREFIX: Final = "$share/"


def valid_filter(topic_filter: str) -> bool:
    """Whether the wildcards stand alone in their level and `#` is last (MQTT-4.7.1-1, -2); a shared one needs a name
    without wildcards and a filter (MQTT-4.8.2-1, -2).
    """
    if not valid_share(topic_filter):
        return False
    _, topic_filter = split_share(topic_filter)
    if not topic_filter:
        return False
    if "#" not in topic_filter and "+" not in topic_filter:
        return True
    levels = topic_filter.split("/")
    if "#" in topic_filter and (levels[-1] != "#" or topic_filter.count("#") > 1):
        return False
    return all(level == "+" for level in levels if "+" in level)


def valid_share(topic_filter: str) -> bool:
    """Whether a filter that begins as a shared one has a name and a filter (MQTT-4.8.2-1, -2); others have no share."""
    if not topic_filter.startswith(SHARE_PREFIX):
        return True
    name, shared = split_share(topic_filter)
    return bool(name and shared) and "#" not in name and "+" not in name


def split_share(topic_filter: str) -> tuple[str, str]:
    """(share name, filter) of `$share/{share name}/{filter}`; ("", filter) for an ordinary one (section 4.8.2)."""
    if not topic_filter.startswith(SHARE_PREFIX):
        return "", topic_filter
    name, _, shared = topic_filter[len(SHARE_PREFIX) :].partition("/")
    return name, shared


def has_wildcard(topic_filter: str) -> bool:
    """Whether a valid filter can match more than one topic."""
    return topic_filter.endswith("#") or "+" in topic_filter


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a valid filter matches a topic name; wildcards in the first level never match `$` topics."""
    if topic.startswith("$") and topic_filter[0] in "#+":
        return False
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)
