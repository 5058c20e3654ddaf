"""Topic filters against a plain reading of section 4.7, and the two trees against the filters."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ingest.endpoint.retained import RetainedTree
from gateway.ingest.endpoint.topics import MAX_LEVELS, matches, valid_filter
from gateway.ingest.endpoint.tree import FilterTree
from gateway.ports.endpoint import RetainedMessage

_level = st.sampled_from(["", "a", "b", "$x"])
_topics = st.lists(_level, min_size=1, max_size=4).map("/".join).filter(bool)
_filters = (
    st.tuples(st.lists(_level | st.just("+"), max_size=4), st.booleans())
    .map(lambda t: "/".join([*t[0], *(["#"] if t[1] else [])]))
    .filter(bool)
)


def by_the_book(topic_filter: str, topic: str) -> bool:
    """Section 4.7 as a regular expression."""
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    pattern = "/".join("[^/]*" if level == "+" else re.escape(level) for level in topic_filter.split("/"))
    pattern = re.sub(r"(^|/)\\#$", lambda m: "(/.*)?" if m[1] else ".*", pattern)
    return re.fullmatch(pattern, topic, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "a/b", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/x", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("ACCOUNTS", "Accounts", False),
        ("a b", "a b", True),
    ],
)
def test_filters_match_as_the_specification_says(topic_filter, topic, expected):
    assert matches(topic_filter, topic) is expected
    assert by_the_book(topic_filter, topic) is expected


@given(_filters, _topics)
@settings(max_examples=150)
def test_matching_agrees_with_a_plain_reading(topic_filter, topic):
    assert valid_filter(topic_filter)
    assert matches(topic_filter, topic) == by_the_book(topic_filter, topic)


@pytest.mark.parametrize(
    "topic_filter",
    ["", "a#", "#/a", "a/#/b", "a+", "+a", "a/+b/c", "##", "a/##", "$share/g", "$share//a", "$share/+/a"],
)
def test_wildcards_stand_alone_and_share_names_are_complete(topic_filter):
    assert not valid_filter(topic_filter)


@pytest.mark.parametrize(
    "topic_filter", ["/", "a", "#", "+", "+/#", "a//b", "/" * MAX_LEVELS, "$share/g/#", "$shared/x"]
)
def test_a_valid_filter_is_valid(topic_filter):
    assert valid_filter(topic_filter)


@given(st.lists(st.tuples(_filters, st.integers(0, 2), st.booleans()), max_size=12), _topics)
@settings(max_examples=100)
def test_the_tree_of_filters_finds_what_each_filter_matches(steps, topic):
    tree: FilterTree[int, int] = FilterTree()
    model: dict[tuple[str, int], int] = {}
    for number, (topic_filter, owner, remove) in enumerate(steps):
        if not remove:
            tree.put(topic_filter, owner, number)
            model[topic_filter, owner] = number
        elif (topic_filter, owner) in model:
            tree.drop(topic_filter, owner)
            del model[topic_filter, owner]
    expected = sorted((owner, n) for (name, owner), n in model.items() if matches(name, topic))
    assert sorted(tree.match(topic)) == expected
    for topic_filter, owner in list(model):
        tree.drop(topic_filter, owner)
    assert not list(tree.match(topic))
    assert not tree._plain and not tree._root.children


@given(st.lists(st.tuples(_topics, st.sampled_from(["", "1", "2"]), st.sampled_from("xy")), max_size=12), _filters)
@settings(max_examples=100)
def test_the_tree_of_retained_messages_finds_what_the_filter_matches(steps, topic_filter):
    tree = RetainedTree()
    model: dict[str, RetainedMessage] = {}
    for topic, payload, identity in steps:
        message = RetainedMessage(topic, payload.encode(), identity)
        if payload:
            tree.put(message)
            model[topic] = message
        else:
            tree.drop(topic)
            model.pop(topic, None)
    key = lambda m: m.topic  # noqa: E731
    assert sorted(tree.match(topic_filter), key=key) == sorted(
        (m for t, m in model.items() if matches(topic_filter, t)), key=key
    )
    assert tree.count == len(model)
    assert tree.owned == {i: n for i in "xy" if (n := sum(m.identity == i for m in model.values()))}
    assert all(tree.get(topic) == model.get(topic) for topic, _, _ in steps)
    for topic in list(model):
        tree.drop(topic)
    assert not tree._root.children
