"""Promises of every check: explained, deterministic, quiet on noise, JSON, no cell values, no target needed."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_datasets import made, seen, words

from trainwright.data.dataset import Dataset
from trainwright.data.findings import CHECKS, Subject, bias, find

CODES = Path(__file__).parents[3] / "docs" / "codes.md"


def test_each_code_is_explained_once() -> None:
    text = CODES.read_text()
    sections = re.split(r"^### ", text, flags=re.M)
    headed = {section.split(maxsplit=1)[0]: section for section in sections[1:] if section.startswith("TW1")}
    assert list(headed) == sorted(check.code for check in CHECKS)
    for check in CHECKS:
        section = headed[check.code]
        assert section.splitlines()[0] == f"{check.code} · {check.title}"
        for part in ("**Sees**", "**Matters**", "**Decides**", "**Mend**"):
            assert part in section, (check.code, part)
        assert ("**Blocks**" in section) == check.blocking, check.code


def test_codes_are_unique_and_have_the_form() -> None:
    codes = [check.code for check in CHECKS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"TW1\d\d", code) for code in codes)
    assert {check.code for check in CHECKS if check.blocking} == {"TW101", "TW102", "TW103", "TW104"}


def everything(rng: np.random.Generator, n: int = 1200) -> Dataset:
    """A table in which nearly every check finds something; its words are secrets."""
    person = np.repeat(np.arange(n // 4), 4)
    y = rng.integers(0, 2, n // 4)[person]
    y[:40] = 1
    x = rng.normal(size=n)
    columns = {
        "x": x,
        "x2": 2 * x,
        "copy": y.astype(float),
        "gap": np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n)),
        "flat": np.full(n, 7.0),
        "patient_id": words([f"secret{p}" for p in person]),
        "email": words([f"secret{i}@example.org" for i in range(n)]),
        "notes": words([f"secret note {i}" for i in range(n)]),
        "town": words([f"secret{t}" for t in rng.integers(0, 200, n)]),
        "sex": words(rng.choice(["f", "m"], n)),
        "day": 86_400.0 * np.arange(n),
    }
    for column in columns.values():
        values = column.codes if not isinstance(column, np.ndarray) else column
        values[n - 60 :] = values[:60]
    y[n - 60 :] = y[:60]
    kinds = {"patient_id": "identifier", "email": "identifier", "notes": "text", "day": "datetime"}
    return made(columns, y, classes=("no", "yes"), kinds=kinds, how="given", sealed=np.arange(n - 200, n))  # type: ignore[arg-type]


def test_findings_are_json_without_cell_values_and_the_same_again(rng: np.random.Generator) -> None:
    dataset = everything(rng)
    found = find(dataset, protected=("sex",), seed=3)
    assert len({finding.code for finding in found}) >= 10
    text = json.dumps([finding.as_dict() for finding in found], allow_nan=False, ensure_ascii=False)
    assert "secret" not in text
    assert text == json.dumps([finding.as_dict() for finding in find(dataset, protected=("sex",), seed=3)], allow_nan=False, ensure_ascii=False)
    for finding in found:
        assert finding.what
        assert finding.why
        assert finding.fix
        assert finding.where


def test_blocking_findings_come_first_and_allowed_ones_do_not_block(rng: np.random.Generator) -> None:
    dataset = everything(rng)
    found = find(dataset)
    blocks = [finding.blocking for finding in found]
    assert blocks == sorted(blocks, reverse=True)
    assert {"TW101", "TW103", "TW104"} <= {finding.code for finding in found if finding.blocking}
    allowed = find(dataset, allow=frozenset({"TW101", "TW103", "TW104"}))
    assert not any(finding.blocking for finding in allowed)
    assert Counter(f.code for f in allowed) == Counter(f.code for f in found)


def test_without_a_target_the_other_checks_run(rng: np.random.Generator) -> None:
    dataset = everything(rng)
    bare = made(dict(dataset.table.columns), kinds={d.schema.name: d.schema.kind for d in dataset.table.described})
    codes = {finding.code for finding in find(bare, protected=("sex",))}
    assert {"TW110", "TW111", "TW120", "TW122", "TW150"} <= codes
    assert not codes & {check.code for check in CHECKS if check.needs_target}


@pytest.mark.parametrize("rows", [1, 2, 20])
def test_tiny_tables_are_no_trouble(rng: np.random.Generator, rows: int) -> None:
    columns = {"x": rng.normal(size=rows), "gone": np.full(rows, np.nan), "c": words(["k"] * rows), "m": words([None] * rows)}
    for target, classes in ((np.arange(rows) % 2, ("a", "b")), (rng.normal(size=rows), ()), (np.full(rows, np.nan), ())):
        assert not any(finding.blocking for finding in find(made(columns, target, classes=classes), protected=("c", "x", "m", "gone")))


def test_infinities_are_no_trouble(rng: np.random.Generator) -> None:
    x = rng.normal(size=500)
    x[[3, 77]] = np.inf, -np.inf
    assert not any(finding.blocking for finding in find(made({"x": x, "z": x * 2, "n": rng.normal(size=500)}, rng.normal(size=500))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["binary", "three classes", "numbers", "given"])
def test_noise_blocks_nothing_and_hardly_warns(kind: str) -> None:
    gaps = others = 0
    for seed in range(20 if kind in ("binary", "numbers") else 8):
        rng = np.random.default_rng([20261124, seed])
        n = 600
        columns = {f"n{i}": rng.normal(size=n) for i in range(25)}
        columns |= {f"k{i}": rng.integers(0, 50, n).astype(float) for i in range(10)}
        columns |= {f"c{i}": words(rng.integers(0, 2 + 2 * i, n)) for i in range(15)}
        sealed = rng.permutation(n)[:120]
        how = "given" if kind == "given" else "random"
        y = rng.normal(size=n) if kind == "numbers" else rng.integers(0, 3 if kind == "three classes" else 2, n)
        classes = {"numbers": (), "three classes": ("a", "b", "c")}.get(kind, ("a", "b"))
        dataset, people = made(columns, y, classes=classes, sealed=sealed, how=how), ("c0", "c3")
        whole = seed % 4 == 0  # the learner of TW188, which tells the groups, takes most of the time: in every fourth table
        found = find(dataset, protected=people if whole else (), seed=seed)
        assert not any(finding.blocking for finding in found)
        codes = [finding.code for finding in found]
        if not whole:
            codes += [check.code for check in bias.CHECKS for _ in check.function(Subject(dataset, people, seed))]
        gaps += sum(code in ("TW162", "TW163") for code in codes)
        others += sum(code not in ("TW161", "TW162", "TW163") for code in codes)  # small groups there are
    assert others == 0
    assert gaps <= 5  # two attributes and their crossing in 20 tables, each wrong in 5 % by design: 3 expected


@pytest.mark.slow
def test_wide_and_long_tables_take_seconds(rng: np.random.Generator) -> None:
    long = {f"n{i}": rng.normal(size=50_000) for i in range(40)} | {f"c{i}": words(rng.integers(0, 8, 50_000)) for i in range(10)}
    started = time.process_time()
    find(made(long, rng.integers(0, 2, 50_000), classes=("a", "b"), sealed=np.arange(0, 50_000, 5), how="given"))
    assert time.process_time() - started < 10  # about 1 s on a free machine


def test_a_planted_leak_is_found_whatever_the_seed(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 500)
    dataset = made({"x": rng.normal(size=500), "leak": y * 2.0 + 1}, y, classes=("a", "b"))
    assert all(seen(dataset, "TW101", seed=seed) for seed in range(10))
