"""Bundles that hold, together, every step kind and every field of a column: small, of our own steps, with numbers drawn under a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from small_bundles import SKETCHES, tree_bytes
from trainwright.bundle.write import write_bundle
from trainwright.runtime.bundle import Bundle
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import (
    Additive,
    Bayes,
    Bins,
    Calibrate,
    Clip,
    Codes,
    Combine,
    Concat,
    Constant,
    Dates,
    Decide,
    Encode,
    Fill,
    Interact,
    Kernel,
    Linear,
    Link,
    Nearest,
    Numbers,
    Onehot,
    Onnx,
    Ranks,
    Scale,
    Text,
    Windows,
)
from trainwright.runtime.steps.additive import ALONE, CODES, CUTS
from trainwright.runtime.typed import Typed

DAY = 86_400.0
JOBS = ("clerk", "smith", "pilote")  # as they are learned from
FEATURES = (
    ColumnSchema(name="age", kind="number", low=18.0, high=90.0),
    ColumnSchema(name="pay", kind="number", missing=("?",), decimal=",", thousands=".", high=9000.0),
    ColumnSchema(name="job", kind="category", spelling=("casefold", "blanks", "accents"), aliases=(("pilot", "pilote"), ("forgeron", "smith"))),
    ColumnSchema(name="town", kind="category", aliases=(("Bonn a. Rh.", "Bonn"),)),
    ColumnSchema(name="size", kind="ordered", order=("small", "middle", "large")),
    ColumnSchema(name="member", kind="yesno", yes=("ja",), no=("nein",)),
    ColumnSchema(name="note", kind="text"),
    ColumnSchema(name="who", kind="identifier"),
    ColumnSchema(name="when", kind="datetime", formats=("%d.%m.%Y %H:%M", "iso")),
)
SIZES, TOWNS, TERMS = ("small", "middle", "large"), ("Ulm", "Bonn"), ("late", "don't", "24", "thanks call")
PARTS = ("elapsed", "month", "weekday", "yearday_sin")
CLASSES = {"columns": ("no", "yes"), "points": ("low", "mid", "high"), "numbers": ()}
Steps = list[tuple[str, Any, tuple[str, ...]]]


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Raw rows with gaps, odd spellings, unseen words, numbers beyond their ends, and people who come several times."""
    rng = np.random.default_rng(seed)
    words = ("late", "parcel", "thanks", "don't", "ÉTÉ", "２４", "call", "!")
    made = []
    for at in range(count):
        day = f"{1 + at % 28:02d}.03.2024 {rng.integers(24):02d}:15" if at % 3 else f"2024-03-{1 + at % 28:02d}T07:30:00"
        made.append(
            {
                "age": float(rng.integers(5, 120)),
                "pay": "?" if rng.random() < 0.2 else f"{rng.integers(1, 12)}.{rng.integers(1000):03d},5",
                "job": str(rng.choice(["clerk", " CLERK ", "Smith", "forgeron", "Pilote", "pilot", "pilôte", "baker", ""])),
                "town": str(rng.choice(["Ulm", "Bonn", "Bonn a. Rh.", "Kiel"])),
                "size": str(rng.choice(["small", "middle", "large", "huge", ""])),
                "member": str(rng.choice(["ja", "nein", ""])),
                "note": " ".join(rng.choice(words, rng.integers(0, 6))),
                "who": str(rng.choice(["anna", "bert", "cleo", ""])),
                "when": "" if rng.random() < 0.1 else day,
            }
        )
    return made


def windows() -> Windows:
    """Two people's history, in days before the rows; what they were paid in whole multiples of a half."""
    first = 1_709_251_200.0  # 2024-03-01
    return Windows(
        key="who", time="when", of="pay", over=np.array([3 * DAY, 30 * DAY]), what=("count", "sum", "mean", "min", "max", "since_last"),
        names=tuple(f"w{number}" for number in range(11)), delay=DAY / 2, unit=0.5, keys=("anna", "bert"),
        key_codes=np.array([0, 0, 1], np.int32), times=first - DAY * np.array([4.0, 1.0, 2.0]), values=np.array([1500.5, np.nan, 2000.0]),
    )  # fmt: skip


def columns(rng: np.random.Generator) -> Steps:
    """All that reads columns, into a linear model and a sum of tables that stands a gap; their mean is calibrated, and there is a threshold."""
    zero = np.zeros(4)
    gaps = ("age", "pay", "age × pay", "w0", "w2", "w10", "member")
    return [
        ("typed", Typed(schema=FEATURES), ("rows",)),
        ("windows", windows(), ("typed",)),
        ("clip", Clip(columns=("age", "pay"), low=np.array([20.0, 1500.0]), high=np.array([80.0, 8000.0])), ("windows",)),
        ("interact", Interact(products=(("age", "pay"),), centres=np.array([[45.0, 3000.0]]), crosses=(("job", "town"),)), ("clip",)),
        ("fill", Fill(columns=("age", "pay"), values=np.array([40.0, 3000.0]), shift=np.array([50.0, 0.0]), flagged=("pay", "w2")), ("interact",)),
        ("scale", Scale(shift=np.array([0, 2500, 0, 0], "f4"), factor=np.array([0.1, 0.001, 1, 1], "f4")), ("fill",)),
        ("onehot", Onehot(columns=("job", "job × town"), vocabularies=(JOBS, ("clerk × Ulm",)), other=(True, False), missing=(True, False)),
         ("interact",)),
        ("ranks", Ranks(columns=("size",), vocabularies=(SIZES,), unseen=np.array([-1.0]), missing=np.array([1.0]), flagged=("size",)), ("typed",)),
        ("dates", Dates(columns=("when",), parts=(PARTS,), reference=np.array([1.7e9]), unit=np.array([1e7]), values=zero, flagged=("when",)),
         ("typed",)),
        ("encode", Encode(columns=("job", "town"), vocabularies=(JOBS, TOWNS), values=np.linspace(-1, 1, 18, dtype="f4").reshape(9, 2)), ("typed",)),
        ("text", Text(column="note", unit="words", longest=2, terms=TERMS, buckets=0, idf=np.array([1.5, 1.25, 2, 3], "f4"),
                      directions=np.empty((0, 0), "f4")), ("typed",)),
        ("pieces", Text(column="note", unit="characters", longest=1, terms=(), buckets=16, idf=np.linspace(1, 2, 16, dtype="f4"),
                        directions=np.asarray(rng.normal(size=(16, 3)), "f4"), scale=2.0, flagged=True), ("typed",)),
        ("shown", Bins(columns=("pay",), counts=(2,), edges=np.array([2000.0, 5000.0]), indicators=True, missing=(True,)), ("clip",)),
        ("side", Concat(widths=(4, 6, 2, 5, 4, 4, 4, 4)), ("scale", "onehot", "ranks", "dates", "encode", "text", "pieces", "shown")),
        ("linear", Linear(weights=rng.normal(size=(33, 1)) * 0.2, offset=np.array([-0.1])), ("side",)),
        ("logistic", Link(name="logistic"), ("linear",)),
        ("numbers", Numbers(columns=gaps, shift=np.array([50.0, 3000, 0, 0, 0, 0, 0])), ("interact",)),
        ("codes", Codes(columns=("job", "town"), vocabularies=(JOBS, TOWNS), missing=(True, False)), ("typed",)),
        ("bins", Bins(columns=("age",), counts=(3,), edges=np.array([25.0, 40.0, 60.0]), indicators=False, missing=(False,)), ("clip",)),
        ("gaps", Concat(widths=(7, 2, 1)), ("numbers", "codes", "bins")),
        ("additive", additive(rng, features=10, codes=7, outputs=1), ("gaps",)),
        ("other", Link(name="logistic"), ("additive",)),
        ("mean", Combine(weights=np.array([2.0, 1.0])), ("logistic", "other")),
        ("calibrate", Calibrate(slope=1.5, bias=np.array([0.0, -0.2])), ("mean",)),
        ("decide", Decide(classes=CLASSES["columns"], threshold=0.4), ("calibrate",)),
    ]  # fmt: skip


def additive(rng: np.random.Generator, *, features: int, codes: int, outputs: int) -> Additive:
    """Two cuts for each feature but one, which is read by three codes; each alone, and a pair of which one is that feature."""
    binned = [(feature, CODES if feature == codes else CUTS, 3 if feature == codes else 2) for feature in range(features)]
    edges = np.concatenate([[0.0, 1, 2] if feature == codes else [-2.0, 3.0] for feature in range(features)])
    terms = [*((number, ALONE) for number in range(features)), (0, codes)]
    widths = [own + 2 for _, _, own in binned]
    scores = rng.normal(size=(sum(widths) + widths[0] * widths[codes], outputs)) * 0.3
    return Additive(binned=np.array(binned, np.int64), edges=edges, terms=np.array(terms, np.int64), scores=scores, offset=np.full(outputs, 0.1))


def front() -> Steps:
    """Five float32 features without gaps, and one of codes."""
    return [
        ("typed", Typed(schema=FEATURES), ("rows",)),
        ("fill", Fill(columns=("age", "pay", "member"), values=np.array([40.0, 3000.0, 0.5]), shift=np.array([50.0, 3000.0, 0.0])), ("typed",)),
        ("scale", Scale(shift=np.zeros(3, "f4"), factor=np.array([0.05, 0.0005, 1], "f4")), ("fill",)),
        ("ranks", Ranks(columns=("size",), vocabularies=(SIZES,), unseen=np.array([3.0]), missing=np.array([1.0])), ("typed",)),
        ("codes", Codes(columns=("job",), vocabularies=(JOBS,), missing=(True,)), ("typed",)),
        ("features", Concat(widths=(3, 1, 1)), ("scale", "ranks", "codes")),
    ]


def points(rng: np.random.Generator) -> Steps:
    """Of three classes: bumps, nearest points, naive Bayes, tables and shares alone, weighed together."""
    near = np.asarray(rng.integers(-2, 4, size=(8, 5)), "f4")
    bayes = Bayes(
        features=5, prior=np.log([0.5, 0.3, 0.2]), numbers=np.array([0, 1, 2, 3]), means=rng.normal(size=(3, 4)),
        variances=rng.uniform(0.5, 2, (3, 4)),        codes=np.array([4]), sizes=np.array([4]), table=np.log(rng.dirichlet(np.ones(4), size=3).T),
    )  # fmt: skip
    nearest = Nearest(points=near, values=np.arange(8.0) % 3, weight=np.linspace(1, 2, 8), prior=np.array([0.5, 0.3, 0.2]), count=3,
                      weighing="distance", pull=1.0)  # fmt: skip
    return [
        *front(),
        ("kernel", Kernel(points=near, weights=rng.normal(size=(8, 3)), offset=np.array([0.1, 0.0, -0.1]), gamma=0.25), ("features",)),
        ("kernels", Link(name="softmax"), ("kernel",)),
        ("nearest", nearest, ("features",)),
        ("bayes", bayes, ("features",)),
        ("likely", Link(name="softmax"), ("bayes",)),
        ("additive", additive(rng, features=5, codes=4, outputs=3), ("features",)),
        ("tables", Link(name="softmax"), ("additive",)),
        ("shares", Constant(values=np.array([0.5, 0.3, 0.2])), ("features",)),
        ("mean", Combine(weights=np.array([1.0, 2, 1, 1, 0.5])), ("kernels", "nearest", "likely", "tables", "shares")),
        ("calibrate", Calibrate(slope=0.8, bias=np.array([0.0, 0.1, -0.1])), ("mean",)),
        ("decide", Decide(classes=CLASSES["points"]), ("calibrate",)),
    ]


def numbers(rng: np.random.Generator) -> Steps:
    """A number, as the mean of what bumps, nearest points and trees say."""
    near = np.asarray(rng.integers(-2, 4, size=(8, 5)), "f4")
    nearest = Nearest(points=near, values=rng.normal(size=8), weight=np.ones(8), prior=np.empty(0), count=4, weighing="uniform", pull=0.0)
    return [
        *front(),
        ("kernel", Kernel(points=near, weights=rng.normal(size=(8, 1)), offset=np.array([2.0]), gamma=0.1), ("features",)),
        ("nearest", nearest, ("features",)),
        ("trees", Onnx(graph=tree_bytes(1), features=5, outputs=1), ("features",)),
        ("mean", Combine(weights=np.array([1.0, 1.0, 2.0])), ("kernel", "nearest", "trees")),
    ]


def make(folder: Path, name: str) -> Bundle:
    """One of the three bundles, written to `folder`."""
    classes = CLASSES[name]
    steps = {"columns": columns, "points": points, "numbers": numbers}[name](np.random.default_rng(11))
    output = {"kind": "classes", "classes": classes} if classes else {"kind": "number"}
    task = {0: "regression", 2: "binary", 3: "multiclass"}[len(classes)]
    return write_bundle(
        folder,
        task=task,
        output=output,
        steps=steps,
        features=FEATURES,
        sketches=SKETCHES,
        marks={"contains_training_rows": True},
        notes={"made": "by hand"},
    )
