"""Users and web sessions in memory."""

from collections.abc import Sequence

from gateway.ports.registry import User


class MemoryAccounts:
    """See `gateway.ports.registry.Accounts`."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._sessions: dict[bytes, tuple[str, str, float]] = {}

    async def put_user(self, user: User) -> None:
        """See the port."""
        self._users[user.name.casefold()] = user
        self._end_sessions(user.name)

    async def user(self, name: str) -> User | None:
        """See the port."""
        return self._users.get(name.casefold())

    async def users(self) -> Sequence[User]:
        """See the port."""
        return [self._users[key] for key in sorted(self._users)]

    async def delete_user(self, name: str) -> bool:
        """See the port."""
        self._end_sessions(name)
        return self._users.pop(name.casefold(), None) is not None

    async def save_session(self, token_hash: bytes, user: str, data: str, expires_at: float) -> None:
        """See the port."""
        self._sessions[token_hash] = (user.casefold(), data, expires_at)

    async def session(self, token_hash: bytes, now: float) -> str | None:
        """See the port."""
        _, data, expires_at = self._sessions.get(token_hash, ("", "", 0.0))
        return data if expires_at > now else None

    async def delete_session(self, token_hash: bytes) -> None:
        """See the port."""
        self._sessions.pop(token_hash, None)

    async def delete_expired(self, now: float) -> None:
        """See the port."""
        self._sessions = {key: session for key, session in self._sessions.items() if session[2] > now}

    def _end_sessions(self, name: str) -> None:
        key = name.casefold()
        self._sessions = {token: session for token, session in self._sessions.items() if session[0] != key}
