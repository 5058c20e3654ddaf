"""Buckets, their InfluxQL mapping and the downsampling task of InfluxDB 2.x, by its HTTP API."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from gateway.ports.history import HistoryAway
from gateway.storage.influx.connection import Connection
from gateway.storage.influx.lines import MEASUREMENT

Found = tuple[str, str, Callable[[], object] | None]


def lacks_of_2(connection: Connection, raw_days: int, rollup_days: int) -> list[Found]:
    """What is missing, in the order in which to mend it."""
    address = connection.address
    orgs = connection.find("/api/v2/orgs", {"org": address.org}, "orgs")
    if not orgs:
        raise HistoryAway(f"InfluxDB {address.url} has no organisation {address.org!r} (check history.org)")
    org: str = orgs[0]["id"]
    found: list[Found] = []
    for name, days in ((address.bucket, raw_days), (address.rollup_bucket, rollup_days)):
        found += _bucket(connection, org, name, days)
    if not found:
        found += _task(connection, org)
    return found


def _bucket(connection: Connection, org: str, name: str, days: int) -> Iterator[Found]:
    rules = [{"type": "expire", "everySeconds": days * 86400}]
    buckets = connection.find("/api/v2/buckets", {"orgID": org, "name": name}, "buckets")
    if not buckets:
        body: dict[str, Any] = {"orgID": org, "name": name, "retentionRules": rules}
        yield "bucket", f"bucket {name} does not exist", _post(connection, "/api/v2/buckets", body)
        return
    bucket: dict[str, Any] = buckets[0]
    kept = [rule.get("everySeconds", 0) for rule in bucket.get("retentionRules") or []]
    if kept != [days * 86400]:
        said = f"bucket {name} keeps {'everything' if not kept else f'{kept[0] / 86400:g} days'} and not {days} days"
        path = f"/api/v2/buckets/{bucket['id']}"
        yield "retention", said, lambda: connection.call("PATCH", path, {}, {"retentionRules": rules})
    if not connection.find("/api/v2/dbrps", {"orgID": org, "db": name}, "content"):
        body = {
            "orgID": org,
            "bucketID": bucket["id"],
            "database": name,
            "retention_policy": "autogen",
            "default": True,
        }
        yield "mapping", f"bucket {name} is not mapped for InfluxQL", _post(connection, "/api/v2/dbrps", body)


def _task(connection: Connection, org: str) -> Iterator[Found]:
    address = connection.address
    name = address.rollup_bucket
    tasks = connection.find("/api/v2/tasks", {"orgID": org, "name": name}, "tasks")
    wanted = downsampling(address.bucket, address.rollup_bucket)
    if not tasks:
        body = {"orgID": org, "flux": wanted, "status": "active"}
        yield "downsampling", f"no task fills {name}", _post(connection, "/api/v2/tasks", body)
    elif tasks[0].get("flux") != wanted or tasks[0].get("status") != "active":
        change = {"flux": wanted, "status": "active"}
        path = f"/api/v2/tasks/{tasks[0]['id']}"
        yield "downsampling", f"task {name} is stopped or another", lambda: connection.call("PATCH", path, {}, change)


def _post(connection: Connection, path: str, body: dict[str, Any]) -> Callable[[], object]:
    return lambda: connection.call("POST", path, {}, body)


def downsampling(raw: str, rollup: str) -> str:
    """The task in Flux: whole windows of the last two hours, so that late data within them is in."""
    steps = "".join(
        f'\ndata() |> aggregateWindow(every: 5m, fn: {kind}, createEmpty: false, timeSrc: "_start")\n'
        f'  |> map(fn: (r) => ({{r with _field: "{kind}_" + r._field}})) |> to(bucket: {json.dumps(rollup)})\n'
        for kind in ("count", "min", "max", "sum")
    )
    return (
        'import "date"\n\n'
        f"option task = {{name: {json.dumps(rollup)}, every: 5m, offset: 1m}}\n\n"
        "stop = date.truncate(t: now(), unit: 5m)\n"
        "start = date.sub(d: 2h, from: stop)\n"
        f"data = () => from(bucket: {json.dumps(raw)}) |> range(start: start, stop: stop)\n"
        f"  |> filter(fn: (r) => r._measurement == {json.dumps(MEASUREMENT)})\n{steps}"
    )
