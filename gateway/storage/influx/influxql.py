"""Questions in InfluxQL and what their answers mean. Pure.

InfluxQL over `/query` and not Flux: 1.x, 2.x (by its virtual DBRP mapping) and 3.x understand it, while Flux is 2.x's
alone and its makers have put it into maintenance. Every name goes through `identifier` or `literal`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.ports.history import Column, Grid, Latest
from gateway.storage.influx.lines import MEASUREMENT

Table = tuple[dict[str, str], list[str], list[list[Any]]]
"""One series of an answer: tags, column names, rows (times in epoch milliseconds)."""


def identifier(name: str) -> str:
    """A field, tag, measurement or database name."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def literal(text: str) -> str:
    """A string value."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _where(device: str, start_ms: int, end_ms: int) -> str:
    span = f"time >= {start_ms}ms AND time < {end_ms}ms"
    return f"FROM {identifier(MEASUREMENT)} WHERE {identifier('device')} = {literal(device)} AND {span}"


def _columns(device: str, grid: Grid, start_ms: int, end_ms: int) -> str:
    offset = grid.start_ms % grid.width_ms
    return f"{_where(device, start_ms, end_ms)} GROUP BY time({grid.width_ms}ms, {offset}ms) fill(none)"


def chart_of_samples(device: str, metric: str, grid: Grid, start_ms: int, end_ms: int) -> str:
    """Columns from samples."""
    name = identifier(metric)
    wanted = f"count({name}) AS n, min({name}) AS low, max({name}) AS high, sum({name}) AS total"
    return f"SELECT {wanted} {_columns(device, grid, start_ms, end_ms)}"


def chart_of_rollups(device: str, metric: str, grid: Grid, start_ms: int, end_ms: int) -> str:
    """Columns from the downsampled measurement."""
    count, low, high, total = (identifier(f"{kind}_{metric}") for kind in ("count", "min", "max", "sum"))
    wanted = f"sum({count}) AS n, min({low}) AS low, max({high}) AS high, sum({total}) AS total"
    return f"SELECT {wanted} {_columns(device, grid, start_ms, end_ms)}"


def samples(device: str, metric: str, start_ms: int, end_ms: int, limit: int) -> str:
    """The samples of a metric, oldest first."""
    return f"SELECT {identifier(metric)} AS v {_where(device, start_ms, end_ms)} ORDER BY time ASC LIMIT {limit}"


def newest(device: str, metric: str) -> str:
    """The newest sample of a metric of a device."""
    chosen = f"WHERE {identifier('device')} = {literal(device)}"
    return f"SELECT last({identifier(metric)}) AS v FROM {identifier(MEASUREMENT)} {chosen}"  # noqa: S608 - names are escaped


def newest_of_fleet(metric: str) -> str:
    """The newest sample of a metric of each device."""
    return f"SELECT last({identifier(metric)}) AS v FROM {identifier(MEASUREMENT)} GROUP BY {identifier('device')}"  # noqa: S608


def field_keys() -> str:
    """The metrics there are."""
    return f"SHOW FIELD KEYS FROM {identifier(MEASUREMENT)}"


def delete(device: str) -> str:
    """Everything of a device (1.x and 2.x)."""
    return f"DELETE FROM {identifier(MEASUREMENT)} WHERE {identifier('device')} = {literal(device)}"  # noqa: S608


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """The series of one statement's result."""
    for one in result.get("series") or ():
        yield one.get("tags") or {}, one["columns"], one.get("values") or []


def read_columns(result: dict[str, Any]) -> list[Column]:
    """What `chart_of_...` asked for. The mean is kept between the extremes whatever rounding did."""
    return [
        Column(at / 1000, float(low), min(max(total / n, low), high), float(high), int(n))
        for _, _, rows in tables(result)
        for at, n, low, high, total in rows
        if n
    ]


def read_samples(result: dict[str, Any]) -> list[Latest]:
    """What `samples` or `newest` asked for."""
    return [Latest(at / 1000, float(value)) for _, _, rows in tables(result) for at, value in rows if value is not None]


def read_fleet(result: dict[str, Any]) -> dict[str, Latest]:
    """What `newest_of_fleet` asked for."""
    return {tags["device"]: Latest(rows[0][0] / 1000, float(rows[0][1])) for tags, _, rows in tables(result) if rows}


def read_names(result: dict[str, Any]) -> Sequence[str]:
    """The first column of an answer: names."""
    return [row[0] for _, _, rows in tables(result) for row in rows]
