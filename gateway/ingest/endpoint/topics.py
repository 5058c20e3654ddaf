"""Topic names and filters (section 4.7): what is valid and what matches."""

from typing import Final

MAX_LEVELS: Final = 128
"""Deeper filters are refused: depth costs memory and no device needs it."""


def valid_filter(topic_filter: str) -> bool:
    """Whether the wildcards stand alone in their level and `#` is last (MQTT-4.7.1-1, -2)."""
    if not topic_filter or topic_filter.count("/") >= MAX_LEVELS:
        return False
    if "#" not in topic_filter and "+" not in topic_filter:
        return True
    levels = topic_filter.split("/")
    if "#" in topic_filter and (levels[-1] != "#" or topic_filter.count("#") > 1):
        return False
    return all(level == "+" for level in levels if "+" in level)


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
