"""What all connections of an endpoint share: sessions, wills that wait, the router, the journal, the way in."""

import asyncio
import heapq
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Final

from gateway.clock import Clock
from gateway.ingest import topics as device_topics
from gateway.ingest.endpoint.counters import Counters
from gateway.ingest.endpoint.flow import Flow, Pause
from gateway.ingest.endpoint.journal import Journal
from gateway.ingest.endpoint.limits import EndpointSettings, TokenBucket
from gateway.ingest.endpoint.packets import Will
from gateway.ingest.endpoint.routing import Router
from gateway.ingest.endpoint.session import Message, Session, restore
from gateway.ports.endpoint import (
    NEVER_EXPIRES,
    Authenticate,
    DeleteSession,
    EndpointStore,
    Principal,
    Rights,
    SaveSession,
    Snapshot,
)
from gateway.ports.ingest import Inbound, Intake

if TYPE_CHECKING:
    from gateway.ingest.endpoint.connection import Connection
    from gateway.ingest.endpoint.line import Line

_BUFFER_BYTES: Final = 131_072
_STALE_EXPIRIES: Final = 1_000
_LOT: Final = 500


class _Own:
    """The link of messages that the endpoint itself sends in: wills. Nobody waits for their receipt."""

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """Nothing to forget."""


class Hub:
    """One for an endpoint. Everything here runs on the event loop."""

    def __init__(
        self, settings: EndpointSettings, intake: Intake, store: EndpointStore, authenticate: Authenticate, clock: Clock
    ) -> None:
        self.settings = settings
        self.most_unacknowledged, self.most_bytes = settings.receive_maximum, settings.max_packet_bytes
        self.intake = intake
        self.authenticate = authenticate
        self.clock = clock
        self.now = clock.now
        self.counters = Counters()
        self.journal = Journal(store, self.counters)
        self.router: Router[Line] = Router(settings, self.journal, self.counters)
        self.dirty = self.router.dirty
        self.inbox: list[Inbound] = []
        self._called = False
        self.sessions: dict[str, Session[Line]] = {}
        self.connections: set[Connection] = set()
        self.websockets: set[Connection] = set()
        self.tasks: asyncio.TaskGroup
        self.admissions: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.seconds = self._loop.time
        self.full = False
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._held: set[Flow] = set()
        self._own = _Own()
        self._wills: dict[str, tuple[float, Will, Principal]] = {}
        self._expiries: list[tuple[float, str]] = []
        self._buckets: dict[str, TokenBucket] = {}
        self._by_identity: dict[str, int] = {}
        self.online: Counter[str] = Counter()

    def restore(self, snapshot: Snapshot) -> None:
        """Take up what the store kept."""
        now = self.clock.now()
        for stored in snapshot.sessions:
            session: Session[Line] = restore(stored, now)
            self._adopt(session)
            self.router.restore(session)
            self._expire_at(session)
        for kept in snapshot.retained:
            self.router.retained.put(kept)
        self.tick()

    def _adopt(self, session: Session["Line"]) -> None:
        self.sessions[session.key] = session
        self._by_identity[session.identity] = self._by_identity.get(session.identity, 0) + 1

    def make_room(self, key: str, principal: Principal) -> bool:
        """Whether this identity may have the session: its own again always, a further one within its share. The session
        it left longest ago makes way, so that a client with ever new client ids does not lock itself out.
        """
        if key in self.sessions or principal.rights is not Rights.DEVICE:
            return True
        if self._by_identity.get(principal.identity, 0) < self.settings.max_sessions_per_device:
            return True
        left = [s for s in self.sessions.values() if s.identity == principal.identity and s.line is None]
        if left:
            self.end(min(left, key=lambda session: session.expires_at or 0.0))
        return bool(left)

    def attach(
        self, connection: "Line", key: str, client_id: str, identity: str, *, clean: bool, expiry_s: int
    ) -> tuple[Session["Line"], bool]:
        """The session for a new connection, and whether it was there before. The old connection must be gone."""
        session = self.sessions.get(key)
        if session is not None and clean:
            self.end(session)
            session = None
        present = session is not None
        if session is None:
            session = Session(key, client_id, identity, expiry_s)
            self._adopt(session)
        self._wills.pop(key, None)
        session.line = connection
        self.online[identity] += 1
        session.expires_at = None
        was_durable = present and session.durable
        session.expiry_s = expiry_s
        if session.durable:
            self.journal.add(SaveSession(session.stored()))
        elif was_durable:
            self.forget(session)
        return session, present

    def detach(self, connection: "Line") -> None:
        """The connection of a session is over: judge its will, and end the session or let it wait."""
        session = connection.session
        if session is None or session.line is not connection:
            return
        session.line = None
        self.online[session.identity] -= 1
        if not self.online[session.identity]:
            del self.online[session.identity]
        if session.held:
            self.let_go(session, connection.principal)
        will, connection.will = connection.will, None
        delay_s = min(will.delay_s, session.expiry_s) if will else 0
        now = self.clock.now()
        if will and delay_s:
            self._wills[session.key] = (now + delay_s, will, connection.principal)
        elif will:
            self._publish_will(will, connection.principal)
        if not session.durable:
            self.end(session)
            return
        session.expires_at = None if session.expiry_s == NEVER_EXPIRES else now + session.expiry_s
        self._expire_at(session)
        self.journal.add(SaveSession(session.stored()))

    def _expire_at(self, session: Session["Line"]) -> None:
        if session.expires_at is None:
            return
        heapq.heappush(self._expiries, (session.expires_at, session.key))
        if len(self._expiries) > 2 * len(self.sessions) + _STALE_EXPIRIES:
            # clients that come and go leave entries that no longer count
            self._expiries = [(s.expires_at, s.key) for s in self.sessions.values() if s.expires_at is not None]
            heapq.heapify(self._expiries)

    def end(self, session: Session["Line"]) -> None:
        """Forget a session that has no connection; a will that waited is published now."""
        waiting = self._wills.pop(session.key, None)
        if waiting is not None:
            self._publish_will(waiting[1], waiting[2])
        for topic_filter in list(session.subscriptions):
            self.router.unsubscribe(session, topic_filter)
        del self.sessions[session.key]
        left = self._by_identity[session.identity] - 1
        if left:
            self._by_identity[session.identity] = left
        else:
            del self._by_identity[session.identity]
            self._buckets.pop(session.identity, None)
        if session.durable:
            self.journal.add(DeleteSession(session.key))

    def let_go(self, session: Session["Line"], principal: Principal) -> None:
        """Send on what is held: PUBREC said that it is ours."""
        for message in session.let_go():
            self.router.spread(message, principal, session.key)

    def _publish_will(self, will: Will, principal: Principal) -> None:
        self.counters.wills += 1
        now = self.clock.now()
        expires_at = None if will.expiry_s is None else now + will.expiry_s
        message = Message(will.topic, will.payload, will.qos, will.retain, expires_at, will.properties)
        self.router.spread(message, principal, None)
        if principal.rights is Rights.GUEST:
            return
        device_id, channel = device_topics.parse(will.topic)
        self.inbox.append(Inbound(device_id, channel, will.payload, now, self._own, 0))
        self._soon()

    def forget(self, session: Session["Line"]) -> None:
        """A stored session will not outlive its connection after all."""
        self.journal.add(DeleteSession(session.key))

    def tick(self) -> None:
        """Do what is due: delayed wills, ended sessions."""
        now = self.clock.now()
        for key, (due, _, _) in list(self._wills.items()):
            if due <= now:
                _, will, principal = self._wills.pop(key)
                self._publish_will(will, principal)
        while self._expiries and self._expiries[0][0] <= now:
            _, key = heapq.heappop(self._expiries)
            session = self.sessions.get(key)
            if session and session.line is None and session.expires_at is not None and session.expires_at <= now:
                self.end(session)

    def bucket(self, principal: Principal) -> TokenBucket | None:
        """The rate limit of a device, one over all its connections."""
        rate = self.settings.device_rate
        if rate is None or principal.rights is not Rights.DEVICE:
            return None
        bucket = self._buckets.get(principal.identity)
        if bucket is None:
            bucket = self._buckets[principal.identity] = TokenBucket(rate, self.seconds())
        return bucket

    def came(self) -> None:
        """There are messages in `inbox`: hand them in when this turn of the loop ends, at once if they are many."""
        if len(self.inbox) >= _LOT:
            self.hand_in()
        elif not self._called:
            self._soon()

    def _soon(self) -> None:
        if not self._called:
            self._called = True
            self._loop.call_soon(self._hand_in_later)

    def _hand_in_later(self) -> None:
        self._called = False
        self.hand_in()

    def hand_in(self) -> None:
        """Give what came to the pipeline; once its window (or the journal) is full, no connection reads on."""
        if self.inbox:
            batch, self.inbox = self.inbox, []
            if not self.intake.take(batch) and not self.full:
                self.full = True
                self.intake.when_room(self._room)
                for link in {message.link for message in batch}:
                    if isinstance(link, Flow) and link.is_open:
                        self.hold(link)
                        link.pause(Pause.PIPELINE)
        self.mind_backlog()

    def mind_backlog(self) -> None:
        """Let no connection read on while the store is far behind."""
        if self.journal.backlog > self.settings.max_journal_backlog and not self.full:
            self.full = True
            self.journal.after(self._room)

    def judge(self, admission: Coroutine[None, None, None]) -> None:
        """Have a CONNECT judged."""
        task = self.tasks.create_task(admission)
        self.admissions.add(task)
        task.add_done_callback(self.admissions.discard)

    def hold(self, flow: Flow) -> None:
        """Read on here when the pipeline has room."""
        self._held.add(flow)

    def _room(self) -> None:
        self.full = False
        held, self._held = self._held, set()
        for flow in held:
            flow.resume(Pause.PIPELINE)

    def rest(self, flow: Flow, seconds: float) -> None:
        """Read on here after that time, for the rate limit."""
        self._loop.call_later(seconds, flow.resume, Pause.RATE)

    def flush(self) -> None:
        """Let every connection with something new send it."""
        while self.dirty:
            session, _ = self.dirty.popitem()
            if session.line is not None:
                session.line.pump()
