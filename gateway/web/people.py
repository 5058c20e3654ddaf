"""What people are called: actors of a ticket's history by name, rules and customers by what they are."""

from collections.abc import Iterable, Sequence

from gateway.ports.registry import Accounts, Role
from gateway.tickets.ticket import HistoryEntry


async def staff_names(accounts: Accounts, history: Sequence[HistoryEntry], more: Iterable[str] = ()) -> dict[str, str]:
    """User name -> display name, for the staff among the actors (nobody else's name leaves the store)."""
    names: dict[str, str] = {}
    for actor in {entry.actor for entry in history} | set(more):
        user = await accounts.user(actor) if actor and "@" not in actor else None
        if user is not None and user.role is not Role.CUSTOMER:
            names[actor] = user.display_name or user.name
    return names
