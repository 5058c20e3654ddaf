"""Refused messages in SQL: a ring for all, and a smaller one for each device so that a loud one hides nobody else's."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from gateway.ports.ledger import Reject, RejectReason
from gateway.storage.schema.journal import rejects

OF_ALL = 10_000
OF_DEVICE = 100
SAMPLE_BYTES = 512

_NEWEST_OF_DEVICE = (
    select(rejects.c.id)
    .where(rejects.c.device_id == bindparam("device"))
    .order_by(rejects.c.id.desc())
    .offset(OF_DEVICE)
    .limit(1)
    .scalar_subquery()
)
_TRIM_DEVICE = delete(rejects).where(rejects.c.device_id == bindparam("device"), rejects.c.id <= _NEWEST_OF_DEVICE)


def keep(connection: Connection, refused: Sequence[Reject]) -> None:
    """Keep the newest of them and let the oldest fall out."""
    of_device: dict[str, list[Reject]] = defaultdict(list)
    for reject in refused:
        of_device[reject.device_id].append(reject)
    newest = {id(reject) for of_one in of_device.values() for reject in of_one[-OF_DEVICE:]}
    connection.execute(
        insert(rejects),
        [
            {
                "device_id": storable(reject.device_id),
                "topic": storable(reject.topic),
                "reason": reject.reason.value,
                "detail": storable(reject.detail),
                "received_at": reject.received_at,
                "sample": reject.sample[:SAMPLE_BYTES],
            }
            for reject in refused
            if id(reject) in newest
        ],
    )
    connection.execute(_TRIM_DEVICE, [{"device": storable(device)} for device in of_device])
    connection.execute(delete(rejects).where(rejects.c.id <= select(func.max(rejects.c.id)).scalar_subquery() - OF_ALL))


def newest(connection: Connection, device_id: str | None, limit: int) -> Sequence[Reject]:
    """The newest first, of one device or of all."""
    statement = select(rejects).order_by(rejects.c.id.desc()).limit(limit)
    if device_id is not None:
        statement = statement.where(rejects.c.device_id == device_id)
    return [
        Reject(row.device_id, row.topic, RejectReason(row.reason), row.detail, row.received_at, bytes(row.sample))
        for row in connection.execute(statement)
    ]


def storable(text: str) -> str:
    """Text that every database takes: PostgreSQL has no NUL, UTF-8 no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
