"""`siaga score nab`: the benchmark is scored as defined, our figure holds, and missing data are one line."""

import argparse
import json
import math
from pathlib import Path

import pytest

from gateway import score_nab
from gateway.score_data import find_data
from gateway.score_series import Series, Tally, read_series, tally

WINDOW = (500, 599)


def series(*windows: tuple[int, int], rows: int = 1000) -> Series:
    return Series("group/file.csv", [300.0 * row for row in range(rows)], [0.0] * rows, windows)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    score_nab.add_arguments(parser)
    return parser.parse_args([*words, "--workers", "1"])


def benchmark(folder: Path, rows: int = 1500) -> Path:
    """A benchmark of two series in the layout of the real one: one with a spike in its window, one without windows."""
    (folder / "data/made").mkdir(parents=True)
    (folder / "labels").mkdir()
    stamp = "2024-01-{:02d} {:02d}:{:02d}:00".format
    times = [stamp(1 + row // 288, row % 288 // 12, row % 12 * 5) for row in range(rows)]
    for name, spike in (("spike", 40.0), ("calm", 0.0)):
        values = [5.0 * math.sin(row / 46) + row % 7 / 7 + (spike if row == 1000 else 0.0) for row in range(rows)]
        lines = ["timestamp,value", *(f"{time},{value}" for time, value in zip(times, values, strict=True))]
        (folder / f"data/made/{name}.csv").write_text("\n".join(lines))
    window = [f"{times[950]}.000000", f"{times[1050]}.000000"]
    labels = {"made/spike.csv": [window], "made/calm.csv": [], "made/elsewhere.csv": []}
    (folder / "labels/windows.json").write_text(json.dumps(labels))
    return folder


def test_silence_scores_nothing_and_perfection_a_hundred() -> None:
    for profile in ("standard", "low-FP", "low-FN"):
        assert tally(series(WINDOW), []).score(profile) == 0
        assert tally(series(WINDOW), [500]).score(profile) == pytest.approx(100)


def test_the_earliest_alert_in_a_window_counts_and_more_of_them_add_nothing() -> None:
    early = tally(series(WINDOW), [510])
    assert tally(series(WINDOW), [510, 550, 590]) == early
    assert early.earned > tally(series(WINDOW), [590]).earned > 0


def test_a_false_alert_costs_less_shortly_after_a_window() -> None:
    soon, late, before = (tally(series(WINDOW), [row]) for row in (605, 950, 300))
    assert 0 < soon.false_weight < late.false_weight == before.false_weight == 1
    assert late.score("standard") == pytest.approx(-5.5)
    assert late.score("low-FP") == pytest.approx(-11)


def test_what_happens_while_learning_counts_for_nothing() -> None:
    """15 % of the rows, or 750 of them."""
    assert series(rows=1000).learning_rows == 150
    assert series(rows=16000).learning_rows == 750
    assert tally(series((100, 149)), [120]) == Tally(quiet_rows=850)


def test_false_alerts_are_counted_over_the_rows_outside_windows() -> None:
    assert tally(series(WINDOW), [200, 300, 700]).false_per_1000_rows == pytest.approx(4.0)
    assert tally(series(WINDOW), [200]).quiet_rows == 750


def test_no_window_means_no_score() -> None:
    assert tally(series(), [500]).score("standard") is None


def test_the_floors_are_what_they_say() -> None:
    assert list(score_nab.new_extremes([0.0, 1.0] * 30 + [1.005, 1.5, -1.0])) == [61, 62]
    assert score_nab.one_an_incident([1, 2, 61, 62, 63, 200]) == [1, 62, 200]


def test_the_command_measures_both_series_and_what_a_stream_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score_nab.run(arguments("--data", str(benchmark(tmp_path)), "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["series"] == 2
    assert answer["rows"] == 3000
    assert answer["results"]["events (>= 3)"]["found"] == 1
    assert answer["results"]["new high or low alone"]["found"] == 1
    assert answer["results"]["blind, every 500 rows"]["false_alerts"] == 3
    assert answer["files"]["made/calm.csv"]["standard"] is None
    assert answer["us_a_point"] > 0
    assert 2000 < answer["bytes_a_stream"] < 6000


def test_the_table_names_the_floors_beside_our_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score_nab.run(arguments("--data", str(benchmark(tmp_path / "nab").parent))) == 0
    out = capsys.readouterr().out
    for word in ("events (>= 3)", "tickets (>= 7)", "blind, every 500 rows", "new high or low alone", "made"):
        assert word in out


def test_more_processes_give_the_same_answer(tmp_path: Path) -> None:
    made = read_series(benchmark(tmp_path), None)
    assert score_nab.measure(made, 2) == score_nab.measure(made, 1)


def test_labels_may_be_elsewhere(tmp_path: Path) -> None:
    made = benchmark(tmp_path / "copy")
    labels = (made / "labels/windows.json").rename(tmp_path / "mine.json")
    assert [one.windows for one in read_series(made, labels)] == [(), ((950, 1050),)]


def relabel(folder: Path, windows: object) -> None:
    (folder / "labels/windows.json").write_text(json.dumps({"made/calm.csv": windows}))


def test_what_cannot_be_judged_is_counted_beside_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = benchmark(tmp_path)
    (made / "data/made/strange.csv").write_text("timestamp,value\n2024-01-01,1\n")
    relabel(made, [["1999-01-01", "1999-01-02"], ["2024-01-02", "2024-01-03"]])
    assert score_nab.run(arguments("--data", str(made), "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["unlabelled"] == ["made/spike.csv", "made/strange.csv"]
    assert answer["labelled_without_file"] == []
    assert answer["windows_without_rows"] == 1
    assert answer["files"]["made/calm.csv"]["windows"] == 1
    assert score_nab.run(arguments("--data", str(made))) == 0
    assert "Not judged: unlabelled 2, labelled without file 0, windows without rows 1." in capsys.readouterr().out


def test_a_copy_with_windows_line_ends_and_a_byte_order_mark_is_the_same(tmp_path: Path) -> None:
    made = benchmark(tmp_path)
    plain = read_series(made, None)
    for file in (*made.glob("data/*/*.csv"), made / "labels/windows.json"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_series(made, None) == plain


def test_a_window_whose_ends_lie_in_a_gap_keeps_the_rows_it_holds(tmp_path: Path) -> None:
    made = benchmark(tmp_path)
    file = made / "data/made/calm.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:289], *lines[301:581], *lines[601:]]))
    relabel(made, [["2024-01-02 00:30:00", "2024-01-03 00:30:00"], ["2024-01-03 00:30:00", "2024-01-03 01:00:00"]])
    [calm] = read_series(made, None)
    assert calm.windows == ((288, 567),)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda folder: (folder / "labels/windows.json").unlink(), "no labels"),
        (lambda folder: (folder / "labels/windows.json").write_text("{"), "no JSON"),
        (lambda folder: (folder / "labels/windows.json").write_text('{"a.csv": []}'), "none of the 1 labelled series"),
        (lambda folder: (folder / "data/made/calm.csv").write_text("timestamp,value\n2024-01-01,x"), "line 2"),
        (lambda folder: (folder / "data/made/calm.csv").write_text("time,value\n2024-01-01,1"), "line 2"),
        (lambda folder: (folder / "data/made/calm.csv").write_text(""), "made/calm.csv holds no row"),
        (lambda folder: (folder / "data/made/calm.csv").write_text("timestamp,value\n"), "made/calm.csv holds no row"),
        (lambda folder: (folder / "data/made/calm.csv").write_bytes(b"\xff\xfe\x00"), "made/calm.csv line 1"),
        (lambda folder: (folder / "labels/windows.json").write_text("[]"), "needs an object of series"),
        (lambda folder: relabel(folder, 5), "made/calm.csv needs a list of windows"),
        (lambda folder: relabel(folder, [["2024-01-01"]]), "made/calm.csv needs windows of two moments"),
        (lambda folder: relabel(folder, [["now", "then"]]), "made/calm.csv needs windows of two moments"),
        (lambda folder: relabel(folder, [["2024-01-03", "2024-01-02"]]), "ends before it begins"),
    ],
)
def test_broken_data_are_one_line(tmp_path: Path, spoil: object, complaint: str) -> None:
    made = benchmark(tmp_path)
    spoil(made)  # type: ignore[operator]
    with pytest.raises(ValueError, match=complaint) as refusal:
        score_nab.run(arguments("--data", str(made)))
    assert "\n" not in str(refusal.value)


def test_missing_data_are_one_line_that_says_how_to_name_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"^no nab data: .* \(give --data\)$"):
        score_nab.run(arguments("--data", str(tmp_path)))
    monkeypatch.setenv("SIAGA_SHARED_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"^no nab data: .*SIAGA_SHARED_DATA"):
        score_nab.run(arguments())


def shared_half() -> list[Series]:
    try:
        return read_series(find_data(None, "nab", "data"), None)
    except ValueError as missing:
        pytest.skip(str(missing))


def test_our_figure_on_the_shared_half_does_not_fall() -> None:
    """Measured 77.7 and 0.22 when this was written; the target is 72 and 0.3."""
    runs = score_nab.measure(shared_half(), 1)
    events = score_nab.total(runs, score_nab.EVENTS)
    standard = events.score("standard")
    assert standard is not None
    assert standard >= 75
    assert events.false_per_1000_rows <= 0.25
    blind, extremes = (score_nab.total(runs, name).score("standard") for name in (score_nab.BLIND, score_nab.EXTREMES))
    assert blind is not None
    assert extremes is not None
    assert blind < extremes < standard - 15
