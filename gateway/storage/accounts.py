"""Users and web sessions in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from gateway.ports.registry import Role, User
from gateway.storage.database import Database
from gateway.storage.rejects import storable
from gateway.storage.schema.accounts import users, web_sessions
from gateway.storage.upsert import upsert


class SqlAccounts:
    """See `gateway.ports.registry.Accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_user(self, user: User) -> None:
        """See the port."""
        await self._database.transact(lambda connection: _put(connection, user))

    async def user(self, name: str) -> User | None:
        """See the port."""
        found = select(users).where(users.c.name_key == name_key(name))
        row = await self._database.read(lambda connection: connection.execute(found).one_or_none())
        return _user(row) if row else None

    async def users(self) -> Sequence[User]:
        """See the port."""
        found = select(users).order_by(users.c.name_key)
        return await self._database.read(lambda connection: [_user(row) for row in connection.execute(found)])

    async def delete_user(self, name: str) -> bool:
        """See the port."""
        return await self._database.transact(lambda connection: _delete(connection, name_key(name)))

    async def save_session(self, token_hash: bytes, user: str, data: str, expires_at: float) -> None:
        """See the port."""
        row = {"token_hash": token_hash, "user_key": name_key(user), "data": data, "expires_at": expires_at}
        await self._database.transact(lambda connection: upsert(connection, web_sessions, [row]))

    async def session(self, token_hash: bytes, now: float) -> str | None:
        """See the port."""
        found = select(web_sessions.c.data).where(
            web_sessions.c.token_hash == token_hash, web_sessions.c.expires_at > now
        )
        return await self._database.read(lambda connection: connection.execute(found).scalar_one_or_none())

    async def delete_session(self, token_hash: bytes) -> None:
        """See the port."""
        await self._run(delete(web_sessions).where(web_sessions.c.token_hash == token_hash))

    async def delete_expired(self, now: float) -> None:
        """See the port."""
        await self._run(delete(web_sessions).where(web_sessions.c.expires_at <= now))

    async def _run(self, statement: Any) -> None:
        await self._database.transact(lambda connection: connection.execute(statement).close())


def name_key(name: str) -> str:
    """The form under which a sign-in name is unique."""
    return storable(name).casefold()


def _put(connection: Connection, user: User) -> None:
    key = name_key(user.name)
    row = {
        "name_key": key,
        "name": user.name,
        "role": user.role.value,
        "password_hash": user.password_hash,
        "customer_id": user.customer_id,
        "display_name": user.display_name,
        "language": user.language,
    }
    upsert(connection, users, [row])
    connection.execute(delete(web_sessions).where(web_sessions.c.user_key == key))


def _delete(connection: Connection, key: str) -> bool:
    connection.execute(delete(web_sessions).where(web_sessions.c.user_key == key))
    return connection.execute(delete(users).where(users.c.name_key == key)).rowcount > 0


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(row.name, Role(row.role), row.password_hash, row.customer_id, row.display_name, row.language)
