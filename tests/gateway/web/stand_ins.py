"""A small fleet in memory for pages: two customers, three sites, devices in every state a page can show."""

from gateway.ports.tickets import Conflict, NotAllowed, Page, View
from gateway.tickets import edits
from gateway.tickets.ticket import UNRESOLVED, Entry, HistoryEntry, State


class Registry:
    def __init__(self) -> None:
        self.customers, self.sites, self._devices = {}, {}, {}

    async def put(self, customers=(), sites=(), devices=()) -> None:
        self.customers |= {it.customer_id: it for it in customers}
        self.sites |= {it.site_id: it for it in sites}
        self._devices |= {it.device_id: it for it in devices}

    async def device(self, device_id):
        return self._devices.get(device_id)

    async def devices_of_site(self, site_id):
        return [it for it in self._devices.values() if it.site_id == site_id]

    async def owned_devices(self, customer_id):
        return [it for it in self._devices.values() if self.sites[it.site_id].customer_id == customer_id]

    async def search_devices(self, text, after="", limit=50):
        def words(it):
            site = self.sites[it.site_id]
            return " ".join(
                [it.device_id, it.name, it.model, site.name, self.customers[site.customer_id].name]
            ).casefold()

        return [it for key, it in sorted(self._devices.items()) if key > after and text.casefold() in words(it)][:limit]

    async def site(self, site_id):
        return self.sites.get(site_id)

    async def sites_of_customer(self, customer_id):
        return [it for it in self.sites.values() if it.customer_id == customer_id]

    async def customer(self, customer_id):
        return self.customers.get(customer_id)


class Accounts:
    def __init__(self) -> None:
        self._users, self.sessions = {}, {}

    async def put_user(self, user) -> None:
        self._users[user.name.casefold()] = user
        self.sessions = {key: it for key, it in self.sessions.items() if it[0] != user.name}

    async def user(self, name):
        return self._users.get(name.casefold())

    async def users(self):
        return list(self._users.values())

    async def save_session(self, token_hash, user, data, expires_at) -> None:
        self.sessions[token_hash] = (user, data, expires_at)

    async def session(self, token_hash, now):
        row = self.sessions.get(token_hash)
        return row[1] if row and row[2] > now else None

    async def delete_session(self, token_hash) -> None:
        self.sessions.pop(token_hash, None)


class Tickets:
    def __init__(self) -> None:
        self.rows, self.lines = {}, {}

    def add(self, ticket, *lines) -> None:
        self.rows[ticket.ticket_id] = ticket
        self.lines[ticket.ticket_id] = list(lines)

    def _keep(self, edit):
        ticket, line = edit
        self.rows[ticket.ticket_id] = ticket
        self.lines.setdefault(ticket.ticket_id, []).append(line)
        return ticket

    def _at(self, ticket_id, version=None):
        ticket = self.rows[ticket_id]
        if version is not None and ticket.version != version:
            raise Conflict(ticket)
        return ticket

    def _in(self, view, actor):
        rows = [it for it in self.rows.values() if (it.state in UNRESOLVED) is (view is not View.DONE)]
        if view is View.INBOX:
            rows = [it for it in rows if not it.owner]
        if view is View.MINE:
            rows = [it for it in rows if it.owner == actor]
        if view is View.WAITING:
            rows = [it for it in rows if it.state is State.PENDING]
        return sorted(rows, key=lambda it: (it.priority_at, it.ticket_id))

    async def page(self, view, actor, search="", cursor="", limit=50):
        rows = [
            it
            for it in self._in(view, actor)
            if search.casefold() in f"{it.number} {it.device_id} {it.site_id}".casefold()
        ]
        return Page(rows[:limit], "", {it: len(self._in(it, actor)) for it in View})

    async def get(self, ticket_id):
        return self.rows.get(ticket_id) or next((it for it in self.rows.values() if it.number == ticket_id), None)

    async def history(self, ticket_id):
        return list(self.lines[ticket_id])

    async def of_customer(self, customer_id, limit=100):
        return [it for it in self.rows.values() if it.customer_id == customer_id]

    async def of_device(self, device_id, limit=20):
        return [it for it in self.rows.values() if it.device_id == device_id]

    async def take(self, ticket_id, version, actor, now):
        return self._keep(edits.take(self._at(ticket_id, version), actor, now))

    async def note(self, ticket_id, actor, text, now, *, to_customer=False):
        return self._keep(edits.note(self._at(ticket_id), actor, text, now, to_customer=to_customer))

    async def wait(self, ticket_id, version, actor, reason, now):
        return self._keep(edits.wait(self._at(ticket_id, version), actor, reason, now))

    async def promise(self, ticket_id, version, actor, promise_at, now):
        return self._keep(edits.promise(self._at(ticket_id, version), actor, promise_at, now))

    async def solve(self, ticket_id, version, actor, code, text, now):
        return self._keep(edits.solve(self._at(ticket_id, version), actor, code, text, now))

    async def reopen(self, ticket_id, actor, text, now):
        try:
            return self._keep(edits.reopen(self._at(ticket_id), actor, text, now))
        except edits.IllegalStep as refusal:
            raise NotAllowed(str(refusal)) from None

    async def report_problem(self, customer_id, device_id, category, text, now):
        for it in self.rows.values():
            if it.device_id == device_id and it.state in UNRESOLVED:
                return self._keep(edits.from_customer(it, customer_id, category, text, now))
        number = f"SG-{2000 + len(self.rows)}"
        who = edits.Identity(number.lower(), number, device_id, "", customer_id)
        return self._keep(edits.reported(who, category, text, customer_id, False, now))

    async def rate(self, ticket_id, customer_id, stars, text, now) -> None:
        if any(it.kind is Entry.RATED for it in self.lines[ticket_id]):
            raise NotAllowed("this ticket has been rated")
        self.lines[ticket_id].append(HistoryEntry(now, Entry.RATED, customer_id, str(stars), text))
