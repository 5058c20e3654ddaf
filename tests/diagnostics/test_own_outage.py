"""We do not hear for a while: who had just been found silent, by chance, is judged anew when we hear again."""

from diagnostics.telemetry import Report
from tests.diagnostics.fleets import SILENT, T0, Play, camera

H = 3600.0
EVERY_S = 900.0


def quarter_hours(play: Play, hours: float, *lost: str, deaf: bool = False) -> None:
    """So many hours in which everybody reports each quarter of an hour, at a minute of its own."""
    for minute in range(round(hours * 60)):
        play.now += 60.0
        for number, device in enumerate(play.devices):
            name = device.device_id
            if minute % 15 == number % 15:
                play.seq[name] = play.seq.get(name, 0) + 1
                if not deaf and name not in lost:
                    play.send(Report(name, 1, play.seq[name], play.now, play.now, {"cpu_pct": 20.0}, {}))
        play.seen += play.fleet.tick(play.now)


def fleet() -> Play:
    devices = [camera(f"{site}-{number}", site) for site in "abcd" for number in range(10)]
    for device in devices:
        object.__setattr__(device, "silence_s", 5.3 * EVERY_S)
    return Play(SILENT, devices)


def test_a_device_whose_report_was_lost_before_our_outage_makes_no_outage_of_its_site():
    play = fleet()
    quarter_hours(play, 30)
    quarter_hours(play, 0.4, deaf=True)  # too short to be told: from now on so long a silence is normal
    quarter_hours(play, 30)
    quarter_hours(play, 0.5, "b-3", "b-4")
    quarter_hours(play, 2.0, deaf=True)
    quarter_hours(play, 4.0)
    assert [line for line in play.told() if "gateway" not in line] == []
    assert any("opened gateway" in line for line in play.told())


def test_a_site_that_stays_dark_after_our_outage_has_its_ticket_a_timeout_later():
    play = fleet()
    quarter_hours(play, 30)
    quarter_hours(play, 2.0, deaf=True)
    dark = [f"b-{number}" for number in range(10)]
    quarter_hours(play, 4.0, *dark)
    assert [line for line in play.told() if "gateway" not in line] == ["opened site:b:F39 critical"]
    assert play.now - T0 < 37 * H
