from firmware_updates.device import heard, is_news, stocked, version_of
from firmware_updates.fitness import is_on_target
from firmware_updates.messages import Channel, Component, Reported, Slot
from tests.firmware_updates.factories import NIGHT, device, release, stock


def reported(boot, seq, counter, confirmed=True, **more):
    return Reported(boot, seq, {"firmware": Component("2.5.0", counter)}, Slot("a", confirmed), **more)


def test_a_message_is_news_once_and_each_channel_has_its_own_order():
    cam = heard(device(), Channel.STATUS, 12, 5)
    assert not is_news(cam, Channel.STATUS, 12, 5)
    assert not is_news(cam, Channel.STATUS, 11, 900)
    assert is_news(cam, Channel.STATUS, 12, 6)
    assert is_news(cam, Channel.STATUS, 13, 0)
    assert is_news(cam, Channel.REQUEST, 12, 5)
    assert len(heard(cam, Channel.STATUS, 12, 6).heard) == 1


def test_the_highest_counter_rises_only_with_a_confirmed_image():
    cam = stocked(device(), reported(13, 1, 7, confirmed=False), NIGHT)
    assert cam.counter_seen("firmware") == -1
    cam = stocked(cam, reported(13, 2, 7, hw_id="cam-b"), NIGHT)
    assert (cam.counter_seen("firmware"), cam.hw_id) == (7, "cam-b")
    assert stocked(cam, reported(14, 1, 6), NIGHT).counter_seen("firmware") == 7


def test_a_device_is_on_target_by_version_and_counter_together():
    assert not is_on_target(device(), release())
    assert not is_on_target(device(stock=None), release())
    assert is_on_target(device(stock=stock(components=(("firmware", Component("2.5", 7)),))), release())
    assert not is_on_target(device(stock=stock(components=(("firmware", Component("2.5", 6)),))), release())
    assert version_of(Component("?", 1)) is None
