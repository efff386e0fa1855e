"""Load a bundle: from files of unknown origin to steps that can only compute.

Takes    the path of a folder or of an uncompressed zip.
Gives    a `Bundle`; BundleError for anything else, and nothing but BundleError.
Why      docs/bundle.md is the format; this page is its reading, in the order: files, manifest, digests, arrays, graphs, steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.errors import BundleError
from trainwright.record.digests import digest_bytes, digest_json
from trainwright.runtime import graphs, store
from trainwright.runtime.arrays import Array, read_arrays
from trainwright.runtime.bundle import ROWS, Bundle
from trainwright.runtime.graph import Placed
from trainwright.runtime.limits import MAX_BYTES, MAX_STEPS, NAME, bad, parse_json
from trainwright.runtime.schema import KINDS as COLUMN_KINDS
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import KINDS

FORMAT = (1, 1)  # what this version reads; it writes the least that a bundle needs (`steps.SINCE`)
WITHOUT_MODEL = (store.EVIDENCE, store.CARD, store.BOM)  # files that say something about the model and are no part of it
KEYS = {"format", "task", "features", "output", "steps", "marks", "notes", "files", "model_digest", "bundle_digest"}


def load(path: str | Path, *, limit: int = MAX_BYTES) -> Bundle:
    """The bundle at `path`; `limit` is how many bytes all its files may have.

    Raises BundleError, and nothing else: TW050 no bundle there, TW051 a format of another version, TW052 a file is not the one that was
    written, TW053 the files are not built as a bundle's, TW054 a step or graph is not allowed.
    """
    path = Path(path)
    try:
        return _load(path, limit)
    except BundleError as error:
        if str(path) in error.where:
            raise
        raise BundleError(
            error.code, error.what, where=f"{path}: {error.where}" if error.where else str(path), why=error.why, fix=error.fix
        ) from error
    except Exception as error:  # a stranger's bytes may raise anything (MemoryError, RecursionError, OverflowError …): one error type
        raise bad("TW053", "the bundle cannot be read", where=str(path), why=type(error).__name__) from error


def _load(path: Path, limit: int) -> Bundle:
    files = store.read_all(path, limit=limit)
    manifest = parse_json(files[store.MANIFEST], where=store.MANIFEST)
    _version(manifest)
    _shape(manifest, KEYS, "manifest")
    _is(isinstance(manifest["files"], dict), "files is no object", store.MANIFEST)
    # Evidence and card are written before the manifest lists them; until then they are not read.
    files = {name: data for name, data in files.items() if name in manifest["files"] or name not in (store.EVIDENCE, store.CARD)}
    _compare(manifest["files"], files)
    checked = {name: graphs.check(data) for name, data in files.items() if name.endswith(store.GRAPH)}
    texts = {name: parse_json(files[name], where=name) for name in (store.SKETCHES, store.EVIDENCE, store.BOM) if name in files}
    _is(all(isinstance(text, dict) for text in texts.values()), "a JSON file is no object", ", ".join(texts))
    named = {name: digest_json(texts[name]) if name in texts else digest_bytes(files[name]) for name in manifest["files"] if name not in checked}
    model = model_digest(manifest, named | {name: digest_bytes(graph.stripped) for name, graph in checked.items()})
    whole = bundle_digest(model, named)
    if (model, whole) != (manifest["model_digest"], manifest["bundle_digest"]):
        raise bad("TW052", "the manifest is not the one that was written: its digests do not follow from what it says", where=store.MANIFEST)
    features = _features(manifest["features"])
    steps = _steps(manifest["steps"], read_arrays(files[store.ARRAYS]) if store.ARRAYS in files else {}, files, features)
    task, classes, source, decider = _output(manifest, steps)
    for name in ("marks", "notes"):
        _is(isinstance(manifest[name], dict), f"{name} is no object", store.MANIFEST)
    return Bundle(
        task=task,
        classes=classes,
        features=features,
        steps=steps,
        source=source,
        decider=decider,
        manifest=manifest,
        sketches=texts.get(store.SKETCHES, {}),
        evidence=texts.get(store.EVIDENCE, {}),
        card=files.get(store.CARD, b"").decode("utf-8"),
        model_digest=model,
        bundle_digest=whole,
        path=path,
    )


def _is(holds: bool, what: str, where: str, code: str = "TW053") -> None:
    if not holds:
        raise bad(code, what, where=where)


def _shape(value: Any, keys: set[str], where: str) -> None:
    _is(isinstance(value, dict) and set(value) == keys, f"{where} must have exactly the fields {', '.join(sorted(keys))}", store.MANIFEST)


def _words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _version(manifest: Any) -> None:
    """A bundle names the least version of the format that it needs."""
    text = manifest.get("format") if isinstance(manifest, dict) else None
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", text) if isinstance(text, str) else None
    if match is None:
        raise bad("TW051", "the manifest names no version of the format", where=store.MANIFEST)
    needed = (int(match[1]), int(match[2]))
    if needed > FORMAT or needed[0] < 1:
        raise bad(
            "TW051",
            f"this bundle needs format {needed[0]}.{needed[1]}; this version reads up to {FORMAT[0]}.{FORMAT[1]}",
            where=store.MANIFEST,
            why="it may hold steps that are not known here, and a guess would be a wrong prediction",
            fix="pip install --upgrade trainwright",
        )


def _compare(listed: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Every file that is there is listed, with its size and digest, and the other way round."""
    for name in sorted({*listed, *files} - {store.MANIFEST}):
        if name not in listed or name not in files:
            raise bad("TW052", "a file is missing" if name in listed else "a file is there that the manifest does not list", where=name[:128])
        _shape(listed[name], {"size", "sha256"}, "a file's entry")
        if listed[name]["size"] != len(files[name]) or listed[name]["sha256"] != digest_bytes(files[name]):
            raise bad("TW052", "a file is not the one that was written: its digest differs", where=name)


def model_digest(manifest: Mapping[str, Any], digests_of: Mapping[str, str]) -> str:
    """What stands for all that computes: the manifest without its digests, and the files without evidence, card and bill of materials.

    `digests_of` files: a graph's is that of its stripped form, a JSON file's that of its value, so neither doc strings nor blanks count.
    """
    model = {key: value for key, value in manifest.items() if key not in ("files", "model_digest", "bundle_digest")}
    return digest_json({**model, "files": {name: digest for name, digest in digests_of.items() if name not in WITHOUT_MODEL}})


def bundle_digest(model: str, digests_of: Mapping[str, str]) -> str:
    """What stands for the model and for what is said of it."""
    return digest_json({"model": model, "files": {name: digest for name, digest in digests_of.items() if name in WITHOUT_MODEL}})


def _features(listed: Any) -> tuple[ColumnSchema, ...]:
    _is(isinstance(listed, list), "features is no list", store.MANIFEST)
    features: list[ColumnSchema] = []
    for entry in listed:
        _is(isinstance(entry, dict), "a feature is no object", store.MANIFEST)
        _is(all(_fits(key, value) for key, value in entry.items()), "a feature has a field of the wrong type", store.MANIFEST)
        try:
            feature = ColumnSchema.from_dict(entry)
        except (TypeError, ValueError) as error:
            raise bad("TW053", "a feature has fields that are not known", where=store.MANIFEST) from error
        _is(feature.kind in COLUMN_KINDS, "a feature is of an unknown kind", store.MANIFEST)
        features.append(feature)
    _is(len({feature.name for feature in features}) == len(features), "two features have one name", store.MANIFEST)
    return tuple(features)


def _fits(key: str, value: Any) -> bool:
    """Whether a field of a feature has the type that it must have; what the step `typed` makes of it is looked at there."""
    if key in ("low", "high"):
        return type(value) in (int, float)
    if key == "aliases":
        return isinstance(value, list) and all(_words(pair) and len(pair) == 2 for pair in value)
    return _words(value) if key in ("missing", "formats", "yes", "no", "order", "spelling") else isinstance(value, str)


def _steps(listed: Any, arrays: Mapping[str, Array], files: Mapping[str, bytes], features: tuple[ColumnSchema, ...]) -> tuple[Placed, ...]:
    """The steps in their order; each reads only what was made before, and every array and graph belongs to exactly one."""
    _is(isinstance(listed, list) and 1 <= len(listed) <= MAX_STEPS, "steps is no list, or is empty or too long", store.MANIFEST)
    made, used = {ROWS}, [store.MANIFEST]
    steps: list[Placed] = []
    for entry in listed:
        _shape(entry, {"name", "kind", "inputs", "settings", "arrays", "graphs"}, "a step")
        name, inputs = entry["name"], entry["inputs"]
        _is(
            isinstance(name, str) and NAME.fullmatch(name) is not None and name not in made,
            "a step's name is not allowed, or is taken",
            store.MANIFEST,
        )
        where = f"step {name!r}"
        _is(_words(inputs) and len(inputs) > 0 and set(inputs) <= made, "a step reads what no step before it makes", where)
        for part in ("settings", "arrays", "graphs"):
            _is(isinstance(entry[part], dict) and (part == "settings" or _words(list(entry[part].values()))), f"{part} is no object", where)
        _is(all(key in arrays for key in entry["arrays"].values()), "a step names an array that is not there", where)
        _is(all(key in files and key.endswith(store.GRAPH) for key in entry["graphs"].values()), "a step names a graph that is not there", where)
        used += [*entry["arrays"].values(), *entry["graphs"].values()]
        own = {field: arrays[key] for field, key in entry["arrays"].items()}
        steps.append((name, _make(entry, own, {field: files[key] for field, key in entry["graphs"].items()}), tuple(inputs)))
        made.add(name)
    whole = [*arrays, *(name for name in files if name.endswith(store.GRAPH)), store.MANIFEST]
    _is(sorted(used) == sorted(whole), "an array or graph belongs to no step, or to two", store.MANIFEST)
    for name, step, _ in steps:
        schema = getattr(step, "schema", features)
        _is(tuple(schema) == features, "a step reads other columns than the manifest lists", f"step {name!r}")
    return tuple(steps)


def _make(entry: Mapping[str, Any], arrays: Mapping[str, Array], data: Mapping[str, bytes]) -> Any:
    """One step, of a kind in the fixed table. Its own checks may raise anything; it comes out as BundleError."""
    where = f"step {entry['name']!r}"
    kind = KINDS.get(entry["kind"]) if isinstance(entry["kind"], str) else None
    if kind is None:
        raise bad("TW054", "a step is of a kind that this version does not know", where=where, fix="pip install --upgrade trainwright")
    for field, array in arrays.items():
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise bad("TW054", "an array holds an infinity", where=f"{where}, {field}")
    try:
        return kind.from_parts(entry["settings"], arrays, data)
    except BundleError as error:
        raise BundleError("TW054", error.what, where=where, why=error.why, fix=error.fix) from error
    except Exception as error:
        raise bad(
            "TW054", f"a step of kind {entry['kind']!r} cannot be made from what the bundle holds", where=where, why=type(error).__name__
        ) from error


def _output(manifest: Mapping[str, Any], steps: tuple[Placed, ...]) -> tuple[str, tuple[str, ...], str, str | None]:
    """Task, classes, the step that gives the outputs, and the step that decides."""
    output, task = manifest["output"], manifest["task"]
    _shape(output, {"kind", "classes", "from", "decide"}, "output")
    _is(isinstance(task, str) and NAME.fullmatch(task) is not None, "the task has no proper name", store.MANIFEST)
    classes, by_name = output["classes"], {name: (step, inputs) for name, step, inputs in steps}
    _is(_words(classes) and len(set(classes)) == len(classes), "the classes are no list of different words", store.MANIFEST)
    _is(
        output["kind"] in ("classes", "number") and (len(classes) >= 2) == (output["kind"] == "classes"),
        "the classes do not fit the output",
        store.MANIFEST,
    )
    _is(output["kind"] == "classes" or not classes, "a number has no classes", store.MANIFEST)
    source, decider = output["from"], output["decide"]
    _is(isinstance(source, str) and source in by_name and by_name[source][1] != (ROWS,), "the output comes from no step", store.MANIFEST)
    if decider is not None:
        _is(
            isinstance(decider, str) and decider in by_name and by_name[decider][1] == (source,),
            "what decides does not read the output",
            store.MANIFEST,
        )
        _is(
            getattr(by_name[decider][0], "classes", output["classes"]) in (tuple(classes), classes),
            "what decides knows other classes",
            store.MANIFEST,
        )
        _is(all(decider not in inputs for _, _, inputs in steps), "a step reads what was decided", store.MANIFEST)
    return task, tuple(classes), source, decider
