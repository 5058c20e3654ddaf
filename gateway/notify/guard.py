"""Where webhooks may not go: our own machine and network, unless the settings say so (SSRF).

A literal address never reaches a resolver, so it is looked at in the URL; a name is looked at when it is resolved for
the very connection (no time passes between the look and the connect in which it could change). Redirects are refused.
"""

import asyncio
from ipaddress import IPv6Address, ip_address
from socket import AF_INET, AF_UNSPEC, AddressFamily

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL


class Forbidden(OSError):
    """The address is not one for webhooks. One line."""


def is_public(address: str) -> bool:
    """Whether an address is out on the internet. IPv4 in IPv6's clothes is judged as IPv4."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            found = inner
        elif found in _NAT64:
            return False
    return found.is_global and not found.is_multicast


class _Network:
    def __init__(self, prefix: str, bits: int) -> None:
        self._value, self._bits = int(IPv6Address(prefix)) >> (128 - bits), bits

    def __contains__(self, address: IPv6Address) -> bool:
        return int(address) >> (128 - self._bits) == self._value


_NAT64 = _Network("64:ff9b::", 96)


def check(url: URL) -> None:
    """Raise Forbidden for a URL whose host is a literal address that is not public."""
    host = url.host or ""
    try:
        public = is_public(host)
    except ValueError:
        return  # a name: the resolver judges it
    if not public:
        raise Forbidden(f"{host} is not a public address (allow_private = true permits it)")


async def reachable(url: URL, *, allow_private: bool) -> None:
    """Resolve and connect, without saying a word. Raises OSError in one line."""
    host, port = url.host or "", url.port or 443
    if not allow_private:
        check(url)
    resolver = ThreadedResolver() if allow_private else PublicOnly()
    try:
        async with asyncio.timeout(5.0):
            (first, *_) = await resolver.resolve(host, port, AF_UNSPEC)
            _reader, writer = await asyncio.open_connection(first["host"], port)
            writer.close()
    except TimeoutError:
        raise OSError(f"{host}:{port} does not answer within 5 seconds") from None
    finally:
        await resolver.close()


class PublicOnly(AbstractResolver):
    """Resolves names to public addresses alone."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        """Every public address of the name. Forbidden if it has none."""
        found = await self._inner.resolve(host, port, family)
        public = [one for one in found if is_public(one["host"])]
        if not public:
            raise Forbidden(f"{host} has no public address (allow_private = true permits it)")
        return public

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()
