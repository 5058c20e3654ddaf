"""Which subscriptions match a topic: a dictionary for plain filters, a tree of levels for those with wildcards."""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from gateway.ingest.endpoint.topics import has_wildcard

Owner = TypeVar("Owner", bound=Hashable)
Entry = TypeVar("Entry")


class _Node(Generic[Owner, Entry]):
    __slots__ = ("children", "entries")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Owner, Entry]] | None = None
        self.entries: dict[Owner, Entry] | None = None


class FilterTree(Generic[Owner, Entry]):
    """Entries by filter and owner, one for each pair."""

    __slots__ = ("_plain", "_root")

    def __init__(self) -> None:
        self._plain: dict[str, dict[Owner, Entry]] = {}
        self._root: _Node[Owner, Entry] = _Node()

    def put(self, topic_filter: str, owner: Owner, entry: Entry) -> None:
        """Add or replace the entry of this owner under a valid filter."""
        if not has_wildcard(topic_filter):
            self._plain.setdefault(topic_filter, {})[owner] = entry
            return
        node = self._root
        for level in topic_filter.split("/"):
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        if node.entries is None:
            node.entries = {}
        node.entries[owner] = entry

    def drop(self, topic_filter: str, owner: Owner) -> None:
        """Remove the entry of this owner, which must be there, and the nodes that nothing needs any more."""
        if not has_wildcard(topic_filter):
            owners = self._plain[topic_filter]
            del owners[owner]
            if not owners:
                del self._plain[topic_filter]
            return
        path: list[tuple[dict[str, _Node[Owner, Entry]], str]] = []
        node = self._root
        for level in topic_filter.split("/"):
            children = node.children or {}
            path.append((children, level))
            node = children[level]
        entries = node.entries or {}
        del entries[owner]
        for children, level in reversed(path):
            if children[level].entries or children[level].children:
                return
            del children[level]

    def match(self, topic: str) -> Iterator[tuple[Owner, Entry]]:
        """Every (owner, entry) whose filter matches the topic name."""
        plain = self._plain.get(topic)
        if plain:
            yield from plain.items()
        if self._root.children:
            levels = topic.split("/")
            nodes = [self._root]
            for depth, level in enumerate(levels):
                wild = depth > 0 or not topic.startswith("$")
                below: list[_Node[Owner, Entry]] = []
                for node in nodes:
                    children = node.children
                    if not children:
                        continue
                    if wild:
                        yield from _entries(children.get("#"))
                        if "+" in children:
                            below.append(children["+"])
                    if level in children:
                        below.append(children[level])
                nodes = below
                if not nodes:
                    return
            for node in nodes:
                yield from _entries(node)
                # `sport/#` matches its own parent level `sport` (4.7.1.2).
                yield from _entries((node.children or {}).get("#"))


def _entries(node: _Node[Owner, Entry] | None) -> Iterator[tuple[Owner, Entry]]:
    if node is not None and node.entries:
        yield from node.entries.items()
