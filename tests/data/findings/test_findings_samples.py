"""A finding that was judged on a sample says so, and one that saw all rows does not."""

from __future__ import annotations

import numpy as np
import pytest
from made_datasets import made, seen, words

MANY = 101_000  # rows: more than any check's sample


@pytest.mark.parametrize("rows", [2_000, pytest.param(MANY, marks=pytest.mark.slow)])
def test_leaks_and_order_and_pairs(rng: np.random.Generator, rows: int) -> None:
    y = np.repeat(np.arange(rows // 50) % 2, 50)
    almost = np.where(rng.uniform(size=rows) < 0.005, 1 - y, y) * 1.0
    x = rng.normal(size=rows)
    columns = {"copy": y * 2.0, "almost": almost, "tick": np.arange(rows) * 1.0, "x": x, "again": 2 * x}
    dataset = made(columns, y, classes=("a", "b"))
    for code, size in (("TW101", 100_000), ("TW105", 100_000), ("TW141", 100_000), ("TW122", 20_000)):
        found = seen(dataset, code)
        assert found, code
        for finding in found:
            assert finding.what.endswith(f", judged on {size:,} of {MANY:,} rows") == (rows == MANY), code
            assert ("judged on" in finding.what) == (rows == MANY), code


@pytest.mark.parametrize("rows", [3_000, 60_000])
def test_shift(rng: np.random.Generator, rows: int) -> None:
    sealed = np.arange(2 * rows // 3, rows)
    x = rng.normal(size=rows)
    x[sealed] += 1.0
    (finding,) = seen(made({"x": x}, rng.normal(size=rows), how="given", sealed=sealed), "TW142")
    assert finding.what.endswith("judged on 40,000 of 60,000 rows") == (rows == 60_000)


@pytest.mark.parametrize("rows", [600, 4_000])
def test_personal(rows: int) -> None:
    column = words([f"user{i}@example.org" for i in range(rows)])
    (finding,) = seen(made({"k7": column, "x": np.arange(rows) % 7.0}, kinds={"k7": "identifier"}), "TW150")
    assert ("of the 1,000 values looked at, of 4,000" in finding.what) == (rows == 4_000)
    assert ("of 600 values" in finding.what) == (rows == 600)
