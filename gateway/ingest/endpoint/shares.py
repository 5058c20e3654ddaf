"""Shared subscriptions (section 4.8.2): each message goes to one member of a group. Pure."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from gateway.ingest.endpoint.session import Session
from gateway.ingest.endpoint.tree import FilterTree
from gateway.ports.endpoint import Subscription

Line = TypeVar("Line")


class _Group(Generic[Line]):
    """The members of one share name and filter, in the order of their turns."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: dict[Session[Line], Subscription] = {}

    def next(self) -> tuple[Session[Line], Subscription]:
        """Whose turn it is: the first that is connected, or the first. That one goes to the end of the line."""
        first = next(iter(self.members))
        session = next((session for session in self.members if session.line is not None), first)
        subscription = self.members.pop(session)
        self.members[session] = subscription
        return session, subscription


class ShareTree(Generic[Line]):
    """Groups by filter and share name; a group has at least one member."""

    __slots__ = ("_groups", "_tree")

    def __init__(self) -> None:
        self._tree: FilterTree[str, _Group[Line]] = FilterTree()
        self._groups: dict[tuple[str, str], _Group[Line]] = {}

    def put(self, name: str, topic_filter: str, session: Session[Line], subscription: Subscription) -> None:
        """Add a member to a group, or replace its subscription."""
        group = self._groups.get((name, topic_filter))
        if group is None:
            group = self._groups[name, topic_filter] = _Group()
            self._tree.put(topic_filter, name, group)
        group.members[session] = subscription

    def drop(self, name: str, topic_filter: str, session: Session[Line]) -> None:
        """Remove a member, which must be there."""
        group = self._groups[name, topic_filter]
        del group.members[session]
        if not group.members:
            del self._groups[name, topic_filter]
            self._tree.drop(topic_filter, name)

    def matches(self, topic: str) -> bool:
        """Whether a group wants this topic."""
        return bool(self._groups) and next(self._tree.match(topic), None) is not None

    def choose(self, topic: str) -> Iterator[tuple[Session[Line], Subscription]]:
        """One member of each group that wants this topic."""
        if self._groups:
            for _, group in self._tree.match(topic):
                yield group.next()
