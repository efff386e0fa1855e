"""The parity gate lets through what answers alike, and nothing else; edge rows are what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import small_bundles as small
from trainwright.bundle import check, edge_rows
from trainwright.errors import BundleError
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema


def test_a_bundle_agrees_with_itself_on_raw_and_typed_rows(tmp_path: Path):
    for task in small.CLASSES:
        bundle = small.make(tmp_path / task, task)
        rows = small.rows(40)
        columns = bundle.steps[0][1].apply(rows)
        for given in (rows, columns):
            figures = check(bundle, bundle.outputs(rows), given)
            assert (figures["rows"], figures["largest"], figures["flips"], figures["ties"]) == (40, 0.0, 0, 0)


def test_probabilities_may_differ_by_a_ten_thousandth(tmp_path: Path):
    bundle = small.make(tmp_path / "b")
    rows = small.rows(40)
    reference = bundle.outputs(rows)
    reference[7] += [0.9e-4, -0.9e-4]
    assert check(bundle, reference, rows)["largest"] == pytest.approx(0.9e-4)
    reference[7] += [0.3e-4, -0.3e-4]
    with pytest.raises(BundleError, match=r"1 rows differ, the worst by 0.00012 \(row 7\)") as caught:
        check(bundle, reference, rows)
    assert caught.value.code == "TW055"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(value: float, tmp_path: Path):
    bundle = small.make(tmp_path / "b", "regression")
    rows = small.rows(5)
    reference = bundle.outputs(rows)
    reference[2] = value
    with pytest.raises(BundleError, match="TW055"):
        check(bundle, reference, rows, scale=1.0)
    with pytest.raises(BundleError, match="TW055"):
        check(bundle, reference[:4], rows)


def test_a_number_is_compared_on_its_own_scale(tmp_path: Path):
    bundle = small.make(tmp_path / "b", "regression")
    rows = small.rows(60)
    reference = bundle.outputs(rows)
    reference[3] += 5e-3
    assert check(bundle, reference, rows, scale=100.0)["scale"] == 100.0  # allowed: 1e-2
    with pytest.raises(BundleError, match="row 3"):
        check(bundle, reference, rows, scale=10.0)  # allowed: 1e-3
    spread = float(np.std(reference))
    reference[3] += np.sign(reference[3]) * 2e-4 * max(spread, abs(float(reference[3, 0])))
    with pytest.raises(BundleError, match="row 3"):
        check(bundle, reference, rows)


def test_a_flip_passes_at_a_tie_only(tmp_path: Path):
    """Probabilities near one half: within the tolerance both, but only one of them is a tie."""
    bundle = small.make(tmp_path / "b", "binary", "trees")
    rows = small.rows(200)
    outputs = bundle.outputs(rows)
    row = int(np.flatnonzero(outputs[:, 0] == 0.5)[0])  # "no" is the answer: the first of two equal ones
    tie, flip = outputs.copy(), outputs.copy()
    tie[row] = [0.5 - 1e-6, 0.5 + 1e-6]
    flip[row] = [0.5 - 4e-5, 0.5 + 4e-5]
    assert check(bundle, tie, rows)["ties"] == 1
    with pytest.raises(BundleError, match=f"no ties \\(row {row}\\)"):
        check(bundle, flip, rows)


def features_and_columns(rng: np.random.Generator, numbers: int) -> tuple[list[ColumnSchema], dict[str, object]]:
    features = [ColumnSchema(name=f"n{i}", kind="number") for i in range(numbers)]
    columns: dict[str, object] = {f"n{i}": rng.normal(50, 3, size=101) for i in range(numbers)}
    features += [ColumnSchema(name="job", kind="category"), ColumnSchema(name="member", kind="yesno"), ColumnSchema(name="gone", kind="number")]
    columns |= {"job": Coded(np.array([1] * 60 + [0] * 40 + [-1], np.int32), ("smith", "unseen")), "member": np.array([1.0] * 90 + [0.0] * 11)}
    return features, {**columns, "gone": np.full(101, np.nan)}


def test_edge_rows_change_each_column_alone_and_all_together(rng: np.random.Generator):
    features, columns = features_and_columns(rng, 2)
    edges = edge_rows(features, columns)
    count = len(edges["n0"])
    table = {name: np.array(column.words(), object) if isinstance(column, Coded) else column for name, column in edges.items()}
    typical = {name: column[0] for name, column in table.items()}
    assert typical["n0"] == np.median(columns["n0"])
    assert (typical["job"], typical["member"]) == ("unseen", 1.0)
    assert np.isnan(typical["gone"])

    def odd(name: str) -> np.ndarray:
        column, usual = table[name], typical[name]
        return np.array([not (value == usual or (value != value and usual != usual)) for value in column])

    for name in ("n0", "n1", "job", "member", "gone"):
        others = np.any([odd(other) for other in table if other != name], axis=0)
        assert (odd(name) & ~others).any(), name  # a row where it alone is odd
    everything_missing = np.all([np.isnan(table[name]) for name in ("n0", "n1", "member", "gone")], axis=0) & (table["job"] == None)  # noqa: E711
    assert everything_missing.any()
    alone = odd("n0") & ~odd("n1") & ~odd("job")
    values = table["n0"][alone]
    assert np.isnan(values).any()
    assert (values == 0).any()
    assert values[np.isfinite(values)].min() < columns["n0"].min() - 10
    assert values[np.isfinite(values)].max() > columns["n0"].max() + 10
    unseen = edges["job"].vocabulary[-1]
    assert unseen not in ("smith", "unseen")
    assert (table["job"][odd("job")] == unseen).any()
    assert count < 60


def test_edge_rows_of_many_columns_stay_few(rng: np.random.Generator):
    features, columns = features_and_columns(rng, 1000)
    edges = edge_rows(features, columns)
    assert len(edges) == 1003
    assert len(edges["n0"]) < 2000
    assert all(np.isnan(edges[f"n{i}"]).any() for i in range(1000))


def test_a_bundle_takes_its_edge_rows(tmp_path: Path):
    bundle = small.make(tmp_path / "b", "binary", "trees")
    edges = edge_rows(bundle.features, bundle.steps[0][1].apply(small.rows(50)))
    outputs = bundle.outputs_of(edges)
    assert np.isfinite(outputs).all()
    assert check(bundle, outputs, edges)["rows"] == len(outputs)
