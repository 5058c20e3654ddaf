"""What an InfluxDB lacks for Siaga, and how to mend it: for `siaga doctor` and `siaga doctor --fix`.

Calls block (the doctor runs them in a thread) and raise HistoryAway while the server is away. Two buckets (1.x:
databases): samples for `raw_days`, and 5 minute rollups for `rollup_days` that the server makes itself, by a continuous
query (1.x) or a Flux task (2.x).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.storage.influx.connection import Address, Connection
from gateway.storage.influx.setup_1 import lacks_of_1
from gateway.storage.influx.setup_2 import lacks_of_2


class Lacking(Enum):
    """What is wrong with a server."""

    BUCKET = "bucket"
    RETENTION = "retention"
    MAPPING = "mapping"
    DOWNSAMPLING = "downsampling"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days samples and rollups are kept."""

    raw_days: int = 30
    rollup_days: int = 400


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that is missing, in a sentence. `mend` mends it; None: it cannot be mended by us."""

    what: Lacking
    text: str
    mend: Callable[[], object] | None


def examine(address: Address, keep: Keep) -> Sequence[Lack]:
    """What the server lacks; nothing if all is well."""
    connection = Connection(address)
    try:
        return [Lack(Lacking(what), text, None) for what, text, _ in _lacks(connection, keep)]
    finally:
        connection.close()


def mend(address: Address, keep: Keep) -> Sequence[Lack]:
    """Mend what can be mended; what was mended, and what could not be (`mend` None)."""
    connection = Connection(address)
    done: list[Lack] = []
    try:
        while lacks := [lack for lack in _lacks(connection, keep) if (lack[0], lack[1]) not in _texts(done)]:
            what, text, work = lacks[0]
            if work is not None:
                work()
            done.append(Lack(Lacking(what), text, work))
    finally:
        connection.close()
    return done


def _texts(lacks: Sequence[Lack]) -> set[tuple[str, str]]:
    return {(lack.what.value, lack.text) for lack in lacks}


def _lacks(connection: Connection, keep: Keep) -> Sequence[tuple[str, str, Callable[[], object] | None]]:
    version = connection.ping()
    if version.startswith("1."):
        return lacks_of_1(connection, keep.raw_days, keep.rollup_days)
    if version.startswith("2."):
        return lacks_of_2(connection, keep.raw_days, keep.rollup_days)
    said = f"InfluxDB {version} makes databases at the first write and has no downsampling of its own"
    return [
        ("unsupported", f"{said}: charts are drawn from samples, set their retention when creating the database", None)
    ]
