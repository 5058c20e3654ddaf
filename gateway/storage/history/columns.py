"""How one column of a block becomes bytes: decimals as integers, differences, byte planes, deflate.

Sensors speak in decimals (61.5, -58, 24.9), so a column is tried as whole numbers of one power of ten. That is exact,
not rounding: a column is kept this way only if every value divides back to the very same double. Anything else (full
mantissas, NaN, huge ranges) is kept as float64 byte planes, also exactly.
"""

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import sub
from struct import Struct
from typing import TypeVar

POWERS = tuple(10.0**power for power in range(7))
# Adding 1.5 * 2^52 leaves a double's nearest whole number in its low mantissa bits: rounding without a call per value.
_MAGIC = 1.5 * 2.0**52
_MAGIC_BITS = memoryview(array("d", [_MAGIC])).cast("B").cast("q")[0]
_MAGIC_HIGH = _MAGIC_BITS >> 32
_LARGEST = 2**49  # a first value below it plus differences of 32 bits stays within the trick's range
_WIDTHS = ("b", "h", "i", "q")
_PROBES = 8
Number = TypeVar("Number", int, float)


class CorruptError(OSError):
    """Stored bytes do not decode: the file was damaged."""


@dataclass(frozen=True, slots=True)
class Decimals:
    """A column as whole numbers: value = numbers[i] / 10**power, exactly."""

    power: int
    numbers: Sequence[int]


def as_decimals(values: "array[float]") -> Decimals | None:
    """The column as whole numbers of the smallest power of ten that is exact, or None."""
    probes = values[:: len(values) // _PROBES + 1].tolist()
    for power, scale in enumerate(POWERS):
        if [(value * scale + _MAGIC - _MAGIC) / scale for value in probes] != probes:
            continue
        numbers = _rounded([value * scale + _MAGIC for value in values])
        if [number / scale for number in numbers] == values.tolist():
            return Decimals(power, numbers)
    return None


def _rounded(raised: list[float]) -> list[int]:
    """The whole numbers in the low bits of values to which the magic number was added."""
    bits = memoryview(array("d", raised)).cast("B")
    halves = bits.cast("i").tolist()
    if set(halves[1::2]) <= {_MAGIC_HIGH, _MAGIC_HIGH - 1}:  # they fit 32 bits, so the low half is the number
        return halves[::2]
    return [number - _MAGIC_BITS for number in bits.cast("q").tolist()]


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


def to_planes(data: bytes, width: int) -> bytes:
    """All first bytes, then all second bytes, ...: what changes little comes to lie together."""
    return data if width == 1 else b"".join([data[plane::width] for plane in range(width)])


def from_planes(data: bytes, width: int) -> bytes:
    """The inverse of `to_planes`."""
    if width == 1:
        return data
    rows = len(data) // width
    joined = bytearray(len(data))
    for plane in range(width):
        joined[plane::width] = data[plane * rows : (plane + 1) * rows]
    return bytes(joined)


def pack_integers(numbers: Sequence[int]) -> tuple[int, bytes]:
    """The narrowest array that holds them, in byte planes, not yet deflated. OverflowError beyond 64 bits."""
    for code in _WIDTHS[:-1]:
        try:
            packed = array(code, numbers)
        except OverflowError:
            continue
        return packed.itemsize, to_planes(packed.tobytes(), packed.itemsize)
    return 8, to_planes(array("q", numbers).tobytes(), 8)


def unpack_integers(width: int, data: bytes) -> "array[int]":
    """The inverse of `pack_integers`."""
    code = {1: "b", 2: "h", 4: "i", 8: "q"}.get(width)
    if code is None or len(data) % width:
        raise CorruptError(f"a column of width {width} cannot have {len(data)} bytes")
    numbers = array(code)
    numbers.frombytes(from_planes(data, width))
    return numbers


def differences(numbers: Sequence[int]) -> list[int]:
    """Each number less the one before it (one shorter)."""
    return list(map(sub, numbers[1:], numbers))


# --- one column with its own head
_CONSTANT, _DECIMAL, _DOUBLE = 0, 1, 2
_HEAD = Struct("<BBBq")  # kind, power of ten, width of a difference in bytes, first number (or the constant's bits)


def encode(values: "array[float]") -> tuple[bytes, Decimals | None]:
    """One column of at least one value, and its whole numbers if it has them (rollups are made from these)."""
    data = values.tobytes()
    if data == data[:8] * len(values):
        return _HEAD.pack(_CONSTANT, 0, 0, int.from_bytes(data[:8], "little", signed=True)), None
    decimals = as_decimals(values)
    if decimals is not None and abs(first := decimals.numbers[0]) < _LARGEST:
        width, planes = pack_integers(differences(decimals.numbers))
        if width < 8:
            return _HEAD.pack(_DECIMAL, decimals.power, width, first) + deflate(planes), decimals
    return _HEAD.pack(_DOUBLE, 0, 8, 0) + deflate(to_planes(data, 8)), None


def decode(data: memoryview, rows: int) -> list[float]:
    """The column of `encode`."""
    kind, power, width, first = _HEAD.unpack_from(data)
    if kind == _CONSTANT:
        constant = array("d")
        constant.frombytes(first.to_bytes(8, "little", signed=True))
        return constant.tolist() * rows
    body = inflate(data[_HEAD.size :])
    if kind == _DECIMAL and power < len(POWERS):
        scale = POWERS[power]
        return _whole([number / scale for number in accumulate(unpack_integers(width, body), initial=first)], rows)
    doubles = array("d")
    doubles.frombytes(from_planes(body, 8))
    return _whole(doubles.tolist(), rows)


_TIME_HEAD = Struct("<Bqq")  # width, first time, usual step


def encode_times(times: Sequence[int]) -> bytes:
    """Rising times: the first, the first step, and how much each later step differs from it."""
    steps = differences(times)
    step = steps[0] if steps else 0
    width, planes = pack_integers([each - step for each in steps])
    return _TIME_HEAD.pack(width, times[0], step) + deflate(planes)


def decode_times(data: memoryview, rows: int) -> list[int]:
    """The times of `encode_times`."""
    width, first, step = _TIME_HEAD.unpack_from(data)
    residuals = unpack_integers(width, inflate(data[_TIME_HEAD.size :]))
    return _whole(list(accumulate([residual + step for residual in residuals], initial=first)), rows)


def _whole(column: list[Number], rows: int) -> list[Number]:
    if len(column) != rows:
        raise CorruptError(f"a column of {rows} rows decoded to {len(column)}")
    return column
