"""Our own clock is wrong for a day: nobody's fault, neither of who notices first nor of who has one of his own."""

import pytest

from diagnostics.shared_causes import Everywhere
from diagnostics.telemetry import Report
from tests.diagnostics.fleets import T0, Play, cameras

H = 3600.0
EVERY_S = 900.0
CLOCKS = """
[[rule]]
name = "clock-ahead"
fault_class = "F21"
kind = "level"
metric = "seen_clock_offset_s"
for_s = 10800
min_samples = 6
clear_for_s = 7200
site_wait_s = 7200
steps = [{ severity = "warning", limit = 30, clear = 10 }]
[[rule]]
name = "clock-behind"
fault_class = "F21"
kind = "level"
metric = "seen_clock_offset_s"
direction = "below"
for_s = 10800
min_samples = 6
clear_for_s = 7200
site_wait_s = 7200
steps = [{ severity = "warning", limit = -30, clear = -10 }]
"""


class Town(Play):
    """Four sites of four cameras in true time; our own clock is ahead of it by `error_s`, a device's by `wrong`."""

    def __init__(self) -> None:
        super().__init__(CLOCKS, cameras(4, "a", "b", "c", "d"))
        self.true, self.error_s = T0, 0.0
        self.wrong: dict[str, float] = {}
        self.states: dict[str, dict[str, str]] = {}
        self.up_since = {device.device_id: T0 - 100 * H for device in self.devices}

    def restart(self, device_id: str) -> None:
        """A power blip."""
        self.reboot(device_id)
        self.up_since[device_id] = self.true

    def run(self, hours: float) -> None:
        """So many hours of reports, each quarter of an hour."""
        for _ in range(round(hours * H / EVERY_S)):
            self.true += EVERY_S
            self.now = self.true + self.error_s
            for device in self.devices:
                name = device.device_id
                self.seq[name] = self.seq.get(name, 0) + 1
                said = self.true + self.wrong.get(name, 0.0)
                boot, states = self.boot.get(name, 1), self.states.get(name, {})
                report = Report(name, boot, self.seq[name], said, self.now, {"cpu_pct": 20.0}, states)
                report.uptime_s = self.true - self.up_since[name]
                self.send(report)
            self.seen += self.fleet.tick(self.now)


@pytest.mark.parametrize("error_s", [5400.0, -2700.0, 40.0])
@pytest.mark.parametrize("restarts_after_h", [0.0, 0.5, 2.0])
def test_who_restarts_while_our_clock_is_wrong_notices_first_and_has_no_ticket(
    error_s: float, restarts_after_h: float
) -> None:
    town = Town()
    town.run(30)
    town.error_s = error_s
    town.run(restarts_after_h)
    town.restart("b-1")
    town.run(20 - restarts_after_h)
    town.error_s = 0.0
    town.run(30)
    assert town.told() == []


def test_planned_work_while_our_clock_is_wrong_makes_it_nobodys_fault_either() -> None:
    town = Town()
    town.run(30)
    town.error_s = 5400.0
    town.run(17)
    town.states["b-1"] = {"maintenance": "on"}
    town.run(1)
    town.states["b-1"] = {"maintenance": "off"}
    town.run(8)
    town.error_s = 0.0
    town.run(30)
    assert town.told() == []


def test_a_clock_that_is_wrong_by_itself_waits_for_its_neighbours_word_and_is_told() -> None:
    town = Town()
    town.run(30)
    town.wrong["b-1"] = -60.0
    town.restart("b-1")
    town.run(12)
    assert town.told() == []
    town.run(4)
    assert town.told() == ["opened device:b-1:F21 warning"]


@pytest.mark.parametrize("error_s", [5400.0, -2700.0])
def test_who_still_has_it_when_all_others_are_well_again_has_it_for_himself(error_s: float) -> None:
    town = Town()
    town.run(30)
    town.error_s = error_s
    town.run(4)
    town.wrong["b-1"] = -60.0 if error_s > 0 else 60.0
    town.run(16)
    town.error_s = 0.0
    town.run(10)
    assert town.told() == []
    town.run(20)
    assert town.told() == ["opened device:b-1:F21 warning"]


def test_the_end_of_what_was_everywhere_is_told_by_as_many_as_its_beginning_and_survives_a_restart() -> None:
    book = Everywhere()
    for number in range(9):
        book.ends("r", f"s{number}", T0 + 60.0 * number, 100)
    assert not book.is_over("r", T0, 0.0, T0 + H)
    book.ends("r", "s9", T0 + 600.0, 100)
    assert book.is_over("r", T0, 3000.0, T0 + H)
    assert not book.is_over("r", T0, 3001.0, T0 + H)
    assert not book.is_over("r", T0 + 600.0, 0.0, T0 + H)
    assert not book.is_over("other", T0, 0.0, T0 + H)
    again = Everywhere()
    again.load(book.export())
    assert again.export() == book.export()
    assert again.is_over("r", T0, 3000.0, T0 + H)


def test_what_an_older_version_kept_of_everywhere_is_left() -> None:
    book = Everywhere()
    book.load({"clock-ahead": [[122723, 3, ["a", "b", "c"]]]})
    assert not book.has("clock-ahead", T0, T0, 4)
