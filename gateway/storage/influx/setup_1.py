"""Databases, retention and downsampling of InfluxDB 1.x, by InfluxQL."""

import re
from collections.abc import Callable, Iterator

from gateway.storage.influx.connection import Connection
from gateway.storage.influx.influxql import identifier, read_names, tables
from gateway.storage.influx.lines import MEASUREMENT

Found = tuple[str, str, Callable[[], object] | None]
_PARTS = re.compile(r"(\d+)([hms])")


def lacks_of_1(connection: Connection, raw_days: int, rollup_days: int) -> list[Found]:
    """What is missing, in the order in which to mend it."""
    raw, rollup = connection.address.bucket, connection.address.rollup_bucket
    databases = read_names(connection.query("SHOW DATABASES", "")[0])
    found = [
        lack
        for name, days in ((raw, raw_days), (rollup, rollup_days))
        for lack in _database(connection, name, days, name in databases)
    ]
    if not found:
        found += _downsampling(connection, raw, rollup)
    return found


def _database(connection: Connection, name: str, days: int, exists: bool) -> Iterator[Found]:
    quoted = identifier(name)
    shards = "1d" if days <= 60 else "7d"
    if not exists:
        create = f"CREATE DATABASE {quoted} WITH DURATION {days}d REPLICATION 1 SHARD DURATION {shards} NAME autogen"
        yield "bucket", f"database {name} does not exist", lambda: connection.query(create, "", changes=True)
        return
    policies = connection.query(f"SHOW RETENTION POLICIES ON {quoted}", "")[0]
    for _, columns, rows in tables(policies):
        for row in rows:
            policy = dict(zip(columns, row, strict=True))
            if policy["default"] and _days(policy["duration"]) != days:
                alter = f"ALTER RETENTION POLICY {identifier(policy['name'])} ON {quoted} DURATION {days}d"
                said = f"database {name} keeps {policy['duration']} and not {days} days"
                yield "retention", said, lambda alter=alter: connection.query(alter, "", changes=True)  # type: ignore[misc]


def _days(duration: str) -> float:
    """InfluxDB writes 30 days as 720h0m0s, and 0s for ever."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in _PARTS.findall(duration)) / 86400


def _downsampling(connection: Connection, raw: str, rollup: str) -> Iterator[Found]:
    name = rollup
    queries = connection.query("SHOW CONTINUOUS QUERIES", "")[0]
    known = {row[0] for one in queries.get("series") or () if one["name"] == raw for row in one.get("values") or []}
    if name not in known:
        # The last two hours are made anew each time, so that late data within them is in.
        create = (
            f"CREATE CONTINUOUS QUERY {identifier(name)} ON {identifier(raw)} RESAMPLE EVERY 5m FOR 2h"
            f" BEGIN {downsampling(raw, rollup)} END"
        )
        yield "downsampling", f"no continuous query fills {rollup}", lambda: connection.query(create, "", changes=True)


def downsampling(raw: str, rollup: str, where: str = "") -> str:
    """Samples into 5 minute buckets, of a time range (an InfluxQL condition) or of all."""
    source = f"{identifier(raw)}.autogen.{identifier(MEASUREMENT)}"
    target = f"{identifier(rollup)}.autogen.{identifier(MEASUREMENT)}"
    chosen = f" WHERE {where}" if where else ""
    return f"SELECT count(*), min(*), max(*), sum(*) INTO {target} FROM {source}{chosen} GROUP BY time(5m), device"  # noqa: S608
