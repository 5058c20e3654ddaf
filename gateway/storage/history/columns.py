"""How one column of a block becomes bytes: decimals as integers, differences, byte planes, deflate.

Sensors speak in decimals (61.5, -58, 24.9), so a column is tried as whole numbers of one power of ten. That is exact,
not rounding: a column is kept this way only if every value divides back to the very same double. Anything else (full
mantissas, NaN, huge ranges) is kept as float64 byte planes, also exactly.

All columns of a block are tried together, as rows of one matrix: that costs a tenth of a loop over their values.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kept = TypeVar("Kept", bound=np.generic)

POWERS: Final = tuple(10.0**power for power in range(7))
_LARGEST: Final = 2.0**49  # sums of a block's values and differences of 32 bits stay within 64 bits
_TYPES: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype("<i1"),
    2: np.dtype("<i2"),
    4: np.dtype("<i4"),
    8: np.dtype("<i8"),
}
_PROBES: Final = 8


class CorruptError(OSError):
    """Stored bytes do not decode: the file was damaged."""


@dataclass(frozen=True, slots=True)
class Decimals:
    """A column as whole numbers: value = numbers[i] / 10**power, exactly."""

    power: int
    numbers: Integers


def whole_numbers(matrix: Floats) -> list[Decimals | None]:
    """Each row of a (columns x samples) matrix as whole numbers of the smallest power of ten that is exact, or None."""
    found: list[Decimals | None] = [None] * len(matrix)
    left = np.arange(len(matrix))
    probes = matrix[:, :: matrix.shape[1] // _PROBES + 1]
    with np.errstate(over="ignore", invalid="ignore"):
        for power, scale in enumerate(POWERS):
            hopeful = left[_divides_back(probes[left], scale)[1]]
            if len(hopeful):
                raised, exact = _divides_back(matrix[hopeful], scale)
                for row, index in zip(raised[exact].astype(np.int64), hopeful[exact].tolist(), strict=True):
                    found[index] = Decimals(power, row)
                left = np.setdiff1d(left, hopeful[exact], assume_unique=True)
                if not len(left):
                    break
    return found


def _divides_back(matrix: Floats, scale: float) -> tuple[Floats, NDArray[np.bool_]]:
    raised = np.rint(matrix * scale)
    return raised, ((raised / scale == matrix) & (np.abs(raised) < _LARGEST)).all(axis=1)


def deflate(data: bytes, level: int = 6) -> bytes:
    """Raw deflate with a small window: blocks are small, and the default state costs more to set up than to use."""
    engine = zlib.compressobj(level, zlib.DEFLATED, -12, 5)
    return engine.compress(data) + engine.flush()


def inflate(data: bytes | memoryview) -> bytes:
    """What `deflate` was given. CorruptError if it was not ours."""
    try:
        return zlib.decompress(data, -12)
    except zlib.error as error:
        raise CorruptError(str(error)) from error


def to_planes(data: bytes | NDArray[Any], width: int) -> bytes:
    """All first bytes, then all second bytes, ...: what changes little comes to lie together."""
    octets = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.view(np.uint8)
    return octets.reshape(-1, width).T.tobytes()


def from_planes(data: bytes | memoryview, width: int) -> bytes:
    """The inverse of `to_planes`."""
    return np.frombuffer(data, np.uint8).reshape(width, -1).T.tobytes()


def pack_integers(numbers: Integers) -> tuple[int, bytes]:
    """The narrowest width in bytes that holds them, and their byte planes, not yet deflated."""
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    width = width_for(low, high)
    return width, to_planes(numbers.astype(_TYPES[width]), width)


def width_for(low: int, high: int) -> int:
    """How many bytes a whole number between these needs: 1, 2, 4 or 8."""
    size = max(high, ~low)
    return 1 if size < 0x80 else 2 if size < 0x8000 else 4 if size < 0x8000_0000 else 8


def unpack_integers(width: int, data: bytes | memoryview) -> Integers:
    """The inverse of `pack_integers`."""
    if width not in _TYPES or len(data) % width:
        raise CorruptError(f"a column of width {width} cannot have {len(data)} bytes")
    numbers: Integers = np.frombuffer(from_planes(data, width), _TYPES[width]).astype(np.int64)
    return numbers


# --- one column with its own head
_CONSTANT, _DECIMAL, _DOUBLE = 0, 1, 2
_HEAD = Struct("<BBBq")  # kind, power of ten, width of a difference in bytes, first number (or the constant's bits)


def encode(matrix: Floats) -> list[tuple[bytes, Decimals | None]]:
    """Each row of a (columns x samples) matrix as bytes, and as whole numbers if it is (rollups are made from these).

    A constant has no whole numbers here: it is kept as it is.
    """
    bits = matrix.view(np.int64)
    constant = (bits == bits[:, :1]).all(axis=1).tolist()
    moving = [index for index, still in enumerate(constant) if not still]
    decimals: list[Decimals | None] = [None] * len(matrix)
    for index, found in zip(moving, whole_numbers(matrix[moving]) if moving else (), strict=True):
        decimals[index] = found
    return [
        (_HEAD.pack(_CONSTANT, 0, 0, bits[index, 0]), None) if still else _encode_moving(matrix[index], decimals[index])
        for index, still in enumerate(constant)
    ]


def _encode_moving(values: Floats, decimals: Decimals | None) -> tuple[bytes, Decimals | None]:
    if decimals is not None:
        width, planes = pack_integers(np.diff(decimals.numbers))
        if width < 8:
            return _HEAD.pack(_DECIMAL, decimals.power, width, decimals.numbers[0]) + deflate(planes), decimals
    return _HEAD.pack(_DOUBLE, 0, 8, 0) + deflate(to_planes(values, 8)), None


def decode(data: memoryview, rows: int) -> Floats:
    """A column of `encode`."""
    kind, power, width, first = _HEAD.unpack_from(data)
    if kind == _CONSTANT:
        return np.full(rows, first, np.int64).view(np.float64)
    body = inflate(data[_HEAD.size :])
    if kind == _DECIMAL and power < len(POWERS):
        return _whole(rising(first, unpack_integers(width, body)) / POWERS[power], rows)
    if len(body) % 8:
        raise CorruptError(f"a column of doubles cannot have {len(body)} bytes")
    return _whole(np.frombuffer(from_planes(body, 8), np.float64), rows)


def rising(first: int, steps: Integers) -> Integers:
    """What starts at `first` and goes on by these steps."""
    numbers = np.empty(len(steps) + 1, np.int64)
    numbers[0] = first
    np.cumsum(steps, out=numbers[1:])
    numbers[1:] += first
    return numbers


_TIME_HEAD = Struct("<Bqq")  # width, first time, usual step


def encode_times(times: Sequence[int] | Integers) -> bytes:
    """Rising times: the first, the first step, and how much each later step differs from it."""
    moments: Integers = np.asarray(times, np.int64)
    steps = np.diff(moments)
    step = int(steps[0]) if len(steps) else 0
    width, planes = pack_integers(steps - step)
    return _TIME_HEAD.pack(width, moments[0], step) + deflate(planes)


def decode_times(data: memoryview, rows: int) -> Integers:
    """The times of `encode_times`."""
    width, first, step = _TIME_HEAD.unpack_from(data)
    residuals = unpack_integers(width, inflate(data[_TIME_HEAD.size :]))
    return _whole(rising(first, residuals + step), rows)


def _whole(column: NDArray[Kept], rows: int) -> NDArray[Kept]:
    if len(column) != rows:
        raise CorruptError(f"a column of {rows} rows decoded to {len(column)}")
    return column
