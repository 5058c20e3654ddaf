"""The loop that everything runs on."""

import asyncio

from gateway import loops


async def _kind() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_the_gateway_runs_on_uvloop_where_it_is_installed() -> None:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        assert loops.run(_kind()).startswith("asyncio")
    else:
        assert loops.run(_kind()).startswith("uvloop")


def test_what_the_coroutine_returns_is_handed_on() -> None:
    async def answer() -> int:
        return 42

    assert loops.run(answer()) == 42
