"""Rows as JSON text and back, for stores that keep a row's indexed fields in columns and the rest as one document."""

from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from firmware_updates.attempt_row import Attempt
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.ports import AuditEntry, Outgoing
from firmware_updates.rollout import Rollout

_Row = TypeVar("_Row", Attempt, UpdateDevice, Release, Rollout, Outgoing, AuditEntry)
_SHAPES: Final[dict[type, TypeAdapter[Any]]] = {
    shape: TypeAdapter(shape) for shape in (Attempt, UpdateDevice, Release, Rollout, Outgoing, AuditEntry)
}


def encode_row(row: Attempt | UpdateDevice | Release | Rollout | Outgoing | AuditEntry) -> str:
    """Compact JSON that `decode_row` gives back equal."""
    return _SHAPES[type(row)].dump_json(row).decode()


def decode_row(shape: type[_Row], text: str) -> _Row:
    """The row that was encoded. ValueError if the text is of another shape."""
    row: _Row = _SHAPES[shape].validate_json(text)
    return row
