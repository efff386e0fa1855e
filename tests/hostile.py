"""Bundles that nobody should open, made from sound ones: by class of hostility, each named by (seed, number) and made again from that alone.

Takes    sound bundles of several kinds.
Gives    a folder or zip file, changed in one or a few places; half of them hashed again, so that only what they say is wrong, and no digest.
Why      Random bytes stop at the first digest. What knows the structure (JSON, safetensors, protobuf, ONNX, zip) reaches the code behind it.
"""

from __future__ import annotations

import io
import json
import os
import random
import socket
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.errors import BundleError
from trainwright.record.digests import digest_bytes, digest_json
from trainwright.runtime import graphs, loader

MANIFEST = "manifest.json"
DEEP: Any = []
for _ in range(60):
    DEEP = [DEEP]
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 255, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 10**30, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"),
    "", "x", "rows", "../x", "/etc/passwd", "a\0b", "A" * 300, "é", "аge", "\u202egnp", "__class__", "os.system", [], {}, [[]], [None], ["rows"], [0],
    {"": {}}, {"kind": "onnx"}, DEEP,
)  # fmt: skip
FORBIDDEN = (
    "If", "Loop", "Scan", "Range", "Expand", "Tile", "Resize", "ConstantOfShape", "RandomNormal", "EyeLike", "NonZero", "Compress", "OneHot", "Pad",
    "SequenceEmpty", "Optional", "StringNormalizer", "RegexFullMatch", "QLinearMatMul", "Einsum", "ScatterND", "GatherND", "ImageDecoder", "PyOp",
    "ATen", "Unique", "Slice", "LSTM", "Conv", "MaxPool", "Dropout",
)  # fmt: skip


@dataclass
class Made:
    """A bundle in the making."""

    manifest: Any
    files: dict[str, bytes]
    raw: bytes | None = None  # the manifest's bytes, in the place of `manifest`
    after: list[Callable[[Path], None]] = field(default_factory=list)  # done to the folder
    zipped: bool = False
    entries: list[tuple[zipfile.ZipInfo, bytes]] = field(default_factory=list)  # more entries of the zip
    edit: list[Callable[[bytearray], bytearray]] = field(default_factory=list)  # done to the zip's bytes
    compression: int = zipfile.ZIP_STORED


def read_seed(folder: Path) -> Made:
    """A sound bundle as what is changed."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return Made(json.loads(files.pop(MANIFEST)), files)


def seal(manifest: Any, files: dict[str, bytes]) -> Any:
    """The manifest with every digest right for these files, whatever they hold."""
    if not isinstance(manifest, dict):
        return manifest
    try:
        about = {name: {"size": len(data), "sha256": digest_bytes(data)} for name, data in files.items()}
        manifest = {**manifest, "files": about} if isinstance(manifest.get("files"), dict) else manifest
        named = {name: _digest(name, data) for name, data in files.items()}
        model = loader.model_digest(manifest, named)
        return manifest | {"model_digest": model, "bundle_digest": loader.bundle_digest(model, named)}
    except (ValueError, RecursionError):
        return manifest  # what JSON cannot carry has no digest


def _digest(name: str, data: bytes) -> str:
    try:
        if name.endswith(".onnx"):
            return digest_bytes(graphs.check(data).stripped)
        return digest_json(json.loads(data)) if name.endswith(".json") else digest_bytes(data)
    except (BundleError, ValueError, RecursionError):
        return digest_bytes(data)


def make(seeds: Sequence[Made], seed: int, number: int, place: Path, outside: Path) -> tuple[Path, str]:
    """Bundle `number` in the empty folder `place`; `outside` is a file that no bundle may reach. Gives its path and what it is."""
    draw = random.Random(f"{seed}:{number}")
    kind = tuple(CLASSES)[number % len(CLASSES)]
    again = (number // len(CLASSES)) % 2 == 1  # half of each class is hashed again
    sound = seeds[draw.randrange(len(seeds))]
    made = Made(json.loads(json.dumps(sound.manifest)), dict(sound.files), zipped=draw.random() < 0.3)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        CLASSES[kind](made, draw, outside)
    manifest = seal(made.manifest, made.files) if again else made.manifest
    return _lay_down(made, manifest, place), f"{kind}{', hashed again' if again else ''}{', zip' if made.zipped else ''}"


def _lay_down(made: Made, manifest: Any, place: Path) -> Path:
    files = {**made.files, MANIFEST: made.raw if made.raw is not None else json.dumps(manifest, ensure_ascii=False).encode("utf-8", "surrogatepass")}
    if made.zipped:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", made.compression) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, made.compression)
            for entry, data in made.entries:
                archive.writestr(entry, data, made.compression)
        data = bytearray(buffer.getvalue())
        for edit in made.edit:
            data = edit(data)
        (place / "b.zip").write_bytes(data)
        return place / "b.zip"
    folder = place / "b"
    folder.mkdir()
    for name, content in files.items():
        if "/" not in name and name not in ("", ".", "..") and "\0" not in name and len(name.encode()) < 256:
            (folder / name).write_bytes(content)
    for change in made.after:
        change(folder)
    return folder


# Bytes, sizes, names, links.


def _pick(draw: random.Random, made: Made, ending: str = "") -> str:
    names = [name for name in made.files if name.endswith(ending)]
    return draw.choice(names) if names else next(iter(made.files))


def damaged(data: bytes, draw: random.Random) -> bytes:
    """A few bytes changed, put in, taken out, doubled, or the end cut off."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at, size = draw.randrange(len(out) + 1), draw.choice((1, 1, 4, 64))
        how = draw.randrange(6)
        if how == 0 and at < len(out):
            out[at] ^= 1 << draw.randrange(8)
        elif how == 1:
            out[at:at] = draw.randbytes(size)
        elif how == 2:
            del out[at : at + size]
        elif how == 3:
            out[at:at] = out[at : at + size]
        elif how == 4:
            del out[at:]
        elif at < len(out):
            out[at : at + size] = bytes([draw.choice((0, 1, 127, 128, 255))]) * min(size, len(out) - at)
    return bytes(out)


def _bytes(made: Made, draw: random.Random, outside: Path) -> None:
    name = draw.choice([*made.files, MANIFEST])
    if name == MANIFEST:
        made.raw = damaged(json.dumps(made.manifest).encode(), draw)
    else:
        made.files[name] = damaged(made.files[name], draw)


def _sizes(made: Made, draw: random.Random, outside: Path) -> None:
    name = _pick(draw, made)
    match draw.randrange(6):
        case 0:
            made.files[name] = b""
        case 1:
            made.files[name] += b" " * draw.choice((1, 4096, 1 << 18))
        case 2:
            del made.files[name]
        case 3:
            size = draw.choice((1 << 27, 1 << 32, 1 << 40))
            made.after.append(lambda folder: os.truncate(folder / name, size) if (folder / name).is_file() else None)
        case 4:
            for index in range(draw.choice((10, 10, 600))):
                made.files[f"m{index}.onnx"] = b""
        case _:
            entry = made.manifest["files"].get(name, {})
            entry[draw.choice(("size", "sha256"))] = draw.choice(ODD)


NAMES = (
    "../evil.onnx", "/evil.onnx", "a/b.onnx", "a\\b.onnx", "..", ".", ".hidden.onnx", "evil.pkl", "evil.py", "__init__.py", "evil.so", "arrays.npz",
    "Manifest.json", "MANIFEST.JSON", "manifest.json.onnx", "mаnifest.json", "arrays.safetensors ", " arrays.safetensors", "é.onnx",
    "\u202exnno.onnx",
    "a" * 124 + ".onnx", "a" * 250 + ".onnx", "CON.onnx", "x.onnx.", "x.ONNX", "-.onnx", "_.onnx", "a\nb.onnx", "evidence.json", "bom.cdx.json",
    "x.onnx\0.txt",
)  # fmt: skip


def _names(made: Made, draw: random.Random, outside: Path) -> None:
    name = draw.choice(NAMES) if draw.random() < 0.8 else "".join(chr(draw.randrange(1, 0x3000)) for _ in range(5)) + ".onnx"
    old = _pick(draw, made)
    if draw.random() < 0.5 and made.zipped:
        info = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
        info.filename = name
        made.entries.append((info, made.files[old]))
    elif draw.random() < 0.5:
        made.files[name] = made.files[old]
    else:
        made.files[name] = made.files.pop(old)
    if draw.random() < 0.3:
        for step in made.manifest["steps"]:
            for part in ("graphs", "arrays"):
                for key, value in step[part].items():
                    step[part][key] = name if value == old or draw.random() < 0.1 else value


def _links(made: Made, draw: random.Random, outside: Path) -> None:
    made.zipped = False
    name = draw.choice([*made.files, MANIFEST, "new.onnx"])
    how = draw.randrange(8)

    def change(folder: Path) -> None:
        path = folder / name
        if path.is_symlink() or path.is_dir():
            return  # an earlier change
        data = path.read_bytes() if path.is_file() and how not in (0, 6) else b""
        path.unlink(missing_ok=True)
        if how == 0:
            path.symlink_to(draw.choice([outside, Path("/dev/zero"), Path("/proc/self/mem"), Path("../../outside"), Path(name), Path("nowhere")]))
        elif how == 1:
            (folder.parent / "beside").write_bytes(data)
            path.symlink_to(folder.parent / "beside")  # what it holds is right: it is refused for being a link
        elif how == 2:
            os.mkfifo(path)
        elif how == 3:
            path.mkdir()
            (path / "inside").write_bytes(data)
        elif how == 4:
            with socket.socket(socket.AF_UNIX) as end:
                here = Path.cwd()
                os.chdir(folder)  # the path of a socket is short
                end.bind(name[:90])
                os.chdir(here)
        elif how == 5:
            path.write_bytes(data)
            path.chmod(0)
        elif how == 6:
            path.hardlink_to(outside.with_name("linked"))  # nobody can tell it from a file of the folder's own: only what it holds is wrong
        else:
            try:
                os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero by another name
            except PermissionError:
                os.mkfifo(path)

    made.after.append(change)


# JSON.


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        _places(inner, found)
    return found


def change_json(value: Any, draw: random.Random) -> None:
    """One change somewhere inside a JSON value."""
    places = _places(value, [])
    if not places:
        return
    container, key = draw.choice(places)
    match draw.randrange(8):
        case 0 | 1 | 2:
            container[key] = draw.choice(ODD)
        case 3:
            del container[key]
        case 4:
            other, name = draw.choice(places)
            if other is not container or name != key:
                try:
                    container[key] = json.loads(json.dumps(other[name]))
                except (KeyError, IndexError, RecursionError):
                    return
        case 5:
            if isinstance(container, list):
                container.extend([container[key]] * draw.choice((1, 3, 3000)))
            else:
                container[draw.choice(("x", "", "__class__", "kind", "../x"))] = container[key]
        case 6:
            old = container[key]
            container[key] = [old] if draw.random() < 0.5 else {"x": old}
        case _:
            if isinstance(container, list):
                draw.shuffle(container)
            elif isinstance(container[key], int | float):
                container[key] = draw.choice((container[key] + 1, -container[key], container[key] * 1000, container[key] + 0.5))


def _manifest(made: Made, draw: random.Random, outside: Path) -> None:
    manifest = made.manifest
    steps = manifest.get("steps") if isinstance(manifest, dict) else None
    if isinstance(steps, list) and steps and draw.random() < 0.5:
        step = draw.choice(steps)
        if not isinstance(step, dict):
            return
        match draw.randrange(7):
            case 0:
                step["kind"] = draw.choice([*loader.KINDS, "pickle", "os.system", 3, None])
            case 1:
                step["inputs"] = draw.choices([s.get("name", "x") for s in steps if isinstance(s, dict)] + ["rows"], k=draw.choice((1, 1, 2, 4)))
            case 2:
                draw.shuffle(steps)
            case 3:
                copies = [json.loads(json.dumps(step)) | {"name": f"copy{index}"} for index in range(draw.choice((1, 2, 300)))]
                steps.extend(copies)
            case 4:
                manifest["output"] = {
                    "kind": draw.choice(("classes", "number")),
                    "classes": draw.choice(([], ["a", "b"], ["a"] * 3)),
                    "from": "x",
                    "decide": None,
                }
            case 5:
                steps.remove(step)
            case _:
                change_json(step, draw)
    else:
        change_json(manifest, draw)


def _json(made: Made, draw: random.Random, outside: Path) -> None:
    """The other JSON files, and JSON as text: repeated keys, depth, numbers of no end."""
    name = draw.choice(("sketches.json", "evidence.json", "bom.cdx.json", MANIFEST))
    text = json.dumps(made.manifest) if name == MANIFEST else made.files.get(name, b"{}").decode("utf-8", "replace")
    depth = draw.choice((31, 33, 100, 1000, 100_000))
    match draw.randrange(8):
        case 0:
            text = draw.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth))
        case 1:
            text = text[:-1] + (", " if len(text) > 2 else "") + '"deep": ' + "[" * depth + "]" * depth + "}"
        case 2:
            text = text.replace("{", '{"format": "1.0", "format": "1.0",', 1) if draw.random() < 0.5 else text + text
        case 3:
            text = (
                text[:-1]
                + (", " if len(text) > 2 else "")
                + '"n": '
                + draw.choice(("1" * 5000, "1e999", "-Infinity", "NaN", "0x10", "1" * 20, "-0", "1e-9999"))
                + "}"
            )
        case 4:
            text = draw.choice(("", "null", "0", '"x"', "[]", "{", "\ufeff{}", "{}\0", "\x00", "'{}'", "//{}"))
        case 5:
            text = text.replace('"', "\\ud800", 1) if draw.random() < 0.5 else text.replace("a", "\\u0000", 1)
        case 6:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):  # an earlier change
                return
            change_json(value, draw)
            text = json.dumps(value)
        case _:
            text = json.dumps({"a": ["x" * draw.choice((10, 1 << 18))] * draw.choice((1, 8))})
    if name == MANIFEST:
        made.raw = text.encode("utf-8", "surrogatepass")
    else:
        made.files[name] = text.encode("utf-8", "surrogatepass")


# Arrays.


def _arrays(made: Made, draw: random.Random, outside: Path) -> None:
    name = "arrays.safetensors"
    if name not in made.files:
        made.files[name] = struct.pack("<Q", 2) + b"{}"
    data = made.files[name]
    try:
        (length,) = struct.unpack_from("<Q", data)
        header, body = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    except (ValueError, struct.error, RecursionError):
        return
    key = draw.choice([*header, "new"]) if isinstance(header, dict) else "new"
    entry = header.setdefault(key, {"dtype": "F64", "shape": [1], "data_offsets": [len(body), len(body) + 8]}) if isinstance(header, dict) else None
    match draw.randrange(9):
        case 0:
            change_json(header, draw)
        case 1 if isinstance(entry, dict):
            entry["dtype"] = draw.choice(("F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "O", "S8", "", 3, None, "f64", "C64", "V8"))
        case 2 if isinstance(entry, dict):
            entry["shape"] = draw.choice(
                ([], [0], [2**40], [2**24, 2**24], [0, 2**47], [-1], [1.0], [True], [1] * 9, [1] * 40, "8", [[1]], [2**63], [2**70])
            )
        case 3 if isinstance(entry, dict):
            entry["data_offsets"] = draw.choice(([0, 0], [0, 2**47], [8, 0], [-8, 0], [0], [0, 8, 16], [2**63, 2**63], ["0", "8"], [0, len(body)]))
        case 4:
            made.files[name] = struct.pack("<Q", draw.choice((0, 1, length + 1, length - 1, 2**24, 2**32, 2**63, 2**64 - 1))) + data[8:]
            return
        case 5:
            for _ in range(draw.choice((1, 4))):
                if len(body) >= 8:
                    at = draw.randrange(len(body) // 8) * 8
                    body[at : at + 8] = struct.pack("<d", draw.choice((float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 0.0)))
        case 6:
            body += draw.randbytes(draw.choice((1, 8, 4096))) if draw.random() < 0.5 else b""
            body = body[: draw.randrange(len(body) + 1)] if draw.random() < 0.5 else body
        case 7:
            # an array of another size, in its own right: what hangs on it must notice
            count = draw.choice((0, 1, 2, 5, 1000))
            kind, width = draw.choice((("F64", 8), ("F32", 4), ("I64", 8), ("I32", 4), ("U8", 1), ("BOOL", 1)))
            _replace_array(header, body, key, kind, draw.choice(([count], [count, 1], [1, count], [])), width, draw)
        case _:
            header["__metadata__"] = draw.choice(({"a": "b"}, DEEP, 3))
    text = json.dumps(header).encode()
    made.files[name] = struct.pack("<Q", len(text)) + text + bytes(body)


def _replace_array(header: Any, body: bytearray, key: str, kind: str, shape: list[int], width: int, draw: random.Random) -> None:
    """Rewrite the body with array `key` of another shape, so that the file is whole again."""
    parts = []
    at = 0
    for name, entry in header.items():
        try:
            begin, end = entry["data_offsets"]
            own = bytes(body[begin:end])
            if name == key:
                count = 1
                for size in shape:
                    count *= size
                own = draw.randbytes(count * width) if kind != "BOOL" else bytes(draw.choices((0, 1), k=count))
                entry.update({"dtype": kind, "shape": shape})
            entry["data_offsets"] = [at, at + len(own)]
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
        parts.append(own)
        at += len(own)
    body[:] = b"".join(parts)


# Protobuf as a wire format.


def _uint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(data: bytes) -> list[tuple[int, int, bytes]] | None:
    """(number, wire type, content) of a message, or None when it is none."""
    found, at = [], 0
    while at < len(data):
        tag, at = _read_uint(data, at)
        if tag is None or not tag >> 3:
            return None
        wire = tag & 7
        if wire == 0:
            start = at
            value, at = _read_uint(data, at)
            if value is None:
                return None
            found.append((tag >> 3, wire, data[start:at]))
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            if at + size > len(data):
                return None
            found.append((tag >> 3, wire, data[at : at + size]))
            at += size
        elif wire == 2:
            length, at = _read_uint(data, at)
            if length is None or at + length > len(data):
                return None
            found.append((tag >> 3, wire, data[at : at + length]))
            at += length
        else:
            return None
    return found


def _read_uint(data: bytes, at: int) -> tuple[int | None, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7
    return None, at


def _write(fields: list[tuple[int, int, bytes]], lie: int = 0) -> bytes:
    out = []
    for index, (number, wire, content) in enumerate(fields):
        out.append(_uint(number << 3 | wire))
        out.append(_uint(max(0, len(content) + (lie if index == len(fields) - 1 else 0))) + content if wire == 2 else content)
    return b"".join(out)


def change_wire(data: bytes, draw: random.Random, depth: int = 0) -> bytes:
    """One change in a protobuf message or in one inside it; the lengths around it are right again."""
    fields = _fields(data) if len(data) < 1 << 16 else None
    if not fields:
        return damaged(data, draw)
    index = draw.randrange(len(fields))
    number, wire, content = fields[index]
    if wire == 2 and content and depth < 8 and draw.random() < 0.8:
        fields[index] = (number, wire, change_wire(content, draw, depth + 1))
        return _write(fields)
    lie = 0
    match draw.randrange(9):
        case 0:
            fields[index] = (draw.choice((1, 2, 3, 5, 6, 7, 8, 10, 13, 14, 15, 20, 25, 99, 2**28)), wire, content)
        case 1:
            fields[index] = (number, draw.choice((0, 1, 2, 3, 4, 5, 6, 7)), content)
        case 2:
            lie = draw.choice((-1, 1, 100, 2**20, 2**31, 2**63))
        case 3:
            fields.insert(draw.randrange(len(fields) + 1), fields[index])
        case 4:
            del fields[index]
        case 5:
            deep = content
            for _ in range(draw.choice((5, 100, 2000))):
                deep = _write([(number, 2, deep)]) if len(deep) < 1 << 16 else deep
            fields[index] = (number, 2, deep)
        case 6:
            value = draw.choice((0, 1, 2, 3, 7, 127, 128, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1))
            fields[index] = (number, wire, _uint(value) if wire == 0 else draw.randbytes(len(content)))
        case 7:
            fields[index] = (number, 0, draw.choice((b"\x80" * 10 + b"\x01", b"\xff" * 9 + b"\x7f", b"\x80\x00", b"\x80" * 9)))
        case _:
            fields.insert(index, (draw.choice((20, 25, 15, 13, 6, 22, 21, 10, 11)), 2, draw.choice((b"", b"x", content[:50]))))
    return _write(fields, lie)


def _wire(made: Made, draw: random.Random, outside: Path) -> None:
    name = _graph_of(made)
    made.files[name] = change_wire(made.files[name], draw)


# ONNX as what it means.


def _graph_of(made: Made) -> str:
    """The name of a graph; a bundle without one gets a small one in the place of its linear model."""
    for name in made.files:
        if name.endswith(".onnx") and made.files[name]:
            return name
    return _use_graph(made, _model_bytes([("Identity", ["x"], ["y"], {})], [], 1, 1), 1, 1)


def _use_graph(made: Made, data: bytes, features: int, outputs: int) -> str:
    """Make `data` the graph of the first step that is a model."""
    steps = made.manifest.get("steps") if isinstance(made.manifest, dict) else None
    models = (
        [step for step in steps if isinstance(step, dict) and step.get("kind") in ("onnx", "linear", "constant")] if isinstance(steps, list) else []
    )
    if not models:
        made.files["model.onnx"] = data
        return "model.onnx"
    step = models[0]
    for name in (step.get("arrays") or {}).values() if isinstance(step.get("arrays"), dict) else ():
        _drop_array(made, name)
    for name in (step.get("graphs") or {}).values() if isinstance(step.get("graphs"), dict) else ():
        made.files.pop(name, None)
    step |= {"kind": "onnx", "settings": {"features": features, "outputs": outputs}, "arrays": {}, "graphs": {"graph": "model.onnx"}}
    made.files["model.onnx"] = data
    return "model.onnx"


def _drop_array(made: Made, name: str) -> None:
    data = made.files.get("arrays.safetensors", b"")
    (length,) = struct.unpack_from("<Q", data) if len(data) >= 8 else (0,)
    header, body = json.loads(data[8 : 8 + length] or b"{}"), bytearray(data[8 + length :])
    parts, at = [], 0
    header.pop(name, None)
    for entry in header.values():
        begin, end = entry["data_offsets"]
        parts.append(bytes(body[begin:end]))
        entry["data_offsets"] = [at, at + end - begin]
        at += end - begin
    text = json.dumps(header).encode()
    if header:
        made.files["arrays.safetensors"] = struct.pack("<Q", len(text)) + text + b"".join(parts)
    else:
        made.files.pop("arrays.safetensors", None)


def _widths(made: Made) -> tuple[int, int]:
    """(features, outputs) of the model in a sound bundle."""
    for step in made.manifest["steps"]:
        if step["kind"] == "onnx":
            return step["settings"]["features"], step["settings"]["outputs"]
        if step["kind"] == "concat":
            width = sum(step["settings"]["widths"])
    return width, len(made.manifest["output"]["classes"]) or 1


def _model_bytes(nodes: list[tuple[str, list[str], list[str], dict[str, Any]]], initializers: list[Any], features: int, outputs: int) -> bytes:
    from onnx import TensorProto, helper

    made = [
        helper.make_node(kind, given, out, domain="ai.onnx.ml" if kind.startswith(("Tree", "LinearReg")) else "", **attributes)
        for kind, given, out, attributes in nodes
    ]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])],
        initializer=initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
    return bytes(model.SerializeToString())


def _graph(made: Made, draw: random.Random, outside: Path) -> None:
    """A real model, with one thing in it that no bundle may have, or that does not fit the rest."""
    from onnx import AttributeProto, ModelProto, TensorProto, helper

    name = _graph_of(made)
    model = ModelProto()
    try:
        model.ParseFromString(made.files[name])
    except Exception:  # an earlier change of this bundle
        return
    graph = model.graph
    node = draw.choice(graph.node) if graph.node else graph.node.add()
    attribute = draw.choice(node.attribute) if node.attribute else None
    match draw.randrange(16):
        case 0:
            node.op_type = draw.choice((*FORBIDDEN, *(operator for _, operator in graphs.OPERATORS)))
        case 1:
            node.domain = draw.choice(
                ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training", "custom", "com.microsoft.extensions")
            )
        case 2:
            tensor = draw.choice(graph.initializer) if graph.initializer else graph.initializer.add(name="w", data_type=1, dims=[1])
            tensor.data_location = TensorProto.EXTERNAL
            tensor.ClearField("raw_data")
            tensor.external_data.add(key="location", value=draw.choice((str(outside), "../../outside", "/etc/passwd", "b.onnx")))
        case 3:
            inner = helper.make_graph([], "inner", [], [])
            node.op_type = draw.choice(("If", "Loop", "Scan", node.op_type))
            node.attribute.append(helper.make_attribute("body", inner))
        case 4:
            model.functions.add(name=node.op_type, domain=node.domain)
        case 5:
            model.training_info.add()
        case 6:
            graph.sparse_initializer.add()
        case 7:
            graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"x"]))
        case 8 if graph.initializer:
            tensor = draw.choice(graph.initializer)
            del tensor.dims[:]
            tensor.dims.extend(draw.choice(([2**40], [2**31, 2**31], [-1], [0], [1] * 9, [], [2**63 - 1, 2], [1])))
        case 9:
            shape = graph.input[0].type.tensor_type.shape if graph.input else None
            if shape is not None and shape.dim:
                draw.choice(shape.dim).dim_value = draw.choice((0, -1, 1, 2, 5, 2**31, 2**40, 2**63 - 1))
        case 10 | 11 | 12 if attribute is not None:
            _change_attribute(attribute, draw)
        case 13 if attribute is not None:
            if draw.random() < 0.5:
                node.attribute.remove(attribute)
            else:
                node.attribute.append(attribute) if draw.random() < 0.3 else setattr(
                    attribute, "type", draw.choice(list(AttributeProto.AttributeType.values()))
                )
        case 14:
            draw.choice((graph.input, graph.output)).add(name=draw.choice(("x", "y", "z", "")))
        case _:
            names = [value for each in graph.node for value in (*each.input, *each.output)] + ["x", ""]
            if draw.random() < 0.5 and node.input:
                node.input[0] = draw.choice(names)
            elif node.output:
                node.output[0] = draw.choice(names)
    made.files[name] = bytes(model.SerializeToString())


def _change_attribute(attribute: Any, draw: random.Random) -> None:
    """Other numbers or words in an attribute of a tree or an operator."""
    whole = (0, 1, 2, 3, -1, 5, 100, 2**20, 2**31 - 1, 2**31, 2**62, -(2**63))
    real = (0.0, -1.0, 1e38, -1e38, float("nan"), float("inf"), 1e-45)
    words = (
        b"LEAF",
        b"BRANCH_LEQ",
        b"BRANCH_EQ",
        b"BRANCH_MEMBER",
        b"",
        b"SOFTMAX",
        b"PROBIT",
        b"LOGISTIC",
        b"SOFTMAX_ZERO",
        b"NONE",
        b"AVERAGE",
        b"MIN",
        b"x" * 99,
    )
    for _ in range(draw.choice((1, 1, 3))):
        if attribute.ints:
            at = draw.randrange(len(attribute.ints))
            attribute.ints[at] = draw.choice((*whole, attribute.ints[draw.randrange(len(attribute.ints))]))
            if draw.random() < 0.2:
                attribute.ints.append(draw.choice(whole))
        elif attribute.floats:
            attribute.floats[draw.randrange(len(attribute.floats))] = draw.choice(real)
            if draw.random() < 0.2:
                del attribute.floats[-1]
        elif attribute.strings:
            attribute.strings[draw.randrange(len(attribute.strings))] = draw.choice(words)
        elif attribute.s:
            attribute.s = draw.choice(words)
        elif attribute.type == 2:
            attribute.i = draw.choice(whole)
        elif attribute.type == 1:
            attribute.f = draw.choice(real)


def _operators(made: Made, draw: random.Random, outside: Path) -> None:
    """A small graph of the operators that are allowed, put together at random: whatever is let through must run, or be refused, and nothing else."""
    from onnx import TensorProto, helper

    try:
        features, outputs = _widths(made)
    except (KeyError, TypeError, UnboundLocalError):
        return
    if max(features, outputs) > 100:  # an earlier change of this bundle
        return
    allowed = [operator for domain, operator in graphs.OPERATORS if domain == ""]
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
    initializers: list[Any] = []
    values = ["x"]

    def constant(kind: str = "") -> str:
        name = f"c{len(initializers)}"
        kind = kind or draw.choice(("float", "float", "float", "whole", "double", "bool"))
        shape = draw.choice(
            ([], [1], [features], [features, features], [features, outputs], [outputs], [outputs, features], [1, features], [0], [2, 3], [3, 1, 1])
        )
        size = 1
        for axis in shape:
            size *= axis
        if kind == "whole":
            numbers: list[Any] = [draw.choice((0, 1, -1, 2, features, outputs, 2**31, -(2**31), 2**62)) for _ in range(size)]
            initializers.append(helper.make_tensor(name, TensorProto.INT64, shape, numbers))
        elif kind == "bool":
            initializers.append(helper.make_tensor(name, TensorProto.BOOL, shape, [draw.random() < 0.5 for _ in range(size)]))
        else:
            numbers = [draw.choice((0.0, 1.0, -1.0, 1e30, -3e38, 1e-40, draw.gauss(0, 1))) for _ in range(size)]
            initializers.append(helper.make_tensor(name, TensorProto.FLOAT if kind == "float" else TensorProto.DOUBLE, shape, numbers))
        return name

    def row(*shape: int) -> str:
        name, size = f"c{len(initializers)}", 1
        for axis in shape:
            size *= axis
        numbers = [draw.choice((0.0, 1.0, -1.0, 1e30, -3e38, 1e-40, draw.gauss(0, 1))) for _ in range(size)]
        initializers.append(helper.make_tensor(name, TensorProto.FLOAT, list(shape), numbers))
        return name

    count = draw.choice((1, 1, 2, 3, 6))
    tame = draw.random() < 0.5  # operators that keep a shape, and a product at the end: most of these run
    for index in range(count if not tame else 0):
        operator = draw.choice(allowed) if draw.random() < 0.95 else draw.choice(FORBIDDEN)
        given = [draw.choice(values)]
        while len(given) < {"Where": 3, "BatchNormalization": 5, "LayerNormalization": 3, "Clip": 3}.get(operator, 2) and draw.random() < 0.7:
            whole = operator in ("Gather", "Reshape", "ReduceSum", "ArgMax")
            given.append(draw.choice(values) if draw.random() < 0.3 else constant("whole" if whole and draw.random() < 0.8 else ""))
        if operator in UNARY_NAMES and draw.random() < 0.9:
            given = given[:1]
        attributes: dict[str, Any] = {}
        choices: dict[str, tuple[Any, ...]] = {
            "axis": (0, 1, -1, 2, -3, 2**31), "axes": ([0], [1], [-1], [0, 1], [5], [1, 1]), "keepdims": (0, 1, 7),
            "perm": ([1, 0], [0, 1], [0, 0], [2, 1, 0]), "to": (1, 6, 7, 9, 10, 11, 8, 99), "transA": (0, 1), "transB": (0, 1),
            "alpha": (0.5, 1e38), "epsilon": (0.0, 1e-5), "select_last_index": (0, 1), "allowzero": (0, 1), "training_mode": (0, 1),
            "stash_type": (0, 1, 99), "momentum": (0.9,), "approximate": ("tanh", "none", "x"), "fmod": (1,),
        }  # fmt: skip
        fitting = FITTING.get(operator, ())
        for attribute in [name for name in choices if (name in fitting and draw.random() < 0.7) or draw.random() < 0.01]:
            attributes[attribute] = draw.choice(choices[attribute])
        out = ["y"] if index == count - 1 else [f"v{index}"]
        if draw.random() < 0.05:
            out.append(f"w{index}")
        nodes.append((operator, given, out, attributes))
        values += out
    if tame:
        for index in range(count):
            operator = draw.choice(SAME_SHAPE)
            given = [values[-1]]
            if operator in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum"):
                given.append(draw.choice(values) if draw.random() < 0.3 else row(features))
            nodes.append((operator, given, [f"v{index}"], {name: draw.choice((0, 1, -1)) for name in FITTING.get(operator, ()) if name == "axis"}))
            values.append(f"v{index}")
        nodes.append(("Gemm", [values[-1], row(features, outputs)], ["y"], {}))
    if draw.random() < 0.3:
        features, outputs = draw.choice(((features, outputs), (features + 1, outputs), (features, outputs + 1), (2**20, 1), (1, 2**20)))
    _use_graph(made, _model_bytes(nodes, initializers, features, outputs), features, outputs)


SAME_SHAPE = (
    "Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Erf", "Identity", "Sigmoid", "HardSigmoid", "Relu",
    "LeakyRelu", "Elu", "Selu", "Tanh", "Softplus", "Softsign", "Softmax", "LogSoftmax", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min",
    "Mean", "Sum",
)  # fmt: skip
UNARY_NAMES = frozenset({*SAME_SHAPE[:23], "Gelu", "Not", "ReduceMean", "ReduceMax", "ReduceMin", "ArgMax", "ArgMin", "Cast", "Flatten", "Transpose"})
FITTING = {
    "Softmax": ("axis",), "LogSoftmax": ("axis",), "ReduceMean": ("axes", "keepdims"), "ReduceMax": ("axes", "keepdims"),
    "ReduceMin": ("axes", "keepdims"), "ReduceSum": ("keepdims",), "ArgMax": ("axis", "keepdims", "select_last_index"),
    "ArgMin": ("axis", "keepdims"), "Cast": ("to",), "Concat": ("axis",), "Flatten": ("axis",), "Gather": ("axis",),
    "Gemm": ("transA", "transB", "alpha"), "Reshape": ("allowzero",), "Transpose": ("perm",), "Elu": ("alpha",),
    "LeakyRelu": ("alpha",), "BatchNormalization": ("epsilon", "training_mode", "momentum"), "LayerNormalization": ("axis", "epsilon", "stash_type"),
}  # fmt: skip


# Zip.


def _zip(made: Made, draw: random.Random, outside: Path) -> None:
    made.zipped = True
    match draw.randrange(9):
        case 0:
            made.compression = draw.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
        case 1:
            made.compression = zipfile.ZIP_DEFLATED
            made.files["bomb.onnx"] = b"\0" * (1 << 22)
        case 2:
            info = zipfile.ZipInfo(draw.choice((*NAMES, *made.files)).replace("\0", "") or "x", (1980, 1, 1, 0, 0, 0))
            info.external_attr = draw.choice((0o120777, 0o040755, 0o010644, 0o100644, 0o060644)) << 16
            info.flag_bits = draw.choice((0, 1, 8, 0x40, 0x800, 0x2000, 0xFFFF))
            made.entries.append((info, draw.choice((b"/etc/passwd", b"", b"x" * 100))))
        case 3 | 4 | 5:
            made.edit.append(lambda data: _edit_directory(data, draw))
        case 6:
            made.edit.append(lambda data: bytearray(damaged(bytes(data), draw)))
        case 7:
            made.edit.append(
                lambda data: (
                    bytearray(draw.randbytes(draw.choice((1, 22, 4096)))) + data if draw.random() < 0.5 else data + bytearray(draw.randbytes(30))
                )
            )
        case _:
            made.edit.append(lambda data: _edit_end(data, draw))


FIELDS = {  # (place, bytes) in the header of an entry: in the directory, and before its data
    b"PK\x01\x02": ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (38, 4), (42, 4)),
    b"PK\x03\x04": ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
}


def _edit_directory(data: bytearray, draw: random.Random) -> bytearray:
    """Lies in the headers of entries: sizes, places, methods, flags, lengths of names; entries that overlap; sizes of zip64."""
    for mark in draw.choice(((b"PK\x01\x02",), (b"PK\x03\x04",), (b"PK\x01\x02", b"PK\x03\x04"))):
        places, at = [], data.find(mark)
        while at >= 0:
            places.append(at)
            at = data.find(mark, at + 4)
        if not places:
            continue
        at = draw.choice(places)
        where, size = draw.choice(FIELDS[mark])
        value = draw.choice((0, 1, 8, 12, 2**15, 2**16 - 1, 2**31, 2**32 - 1, len(data), len(data) - 1, places[0], 0x6375))
        if at + where + size <= len(data):
            data[at + where : at + where + size] = (value % 256**size).to_bytes(size, "little")
    return data


def _edit_end(data: bytearray, draw: random.Random) -> bytearray:
    """Lies in the end of the directory: how many entries, how large, where."""
    at = data.rfind(b"PK\x05\x06")
    where, size = draw.choice(((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)))
    value = draw.choice((0, 1, 2**16 - 1, 2**31, 2**32 - 1, len(data), at if at > 0 else 0))
    if at >= 0:
        data[at + where : at + where + size] = (value % 256**size).to_bytes(size, "little")
        if draw.random() < 0.3:  # a zip64 locator that leads anywhere
            data[at:at] = b"PK\x06\x07" + struct.pack("<IQI", 0, draw.choice((0, at, 2**63, 2**64 - 1)), 1)
    return data


CLASSES: dict[str, Callable[[Made, random.Random, Path], None]] = {
    "bytes": _bytes,
    "sizes": _sizes,
    "names": _names,
    "links": _links,
    "manifest": _manifest,
    "json": _json,
    "arrays": _arrays,
    "protobuf": _wire,
    "graph": _graph,
    "operators": _operators,
    "zip": _zip,
}
