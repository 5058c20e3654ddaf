"""How late the event loop comes to what is due, as /metrics says it."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from gateway.clock import ManualClock
from gateway.loop_delay import BOUNDS_S, LOOK_S, LoopDelay
from gateway.metrics import registry


def said(delay: LoopDelay) -> dict[str, float]:
    text = generate_latest(registry(delay.metrics)).decode()
    lines = [line for line in text.splitlines() if line.startswith("siaga_event_loop_delay")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_a_loop_that_is_held_up_shows_by_how_much() -> None:
    clock = ManualClock(100.0)
    delay = LoopDelay(clock)
    watching = asyncio.create_task(delay.watch())
    for late_s in (0.0, 0.04, 3.0):
        await asyncio.sleep(0)
        clock.move(LOOK_S + late_s)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    watching.cancel()
    shown = said(delay)
    assert shown['siaga_event_loop_delay_seconds_bucket{le="0.005"}'] == 1
    assert shown['siaga_event_loop_delay_seconds_bucket{le="0.05"}'] == 2
    assert shown['siaga_event_loop_delay_seconds_bucket{le="2.5"}'] == 2
    assert shown['siaga_event_loop_delay_seconds_bucket{le="5.0"}'] == 3
    assert shown["siaga_event_loop_delay_seconds_count"] == 3
    assert abs(shown["siaga_event_loop_delay_seconds_sum"] - 3.04) < 1e-6


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.0, 60.0), max_size=20))
def test_every_look_is_counted_once(late: list[float]) -> None:
    delay = LoopDelay(ManualClock(0.0))
    for late_s in late:
        delay.note(late_s)
    shown = said(delay)
    assert shown["siaga_event_loop_delay_seconds_count"] == len(late)
    for bound in BOUNDS_S:
        below = shown[f'siaga_event_loop_delay_seconds_bucket{{le="{bound}"}}']
        assert below == sum(late_s <= bound for late_s in late)
