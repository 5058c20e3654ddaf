"""Passwords: argon2id, made and checked in a thread, two at a time, and as slow for unknown names as for known ones."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's cheat sheet asks for at least 19 MiB with t=2 or 46 MiB with t=1; 46 MiB keeps a log-in under 60 ms here.
_HASHER = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)

MIN_LENGTH = 8


def hash_password(password: str) -> str:
    """The PHC string to store. ValueError, in one line, for a password that is too short."""
    if len(password) < MIN_LENGTH:
        raise ValueError(f"a password needs at least {MIN_LENGTH} characters")
    return _HASHER.hash(password)


class PasswordCheck:
    """At most two checks run at once, so that a flood of log-ins cannot eat the memory (46 MiB each)."""

    def __init__(self) -> None:
        self._two = asyncio.Semaphore(2)
        self._dummy = _HASHER.hash("nobody has this password")

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password fits; `stored` None (unknown name) takes as long and is never true."""
        async with self._two:
            fits = await asyncio.to_thread(_verify, stored or self._dummy, password)
        return fits and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
