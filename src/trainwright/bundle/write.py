"""Write a bundle: the winner's steps as data, under digests that depend on nothing else.

Takes    steps, the schema, reference sketches; later the evidence and the card.
Gives    a folder, whole or not at all, and the `Bundle` that was loaded back from it: what is returned is what was read.
Why      no date, host, path or duration goes in, so the same winner gives the same bytes (docs/bundle.md).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainwright.record import files as durable
from trainwright.record.digests import digest_bytes, digest_json
from trainwright.runtime import graphs, loader, store
from trainwright.runtime.arrays import Array, write_arrays
from trainwright.runtime.bundle import ROWS, Bundle
from trainwright.runtime.graph import Placed
from trainwright.runtime.limits import bad, parse_json
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.step import parts
from trainwright.runtime.steps import SINCE


def write_bundle(
    folder: Path,
    *,
    task: str,
    output: Mapping[str, Any],
    steps: Sequence[Placed],
    features: Sequence[ColumnSchema],
    sketches: Mapping[str, Any],
    marks: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Bundle:
    """Lay the steps down in `folder` and load them back.

    Takes   `output`: {"kind": "classes", "classes": [...]} or {"kind": "number"}; "from" and "decide" name the steps that give the outputs and
            the answers (by default the last step decides when its kind is "decide", and what it reads are the outputs).
            `marks` is what must be said of the bundle, such as
            {"contains_training_rows": true}; `notes` is what may be told of the model, such as {"trees": 120}. Both are part of the model digest.
    Gives   the bundle as `trainwright.runtime.load` gives it.
    Raises  BundleError TW057 when a step cannot be kept as data or the folder holds something that is no bundle; TW052…TW054 when what was
            written cannot be loaded; MachineError when the disk refuses.
    """
    manifest, contents = _contents(steps)
    source, decider = _ends(output, steps)
    contents[store.SKETCHES] = _json(sketches)
    manifest |= {
        "format": "{}.{}".format(*max(*(SINCE.get(step.kind, (1, 0)) for _, step, _ in steps), *(feature.needs for feature in features), (1, 0))),
        "task": task,
        "features": [feature.as_dict() for feature in features],
        "output": {"kind": output["kind"], "classes": list(output.get("classes", ())), "from": source, "decide": decider},
        "marks": {"contains_training_rows": False, **(marks or {})},
        "notes": dict(notes or {}),
    }
    contents[store.MANIFEST] = _sealed(manifest, contents)
    if folder.exists() and any(folder.iterdir()) and not (folder / store.MANIFEST).exists():
        raise bad(
            "TW057", "the folder holds something that is no bundle", where=str(folder), why="it would be overwritten", fix="give another folder"
        )
    _place(folder, contents)
    return loader.load(folder)


def add_evidence(folder: Path, evidence: Mapping[str, Any], card: str) -> Bundle:
    """Put what was measured, and the model card, beside the model; the model digest stays, the bundle digest is new.

    At any moment the folder is a whole bundle: without evidence, or with all of it.

    Raises  BundleError when the folder is no sound bundle, TW057 when the evidence cannot be JSON; MachineError when the disk refuses.
    """
    with durable.machine_errors(folder, doing="read the manifest"):
        manifest = parse_json((folder / store.MANIFEST).read_bytes(), where=store.MANIFEST)
    if not isinstance(manifest, dict) or set(manifest) != loader.KEYS or not isinstance(manifest["files"], dict):
        raise bad("TW053", "the manifest is not that of a bundle", where=str(folder))
    added = {store.EVIDENCE: _json(evidence), store.CARD: card.encode()}
    kept = {store.BOM: (folder / store.BOM).read_bytes()} if store.BOM in manifest["files"] else {}
    model = {**manifest, "files": {name: entry for name, entry in manifest["files"].items() if name not in added}}
    if model["files"] != manifest["files"]:  # else the manifest that is there would list what is being replaced
        durable.write(folder / store.MANIFEST, _with(model, kept))
    for name, data in added.items():
        durable.write(folder / name, data)
    durable.write(folder / store.MANIFEST, _with(model, {**kept, **added}))
    return loader.load(folder)


def _with(manifest: Mapping[str, Any], added: Mapping[str, bytes]) -> bytes:
    """The manifest of the same model, with these files said of it: the model digest stays."""
    about = {name: digest_json(json.loads(data)) if name.endswith(".json") else digest_bytes(data) for name, data in added.items()}
    files = {**manifest["files"], **{name: _entry(data) for name, data in added.items()}}
    return _json({**manifest, "files": files, "bundle_digest": loader.bundle_digest(manifest["model_digest"], about)})


def _entry(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": digest_bytes(data)}


def write_zip(folder: Path, path: Path) -> Bundle:
    """The bundle in `folder` as one uncompressed zip file; the same bytes for the same bundle. Raises as `add_evidence`."""
    bundle = loader.load(folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in (store.MANIFEST, *sorted(bundle.manifest["files"])):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the format wants a date: the first that it can say
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, (folder / name).read_bytes())
    durable.write(path, buffer.getvalue())
    return loader.load(path)


def _json(value: Any) -> bytes:
    try:
        return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise bad(
            "TW057", "something in a bundle cannot be kept as JSON", why=str(type(error).__name__), fix="give plain values, null for NaN"
        ) from error


def _contents(steps: Sequence[Placed]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest's list of steps, and the files that hold their arrays and graphs."""
    listed: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    contents: dict[str, bytes] = {}
    for name, step, inputs in steps:
        settings, own, data = parts(step)
        arrays |= {f"{name}.{field}": array for field, array in own.items()}
        contents |= {f"{name}.{field}{store.GRAPH}": graphs.check(graph).stripped for field, graph in data.items()}
        listed.append(
            {
                "name": name,
                "kind": step.kind,
                "inputs": list(inputs),
                "settings": settings,
                "arrays": {field: f"{name}.{field}" for field in own},
                "graphs": {field: f"{name}.{field}{store.GRAPH}" for field in data},
            }
        )
    if arrays:
        contents[store.ARRAYS] = write_arrays(arrays)
    return {"steps": listed}, contents


def _ends(output: Mapping[str, Any], steps: Sequence[Placed]) -> tuple[str, str | None]:
    """The names of the step that gives the outputs and of the one that decides, if any."""
    name, step, inputs = steps[-1]
    last = (inputs[0], name) if step.kind == "decide" and inputs[0] != ROWS else (name, None)
    source = output.get("from", last[0])
    return source, output.get("decide", last[1] if source == last[0] else None)


def _sealed(manifest: Mapping[str, Any], contents: Mapping[str, bytes]) -> bytes:
    """The manifest's bytes: with the size and digest of every file, and the two digests of the whole. Graphs are stripped already."""
    plain = json.loads(_json({**manifest, "files": {name: _entry(data) for name, data in contents.items()}}))  # what a reader will see
    named = {name: digest_json(json.loads(data)) if name == store.SKETCHES else digest_bytes(data) for name, data in contents.items()}
    model = loader.model_digest(plain, named)
    return _json({**plain, "model_digest": model, "bundle_digest": loader.bundle_digest(model, {})})


def _place(folder: Path, contents: Mapping[str, bytes]) -> None:
    """All files appear at once: they are written beside the folder, which then takes its name."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    with durable.machine_errors(folder, doing="write the bundle"):
        shutil.rmtree(beside, ignore_errors=True)
        try:
            for name, data in contents.items():
                durable.write(beside / name, data)
            if folder.exists():  # left by a run that was cut off before it could say so
                shutil.rmtree(folder)
            durable.replace_folder(beside, folder)
        except BaseException:  # also an interrupt: no part of a bundle stays behind
            shutil.rmtree(beside, ignore_errors=True)
            raise
