"""The retained messages, by topic, and which of them a filter asks for. Pure."""

from collections.abc import Iterator

from gateway.ports.endpoint import RetainedMessage


class _Node:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: RetainedMessage | None = None


class RetainedTree:
    """At most one message a topic; `count` of them, `owned` by identity."""

    __slots__ = ("_root", "count", "owned")

    def __init__(self) -> None:
        self._root = _Node()
        self.count = 0
        self.owned: dict[str, int] = {}

    def get(self, topic: str) -> RetainedMessage | None:
        """The message of exactly this topic."""
        node: _Node | None = self._root
        for level in topic.split("/"):
            node = node.children.get(level) if node else None
        return node.message if node else None

    def put(self, message: RetainedMessage) -> None:
        """Set the message of its topic."""
        node = self._root
        for level in message.topic.split("/"):
            node = node.children.setdefault(level, _Node())
        self._disown(node.message)
        node.message = message
        self.count += 1
        self.owned[message.identity] = self.owned.get(message.identity, 0) + 1

    def drop(self, topic: str) -> None:
        """Clear a topic; nothing happens if it has no message."""
        path: list[tuple[_Node, str]] = []
        node = self._root
        for level in topic.split("/"):
            if level not in node.children:
                return
            path.append((node, level))
            node = node.children[level]
        self._disown(node.message)
        node.message = None
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.message is not None or child.children:
                return
            del parent.children[level]

    def _disown(self, message: RetainedMessage | None) -> None:
        if message is None:
            return
        self.count -= 1
        left = self.owned[message.identity] - 1
        if left:
            self.owned[message.identity] = left
        else:
            del self.owned[message.identity]

    def match(self, topic_filter: str) -> Iterator[RetainedMessage]:
        """Every message whose topic a valid filter matches; wildcards in the first level skip `$` topics."""
        nodes = [self._root]
        for depth, level in enumerate(topic_filter.split("/")):
            below: list[_Node] = []
            for node in nodes:
                if level == "#":
                    if depth and node.message:
                        yield node.message
                    yield from _all_below(node, skip_dollar=depth == 0)
                elif level == "+":
                    below += [c for name, c in node.children.items() if depth or not name.startswith("$")]
                elif level in node.children:
                    below.append(node.children[level])
            nodes = below
        for node in nodes:
            if node.message:
                yield node.message


def _all_below(node: _Node, *, skip_dollar: bool) -> Iterator[RetainedMessage]:
    stack = [c for name, c in reversed(node.children.items()) if not (skip_dollar and name.startswith("$"))]
    while stack:
        below = stack.pop()
        if below.message:
            yield below.message
        stack += reversed(below.children.values())
