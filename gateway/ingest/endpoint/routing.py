"""Who gets a message: the sessions whose subscriptions match, each once, and the retained messages. Pure but for the
journal it tells what must survive.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

from gateway.ingest.endpoint.counters import Counters
from gateway.ingest.endpoint.journal import Journal
from gateway.ingest.endpoint.limits import EndpointSettings
from gateway.ingest.endpoint.retained import RetainedTree
from gateway.ingest.endpoint.session import Message, Session
from gateway.ingest.endpoint.shares import ShareTree
from gateway.ingest.endpoint.topics import MAX_LEVELS, split_share
from gateway.ingest.endpoint.tree import FilterTree
from gateway.ports.endpoint import Enqueue, Principal, Retain, RetainedMessage, Rights, Subscription

Line = TypeVar("Line")


class Router(Generic[Line]):
    """Holds the subscriptions of every session and the retained messages. Sessions with something new to send are
    collected in `dirty` for the caller to wake. `version` changes whenever `anyone_for` could.
    """

    def __init__(self, settings: EndpointSettings, journal: Journal, counters: Counters) -> None:
        self._settings = settings
        self._journal = journal
        self._counters = counters
        self.tree: FilterTree[Session[Line], Subscription] = FilterTree()
        self.shares: ShareTree[Line] = ShareTree()
        self.retained = RetainedTree()
        self.dirty: dict[Session[Line], None] = {}
        self.version = 0

    def anyone_for(self, topic: str) -> bool:
        """Whether a subscription matches now."""
        return next(self.tree.match(topic), None) is not None or self.shares.matches(topic)

    def restore(self, session: Session[Line]) -> None:
        """Take up the subscriptions a session already has."""
        for subscription in session.subscriptions.values():
            self._put(session, subscription)

    def _put(self, session: Session[Line], subscription: Subscription) -> None:
        self.version += 1
        name, topic_filter = split_share(subscription.topic_filter)
        if name:
            self.shares.put(name, topic_filter, session, subscription)
        else:
            self.tree.put(topic_filter, session, subscription)

    def route(self, message: Message, publisher: str | None) -> bool:
        """Queue a message for every session that subscribed. True if the journal has something of it to write.

        `publisher` is the key of the sending session, for subscriptions that do not want their own messages.
        """
        matched: dict[Session[Line], list[Subscription]] = {}
        for session, subscription in self.tree.match(message.topic):
            if not (subscription.no_local and session.key == publisher):
                matched.setdefault(session, []).append(subscription)
        durable = False
        for session, subscriptions in matched.items():
            retain = message.retain and any(s.retain_as_published for s in subscriptions)
            durable |= self._give(session, message, subscriptions, retain=retain)
        for session, subscription in self.shares.choose(message.topic):
            retain = message.retain and subscription.retain_as_published
            durable |= self._give(session, message, (subscription,), retain=retain)
        return durable

    def _give(
        self, session: Session[Line], message: Message, subscriptions: Iterable[Subscription], *, retain: bool
    ) -> bool:
        qos = min(message.qos, max(s.qos for s in subscriptions))
        if not qos and session.line is None:
            return False
        identifiers = tuple(s.identifier for s in subscriptions if s.identifier)
        settings = self._settings
        delivery = session.offer(message, qos, retain, identifiers, settings.max_queued, settings.max_queued_bytes)
        if delivery is None:
            self._counters.dropped["queue_full"] += 1
            return False
        if session.line is not None:
            self.dirty[session] = None
        if qos and session.durable:
            self._journal.add(Enqueue(session.key, delivery.stored()))
            return True
        return False

    def may_keep(self, message: Message, principal: Principal) -> bool:
        """Whether a client may have this message retained: replacing and clearing always, adding within its share and
        to a topic of bearable depth.
        """
        if not message.payload or self.retained.get(message.topic) is not None:
            return True
        if message.topic.count("/") >= MAX_LEVELS or self.retained.count >= self._settings.max_retained:
            return False
        held = self.retained.owned.get(principal.identity, 0)
        return principal.rights is not Rights.DEVICE or held < self._settings.max_retained_per_device

    def spread(self, message: Message, principal: Principal, publisher: str | None) -> tuple[bool, bool]:
        """Retain a message that asks for it, and route it. Says whether the journal has something of it to write, and
        whether it was retained as far as it asked.
        """
        kept = not message.retain or self.may_keep(message, principal)
        waits = message.retain and kept and self.keep(message, principal.identity)
        return self.route(message, publisher) or waits, kept

    def keep(self, message: Message, identity: str) -> bool:
        """Replace the retained message of the topic. True if the journal has something to write."""
        kept = RetainedMessage(
            message.topic, message.payload, identity, message.qos, message.expires_at, message.properties
        )
        if message.payload:
            self.retained.put(kept)
        elif self.retained.get(message.topic) is None:
            return False
        else:
            self.retained.drop(message.topic)
        self._journal.add(Retain(kept))
        return True

    def subscribe(self, session: Session[Line], subscription: Subscription, now: float) -> bool:
        """Add or replace a subscription and queue the retained messages it asks for; a shared one gets none. True if
        the journal must write.
        """
        topic_filter = subscription.topic_filter
        known = topic_filter in session.subscriptions
        session.subscriptions[topic_filter] = subscription
        self._put(session, subscription)
        durable = False
        if split_share(topic_filter)[0]:
            return durable
        if subscription.retain_handling == 0 or (subscription.retain_handling == 1 and not known):
            for message in list(self._kept(topic_filter, now)):
                durable |= self._give(session, message, (subscription,), retain=True)
        return durable

    def unsubscribe(self, session: Session[Line], topic_filter: str) -> bool:
        """Drop a subscription; False if there was none."""
        if session.subscriptions.pop(topic_filter, None) is None:
            return False
        self.version += 1
        name, topic_filter = split_share(topic_filter)
        if name:
            self.shares.drop(name, topic_filter, session)
        else:
            self.tree.drop(topic_filter, session)
        return True

    def _kept(self, topic_filter: str, now: float) -> Iterator[Message]:
        for kept in self.retained.match(topic_filter):
            if kept.expires_at is None or kept.expires_at > now:
                yield Message(kept.topic, kept.payload, kept.qos, True, kept.expires_at, kept.properties)

    def expire_retained(self, now: float) -> None:
        """Forget the retained messages whose time is over."""
        for kept in list(self.retained.match("#")):
            if kept.expires_at is not None and kept.expires_at <= now:
                self.retained.drop(kept.topic)
                self._journal.add(Retain(replace(kept, payload=b"")))
