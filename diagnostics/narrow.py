"""Numbers in three bytes: a float of four without its last eight bits, right to five digits (a part in 65,536).

A row is kept as three planes: the low bytes of all its values, the middle ones, the high ones. So a column of many
rows is three slices.
"""

from array import array
from collections.abc import Sequence
from struct import Struct, pack, unpack

BYTES = 3
NOT_A_NUMBER = b"\x00\xc0\x7f"
_FOUR = Struct("<f")
_HALF = 0x80
_MASK = 0xFFFFFFFF


def narrow(values: Sequence[float]) -> bytes:
    """A row of values, rounded to the nearest that three bytes can say."""
    many = len(values)
    bits = unpack(f"<{many}I", pack(f"<{many}f", *array("f", values)))
    four = pack(f"<{many}I", *[bit + _HALF & _MASK for bit in bits])
    return four[1::4] + four[2::4] + four[3::4]


def column_of(rows: bytes, width: int, number: int, deepest: int) -> tuple[float, ...]:
    """One column of the last rows of so many values each, oldest first."""
    stride = BYTES * width
    first = max(0, len(rows) - deepest * stride) + number
    high = rows[first + 2 * width :: stride]
    four = bytearray(4 * len(high))
    four[1::4] = rows[first::stride][: len(high)]
    four[2::4] = rows[first + width :: stride][: len(high)]
    four[3::4] = high
    return unpack(f"<{len(high)}f", four)


def last_of(rows: bytes, width: int, number: int) -> float:
    """The newest value of one column. There must be a row."""
    low = len(rows) - BYTES * width + number
    (value,) = _FOUR.unpack(bytes((0, rows[low], rows[low + width], rows[low + 2 * width])))
    return float(value)


def without(rows: bytes, width: int, number: int) -> bytes:
    """The rows with one column forgotten: not a number."""
    kept = bytearray(rows)
    stride = BYTES * width
    for plane, byte in enumerate(NOT_A_NUMBER):
        kept[plane * width + number :: stride] = bytes([byte]) * (len(rows) // stride)
    return bytes(kept)
