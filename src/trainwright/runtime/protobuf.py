"""ONNX files as plain values: a strict reader and a writer of the protobuf wire format, for the messages that a bundle may hold.

Takes    the bytes of a ModelProto.
Gives    nested dicts by field name (repeated numbers as numpy arrays); and canonical bytes again from these.
Why      onnxruntime must not be the first to see a stranger's graph, and the onnx package is not there when serving. Strict, since two
         readers that disagree are a hole: no unknown field, no field twice, no group, no wrong wire type.
Source   https://protobuf.dev/programming-guides/encoding/ and onnx.proto (ONNX IR version 13); the onnx package is the tests' truth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trainwright.runtime.limits import bad

Message = dict[str, Any]
WIRES = {"int": 0, "double": 1, "float": 5}  # everything else is length-delimited, wire type 2
DTYPES = {"int": "<i8", "double": "<f8", "float": "<f4"}


class Field(NamedTuple):
    name: str
    kind: str  # "int", "float", "double", "string", "bytes", "skip" (read over, never kept), "no" (refused), or a message
    repeated: bool = False


MESSAGES: dict[str, dict[int, Field]] = {
    "Model": {
        1: Field("ir_version", "int"),
        2: Field("producer_name", "skip"),
        3: Field("producer_version", "skip"),
        4: Field("domain", "skip"),
        5: Field("model_version", "skip"),
        6: Field("doc_string", "skip"),
        7: Field("graph", "Graph"),
        8: Field("opset_import", "Opset", True),
        14: Field("metadata_props", "skip", True),
        20: Field("training_info", "no", True),
        25: Field("functions", "no", True),
    },
    "Opset": {1: Field("domain", "string"), 2: Field("version", "int")},
    "Graph": {
        1: Field("node", "Node", True),
        2: Field("name", "string"),
        5: Field("initializer", "Tensor", True),
        10: Field("doc_string", "skip"),
        11: Field("input", "Value", True),
        12: Field("output", "Value", True),
        13: Field("value_info", "skip", True),
        15: Field("sparse_initializer", "no", True),
        16: Field("metadata_props", "skip", True),
    },
    "Node": {
        1: Field("input", "string", True),
        2: Field("output", "string", True),
        3: Field("name", "string"),
        4: Field("op_type", "string"),
        5: Field("attribute", "Attribute", True),
        6: Field("doc_string", "skip"),
        7: Field("domain", "string"),
        9: Field("metadata_props", "skip", True),
    },
    "Attribute": {
        1: Field("name", "string"),
        2: Field("f", "float"),
        3: Field("i", "int"),
        4: Field("s", "bytes"),
        5: Field("t", "Tensor"),
        6: Field("g", "no"),
        7: Field("floats", "float", True),
        8: Field("ints", "int", True),
        9: Field("strings", "bytes", True),
        10: Field("tensors", "no", True),
        11: Field("graphs", "no", True),
        13: Field("doc_string", "skip"),
        20: Field("type", "int"),
        21: Field("ref_attr_name", "no"),
        22: Field("sparse_tensor", "no"),
    },
    "Tensor": {
        1: Field("dims", "int", True),
        2: Field("data_type", "int"),
        4: Field("float_data", "float", True),
        5: Field("int32_data", "int", True),
        7: Field("int64_data", "int", True),
        8: Field("name", "string"),
        9: Field("raw_data", "bytes"),
        10: Field("double_data", "double", True),
        12: Field("doc_string", "skip"),
        13: Field("external_data", "no", True),
        14: Field("data_location", "int"),
        16: Field("metadata_props", "skip", True),
    },
    "Value": {1: Field("name", "string"), 2: Field("type", "Type"), 3: Field("doc_string", "skip"), 4: Field("metadata_props", "skip", True)},
    "Type": {1: Field("tensor_type", "TensorType"), 6: Field("denotation", "skip")},
    "TensorType": {1: Field("elem_type", "int"), 2: Field("shape", "Shape")},
    "Shape": {1: Field("dim", "Dim", True)},
    "Dim": {1: Field("dim_value", "int"), 2: Field("dim_param", "string"), 3: Field("denotation", "skip")},
}


def read_model(data: bytes) -> Message:
    """A ModelProto as nested dicts. Absent fields are absent, except repeated ones, which are then empty.

    Raises BundleError (TW054) for whatever is not plain, whole and known.
    """
    return _read(data, 0, len(data), "Model", "model")


def _read(data: bytes, at: int, end: int, message: str, path: str) -> Message:  # depth is bounded: no message holds itself
    fields = MESSAGES[message]
    value: Message = {field.name: [] for field in fields.values() if field.repeated and field.kind not in ("skip", "no")}
    while at < end:
        tag, at = _varint(data, at, end, path)
        field = fields.get(tag >> 3)
        if field is None or field.kind == "no":
            what = f"a graph uses {field.name}, which is not allowed" if field else f"a graph holds the unknown field {tag >> 3} of {message}"
            raise bad("TW054", what, where=path, why="only plain graphs are opened: no code, no other file, no control flow")
        wire = tag & 7
        if field.kind == "skip":
            at = _skip(data, at, end, wire, path)
        elif field.kind in WIRES:
            numbers, at = _numbers(data, at, end, tag, field, path)
            if field.repeated:
                value[field.name].append(numbers)
            else:
                _once(value, field, path)
                value[field.name] = numbers
        else:
            start, at = _span(data, at, end, wire, path)
            if field.kind == "bytes" and field.repeated and tag < 128:  # the modes of trees: very many, very short
                value[field.name].append(data[start:at])
                while at + 1 < end and data[at] == tag and data[at + 1] < 128 and at + 2 + data[at + 1] <= end:
                    start, at = at + 2, at + 2 + data[at + 1]
                    value[field.name].append(data[start:at])
                continue
            item = _read(data, start, at, field.kind, f"{path}.{field.name}") if field.kind in MESSAGES else _plain(data[start:at], field, path)
            if field.repeated:
                value[field.name].append(item)
            else:
                _once(value, field, path)
                value[field.name] = item
    for field in fields.values():
        if field.repeated and field.kind in WIRES:
            value[field.name] = np.concatenate([np.empty(0, DTYPES[field.kind]), *value[field.name]])
    return value


def _once(value: Message, field: Field, path: str) -> None:
    if field.name in value:
        raise bad("TW054", f"a graph gives {field.name} twice", where=path)


def _plain(raw: bytes, field: Field, path: str) -> str | bytes:
    if field.kind == "bytes":
        return raw
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad("TW054", "a name in a graph is no text", where=f"{path}.{field.name}") from error
    if "\0" in text:
        raise bad("TW054", "a name in a graph holds a NUL", where=f"{path}.{field.name}")
    return text


def _varint(data: bytes, at: int, end: int, path: str) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
        shift += 7
    raise _truncated(path)


def _span(data: bytes, at: int, end: int, wire: int, path: str) -> tuple[int, int]:
    """Where a length-delimited value starts and ends."""
    if wire != 2:
        raise bad("TW054", "a graph holds a field of the wrong wire type", where=path)
    size, at = _varint(data, at, end, path)
    if size > end - at:
        raise _truncated(path)
    return at, at + size


def _skip(data: bytes, at: int, end: int, wire: int, path: str) -> int:
    if wire == 0:
        return _varint(data, at, end, path)[1]
    return _span(data, at, end, wire, path)[1]


def _numbers(data: bytes, at: int, end: int, tag: int, field: Field, path: str) -> tuple[Any, int]:
    """One number; of a repeated field, all that follow under the same tag, packed or not."""
    wire, expected = tag & 7, WIRES[field.kind]
    if wire == 2 and field.repeated:
        start, at = _span(data, at, end, wire, path)
        return _packed(data[start:at], field.kind, path), at
    if wire != expected:
        raise bad("TW054", "a graph holds a field of the wrong wire type", where=path)
    if field.kind != "int":
        width = np.dtype(DTYPES[field.kind]).itemsize
        if width > end - at:
            raise _truncated(path)
        one = np.frombuffer(data, DTYPES[field.kind], 1, at)
        if not field.repeated:
            return float(one[0]), at + width
        return _fixed_run(data, at, end, tag, field.kind) if tag < 128 else (one, at + width)
    if field.repeated and tag < 128:
        return _whole_run(data, at - 1, end, tag, path)
    value, at = _varint(data, at, end, path)
    one_or_many = np.array([_signed(value)], "<i8") if field.repeated else _signed(value)
    return one_or_many, at


def _whole_run(data: bytes, at: int, end: int, tag: int, path: str) -> tuple[Any, int]:
    """Unpacked whole numbers: (tag, varint) again and again from the tag at `at`. Every second varint is the tag, so windows are read as packed."""
    runs: list[Any] = []
    size = 64  # windows grow with the run, so short runs stay cheap and long ones are read at once
    while at < end and data[at] == tag:
        octets = np.frombuffer(data, "u1", min(size, end - at), at)
        ends = np.flatnonzero(octets < 128)
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        tags, values = starts[: len(ends) // 2 * 2 : 2], starts[1::2]
        other = np.flatnonzero(octets[tags] != tag)
        count = int(other[0]) if len(other) else len(tags)
        lengths = ends[1::2][:count] - values[:count] + 1
        if not count or lengths.max() > 10:
            raise _truncated(path)
        runs.append(_varints(octets, values[:count], lengths))
        at += int(ends[2 * count - 1]) + 1
        if len(other):
            break
        size = min(2 * size, 1 << 22)
    return np.concatenate(runs), at


def _fixed_run(data: bytes, at: int, end: int, tag: int, kind: str) -> tuple[Any, int]:
    """Unpacked floats: (tag, bytes) again and again, of which the first tag is already read."""
    width = np.dtype(DTYPES[kind]).itemsize
    count = 1 + (end - at - width) // (width + 1)
    tags = np.frombuffer(data, "u1", end - at - width, at + width)[:: width + 1][: count - 1]
    other = np.flatnonzero(tags != tag)
    count = 1 + (int(other[0]) if len(other) else len(tags))
    table = np.frombuffer(data, "u1", count * (width + 1), at - 1).reshape(count, width + 1)
    return np.ascontiguousarray(table[:, 1:]).view(DTYPES[kind]).ravel(), at + count * (width + 1) - 1


def _packed(raw: bytes, kind: str, path: str) -> Any:
    if kind != "int":
        if len(raw) % np.dtype(DTYPES[kind]).itemsize:
            raise _truncated(path)
        return np.frombuffer(raw, DTYPES[kind])
    octets = np.frombuffer(raw, "u1")
    ends = np.flatnonzero(octets < 128)
    if len(octets) and (not len(ends) or ends[-1] != len(octets) - 1):
        raise _truncated(path)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    sizes = ends - starts + 1
    if len(sizes) and sizes.max() > 10:
        raise _truncated(path)
    return _varints(octets, starts, sizes)


def _varints(octets: Any, starts: Any, sizes: Any) -> Any:
    """The varints that begin at `starts` and are `sizes` bytes long, as int64."""
    values = np.zeros(len(starts), "u8")
    for step in range(int(sizes.max()) if len(sizes) else 0):
        longer = np.flatnonzero(sizes > step)
        values[longer] |= (octets[starts[longer] + step].astype("u8") & np.uint64(127)) << np.uint64(7 * step)
    return values.view("<i8")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _truncated(path: str) -> Exception:
    return bad("TW054", "a graph ends in the middle of a value", where=path)


def write_model(value: Message) -> bytes:
    """The canonical bytes of a model: fields in the order of their numbers, numbers packed, nothing that `read_model` reads over."""
    return _write(value, "Model")


def _write(value: Message, message: str) -> bytes:
    out: list[bytes] = []
    for number, field in sorted(MESSAGES[message].items()):
        if field.name not in value:
            continue
        content = value[field.name]
        if field.kind in WIRES and field.repeated:
            packed = _pack_ints(content) if field.kind == "int" else content.astype(DTYPES[field.kind]).tobytes()
            out += [_tag(number, 2), _uint(len(packed)), packed] if len(packed) else []
        elif field.kind in WIRES:
            raw = _uint(content % 2**64) if field.kind == "int" else np.array([content], DTYPES[field.kind]).tobytes()
            out += [_tag(number, WIRES[field.kind]), raw]
        elif field.kind in MESSAGES:
            for item in content if field.repeated else [content]:
                raw = _write(item, field.kind)
                out += [_tag(number, 2), _uint(len(raw)), raw]
        else:
            texts = content if field.repeated else [content]
            encoded = {text: text.encode() if isinstance(text, str) else text for text in set(texts)}
            framed = {text: _tag(number, 2) + _uint(len(raw)) + raw for text, raw in encoded.items()}
            out += map(framed.__getitem__, texts)
    return b"".join(out)


def _tag(number: int, wire: int) -> bytes:
    return _uint(number << 3 | wire)


def _uint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _pack_ints(values: Any) -> bytes:
    rest = np.asarray(values, "<i8").view("u8")
    table = np.zeros((len(rest), 10), "u1")
    sizes = np.ones(len(rest), "i8")
    for step in range(10):
        table[:, step] = (rest & np.uint64(127)).astype("u1")
        rest = rest >> np.uint64(7)
        more = rest > 0
        table[more, step] |= 128
        sizes += more
        if not more.any():
            break
    return table[np.arange(10) < sizes[:, None]].tobytes()
