"""Arrays as one safetensors file: eight bytes of length, a JSON header, raw little-endian values. Read and written here, without a library.

Takes    named numpy arrays of plain number types; or the bytes of a file.
Gives    the bytes, the same for the same arrays; or read-only arrays that look into the bytes without copying them.
Why      a server needs no more than this, and each size must be checked before anything is allocated.
Source   the format as the safetensors project documents it (header length u64, JSON header, data without holes); its package is the tests' truth.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainwright.runtime.limits import MAX_HEADER, MAX_RANK, bad, parse_json

Array = np.ndarray[Any, Any]

DTYPES: dict[str, str] = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
NAMES: dict[str, str] = {np.dtype(dtype).str: name for name, dtype in DTYPES.items()}


def write_arrays(arrays: Mapping[str, Array]) -> bytes:
    """The bytes of a safetensors file. Wide types come first, so that every array is aligned; then by name.

    Raises BundleError (TW057) for a type that the format does not have, such as text.
    """
    little: dict[str, Array] = {}
    for name, array in arrays.items():
        plain = np.asarray(array, order="C")
        plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
        if plain.dtype.str not in NAMES:
            raise bad("TW057", f"an array of type {array.dtype} cannot be kept", where=name, fix="keep text in the step's settings")
        little[name] = plain
    header: dict[str, Any] = {}
    at = 0
    order = sorted(little, key=lambda name: (-little[name].dtype.itemsize, name))
    for name in order:
        array = little[name]
        header[name] = {"dtype": NAMES[array.dtype.str], "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(little[name].tobytes() for name in order)])


def read_arrays(data: bytes) -> dict[str, Array]:
    """The arrays of a safetensors file, read-only, without copying.

    Raises BundleError (TW053) when the header is damaged or unknown, or when the arrays do not fill the data without holes and overlaps.
    """
    if len(data) < 8:
        raise bad("TW053", "the file of arrays is too short to have a header", where=f"{len(data)} bytes")
    (length,) = struct.unpack_from("<Q", data)
    if length > min(MAX_HEADER, len(data) - 8):
        raise bad("TW053", "the header of the file of arrays is longer than the file or than allowed", where=f"{length} bytes of header")
    header = parse_json(data[8 : 8 + length], where="header of the arrays")
    if not isinstance(header, dict):
        raise bad("TW053", "the header of the file of arrays is not an object")
    header.pop("__metadata__", None)
    found = sorted(((_entry(name, value), name) for name, value in header.items()), key=lambda item: (item[0][1], item[0][2]))
    body = memoryview(data)[8 + length :]
    arrays: dict[str, Array] = {}
    at = 0
    for (dtype, begin, end, shape), name in found:
        if begin != at or end > len(body) or end - begin != math.prod(shape) * dtype.itemsize:
            raise bad("TW053", "an array's place, shape and type do not agree with the bytes of the file", where=name)
        if dtype.kind == "b" and (np.frombuffer(body[begin:end], "u1") > 1).any():
            raise bad("TW053", "a yes/no array holds something else", where=name)
        arrays[name] = np.frombuffer(body[begin:end], dtype).reshape(shape)
        at = end
    if at != len(body):
        raise bad("TW053", "the file of arrays holds bytes that belong to no array", where=f"{len(body) - at} bytes")
    return arrays


def _entry(name: str, value: Any) -> tuple[np.dtype[Any], int, int, tuple[int, ...]]:
    """Type, first byte, end and shape of one array, from its header entry."""
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise bad("TW053", "an array's header entry has other fields than dtype, shape and data_offsets", where=name)
    shape, offsets = value["shape"], value["data_offsets"]
    if not isinstance(value["dtype"], str) or value["dtype"] not in DTYPES:
        raise bad("TW053", "an array has an unknown type", where=name)
    if not (_naturals(shape) and _naturals(offsets)) or len(offsets) != 2 or len(shape) > MAX_RANK or offsets[0] > offsets[1]:
        raise bad("TW053", "an array's shape or place is not a list of whole numbers", where=name)
    return np.dtype(DTYPES[value["dtype"]]), offsets[0], offsets[1], tuple(shape)


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**48 for item in value)
