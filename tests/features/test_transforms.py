"""Every transform in the folder goes through one list of promises; then each is compared with a truth found by another road."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import KBinsDiscretizer, PolynomialFeatures, TargetEncoder

import trainwright.features as folder
from trainwright.errors import BundleError
from trainwright.features import target_encoding, text
from trainwright.features.recipe import APPLIES, apply, fit_recipe
from trainwright.plan.transforms import Binning, Clipping, Entry, Interactions, ShortText, TargetEncoding
from trainwright.runtime.columns import Coded, take_all
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.step import parts
from trainwright.runtime.steps import KINDS

WORDS = ["alpha", "beta", "gamma", "delta", "one", "two", "three", "never", "again", "free", "money", "call", "now", "later", "please", "thanks"]
SCHEMAS = (
    ColumnSchema(name="age", kind="number"),
    ColumnSchema(name="pay", kind="number"),
    ColumnSchema(name="paid", kind="yesno"),
    ColumnSchema(name="when", kind="datetime"),
    ColumnSchema(name="size", kind="ordered", order=("small", "large")),
    ColumnSchema(name="town", kind="category"),
    ColumnSchema(name="shop", kind="category"),
    ColumnSchema(name="note", kind="text"),
)
# Each file of the folder that is a transform: a recipe that uses it, and what the plan says to have it.
OWN: dict[str, tuple[str, Entry | None]] = {
    "numbers": ("coded", None),
    "yesno": ("filled", None),
    "dates": ("filled", None),
    "ordered": ("filled", None),
    "categories": ("coded", None),
    "scale": ("scaled", None),
    "target_encoding": ("coded", TargetEncoding()),
    "text": ("coded", ShortText.model_validate({})),
    "clipping": ("scaled", Clipping.model_validate({})),
    "binning": ("scaled", Binning.model_validate({})),
    "interactions": ("filled", Interactions.model_validate({})),
}
OTHERS = {"__init__", "feature", "recipe", "transform"}
CASES = [
    pytest.param(reads, entry, classes, id=f"{entry.do if entry else 'plain'}-{reads}-{number}-{classes}")
    for number, entry in enumerate(
        [
            None,
            TargetEncoding(),
            *(ShortText.model_validate(more) for more in ({}, {"unit": "characters", "directions": 3}, {"longest": 2}, {"buckets": 64})),
            Clipping.model_validate({"low": 0.05}),
            *(Binning.model_validate({"indicators": flag, "bins": 4}) for flag in (True, False)),
            Interactions.model_validate({}),
        ]
    )
    for reads in (APPLIES[entry.do] if entry else ("scaled", "filled", "coded"))
    for classes in ((0, 2, 3) if isinstance(entry, TargetEncoding) else (2,))
]


@pytest.fixture
def table(rng: np.random.Generator) -> dict[str, object]:
    rows = 400
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(rows)]
    codes = np.arange(rows, dtype=np.int32)
    codes[::9] = -1
    town = rng.integers(0, 30, rows).astype(np.int32)
    town[::11] = -1
    age = rng.normal(40, 9, rows)
    age[::7] = np.nan
    return {
        "age": age,
        "pay": rng.lognormal(size=rows),
        "paid": (rng.random(rows) < 0.3).astype(float),
        "when": 1.6e9 + rng.uniform(0, 3e7, rows),
        "size": Coded(rng.integers(-1, 2, rows).astype(np.int32), ["large", "small"]),
        "town": Coded(town, [f"town {n}" for n in range(30)]),
        "shop": Coded(rng.integers(0, 3, rows).astype(np.int32), ["a", "b", "a × b"]),
        "note": Coded(codes, texts),
    }


def target(rng: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    return rng.integers(0, classes, rows).astype(float) if classes else rng.normal(size=rows)


def fitted(reads: str, entry: Entry | None, columns: dict[str, object], y: np.ndarray, classes: int, seed: int = 5):
    return fit_recipe(reads, SCHEMAS, columns, y, np.random.default_rng(seed), classes=classes, transforms=(entry,) if entry else ())


def test_every_file_of_the_folder_is_covered() -> None:
    files = {path.stem for path in Path(folder.__file__).parent.glob("*.py")}
    assert files == set(OWN) | OTHERS
    tried = {case.values[1].do for case in CASES if case.values[1]}
    assert tried == set(APPLIES) - {"windows"}  # which is no transform of a fold, but columns of the data set
    assert {entry.do for _, entry in OWN.values() if entry} == tried


@pytest.mark.parametrize(("reads", "entry", "classes"), CASES)
def test_promises(reads: str, entry: Entry | None, classes: int, table: dict[str, object], rng: np.random.Generator) -> None:
    rows = len(table["age"])
    y = target(rng, rows, classes)
    made = fitted(reads, entry, table, y, classes)
    # The same seed gives the same bytes.
    again = fitted(reads, entry, table, y, classes)
    np.testing.assert_array_equal(made.matrix, again.matrix)
    assert made.features == again.features
    assert made.matrix.shape == (rows, len(made.features))
    assert made.matrix.dtype == np.float32
    assert len({feature.name for feature in made.features}) == len(made.features)
    # What was trained on is what the steps make, except for out-of-fold encoders.
    served = apply(made.steps, table)
    encoded = np.array([feature.name.startswith("town:") or feature.name.startswith("shop:") for feature in made.features])
    np.testing.assert_array_equal(served[:, ~encoded], made.matrix[:, ~encoded])
    assert encoded.any() == isinstance(entry, TargetEncoding)
    if isinstance(entry, TargetEncoding):
        assert not np.array_equal(served[:, encoded], made.matrix[:, encoded])
    # Saved and loaded, and one row at a time, the same to the last bit.
    loaded = [(name, KINDS[step.kind].from_parts(*parts(step)), inputs) for name, step, inputs in made.steps]
    np.testing.assert_array_equal(apply(loaded, table), served)
    for row in (0, 7, 9, 11):
        np.testing.assert_array_equal(apply(loaded, take_all(table, np.array([row])))[0], served[row])
    # Unseen, missing and extreme rows are finite (where gaps are not kept).
    for odd in odd_rows(table):
        answer = apply(made.steps, odd)
        assert answer.shape == (2, len(made.features))
        assert not np.isinf(answer).any()
        assert reads == "coded" or np.isfinite(answer).all()
    # What other rows hold changes nothing.
    some = take_all(table, np.arange(0, rows, 2))
    first = fitted(reads, entry, some, y[::2], classes)
    wider = {name: Coded(c.codes, [*c.vocabulary, "elsewhere"]) if isinstance(c, Coded) else c for name, c in some.items()}
    np.testing.assert_array_equal(first.matrix, fitted(reads, entry, wider, y[::2], classes).matrix)


def odd_rows(table: dict[str, object]) -> list[dict[str, object]]:
    missing = {name: Coded(np.full(2, -1, np.int32), []) if isinstance(c, Coded) else np.full(2, np.nan) for name, c in table.items()}
    unseen = {
        name: Coded(np.zeros(2, np.int32), ["\ud800 ?!" * 6000]) if isinstance(c, Coded) else np.array([1e305, -1e305]) for name, c in table.items()
    }
    return [missing, unseen]


def test_target_encoding_equals_scikit_learn(rng: np.random.Generator) -> None:
    rows = 900
    words = np.array([f"w{n}" for n in rng.integers(0, 12, rows)])
    names = sorted(set(words))
    columns = {"town": Coded(np.searchsorted(names, words).astype(np.int32), names)}
    schema = (ColumnSchema(name="town", kind="category"),)
    for classes, kind in ((0, "continuous"), (2, "binary"), (4, "multiclass")):
        y = target(rng, rows, classes)
        truth = TargetEncoder(target_type=kind, smooth="auto").fit(words[:, None], y.astype(int) if classes else y).transform(words[:, None])
        made = target_encoding.fit(columns, schema, y, rng, classes=classes)
        np.testing.assert_allclose(made.step.apply(columns), truth, rtol=1e-6)


def test_target_encoding_is_made_out_of_fold(rng: np.random.Generator) -> None:
    """Where each word is one group with its own coin, rows of the group must not tell each other's target."""
    group = np.repeat(np.arange(60), 20)
    y = rng.integers(0, 2, 60)[group].astype(float)
    columns = {"town": Coded(group.astype(np.int32), [f"g{n}" for n in range(60)])}
    schema = (ColumnSchema(name="town", kind="category"),)
    split = target_encoding.fit(columns, schema, y, rng, classes=2)
    assert np.corrcoef(split.matrix[:, 0], y)[0, 1] > 0.9
    whole = target_encoding.fit(columns, schema, y, rng, classes=2, unit=group)
    assert abs(np.corrcoef(whole.matrix[:, 0], y)[0, 1]) < 0.3
    assert np.corrcoef(whole.step.apply(columns)[:, 0], y)[0, 1] > 0.9


def test_target_encoding_counts_rows_by_their_weights(rng: np.random.Generator) -> None:
    """By the formula, row by row; rows that all count the same, whatever, are what rows without weights are."""
    code = rng.integers(0, 4, 400).astype(np.int32)
    columns, schema = {"town": Coded(code, list("abcd"))}, (ColumnSchema(name="town", kind="category"),)
    y, weight = rng.normal(code, 1.0 + code), np.where(rng.random(400) < 0.2, 0.0, rng.uniform(0.1, 5.0, 400))
    made = target_encoding.fit(columns, schema, y, rng, weight=weight)
    overall = np.average(y, weights=weight)
    total = np.average((y - overall) ** 2, weights=weight)
    for word in range(4):
        own, counts = y[code == word], weight[code == word]
        mean = np.average(own, weights=counts)
        within, n = np.average((own - mean) ** 2, weights=counts), counts.sum() ** 2 / (counts**2).sum()
        share = n * total / (n * total + within)
        served = made.step.apply({"town": Coded(np.zeros(1, np.int32), ["abcd"[word]])})
        assert served[0, 0] == pytest.approx(share * mean + (1 - share) * overall, rel=1e-6)
    plain = target_encoding.fit(columns, schema, y, np.random.default_rng(0))
    threes = target_encoding.fit(columns, schema, y, np.random.default_rng(0), weight=np.full(400, 3.0))
    np.testing.assert_allclose(threes.matrix, plain.matrix, rtol=1e-6)
    np.testing.assert_allclose(threes.step.values, plain.step.values, rtol=1e-6)


@pytest.mark.parametrize("reads", ["scaled", "filled", "coded"])
def test_recipes_hand_weights_to_what_averages_the_target(reads: str, rng: np.random.Generator) -> None:
    code = rng.integers(0, 4, 400).astype(np.int32)
    columns, schema, y = {"town": Coded(code, list("abcd"))}, (ColumnSchema(name="town", kind="category"),), rng.normal(code, 1.0)
    weight = rng.uniform(0.1, 5.0, 400)
    made = fit_recipe(reads, schema, columns, y, rng, weight=weight, transforms=(TargetEncoding(),))
    (step,) = [step for _, step, _ in made.steps if step.kind == "encode"]
    np.testing.assert_array_equal(step.values, target_encoding.fit(columns, schema, y, rng, weight=weight).step.values)


def test_rare_unseen_and_missing_words_have_their_own_averages(rng: np.random.Generator) -> None:
    codes = np.repeat([0, 1, 2, 3, -1], [40, 40, 9, 9, 40]).astype(np.int32)
    y = np.repeat([0.0, 0.0, 1.0, 1.0, 1.0], [40, 40, 9, 9, 40])
    made = target_encoding.fit({"c": Coded(codes, list("abcd"))}, (ColumnSchema(name="c", kind="category"),), y, rng, classes=2)
    served = made.step.apply({"c": Coded(np.array([0, 1, 2, -1], np.int32), ["a", "c", "new"])})[:, 0]
    assert served[0] < 0.01
    assert served[1] > 0.99  # a rare word
    assert served[2] == served[1]
    assert served[3] > 0.99


def test_text_equals_scikit_learn(rng: np.random.Generator) -> None:
    texts = [" ".join(rng.choice(WORDS + [f"rare{n}" for n in range(200)], 8)) for _ in range(300)]
    columns = {"note": Coded(np.arange(300, dtype=np.int32), texts)}
    schema = (ColumnSchema(name="note", kind="text"),)
    for longest in (1, 2):
        truth = TfidfVectorizer(min_df=10, sublinear_tf=True, ngram_range=(1, longest), token_pattern=r"\w+").fit(texts)
        made = text.fit(columns, schema, None, rng, longest=longest)
        order = [truth.vocabulary_[term] for term in made.step.terms]
        assert set(made.step.terms) == set(truth.vocabulary_)
        np.testing.assert_allclose(made.matrix / text.SPREAD, truth.transform(texts).toarray()[:, order], atol=1e-6)
    matrix = truth.transform(texts).toarray()
    reduced = text.fit(columns, schema, None, rng, longest=2, directions=5)
    values = np.linalg.svd(matrix, compute_uv=False)[:5]
    np.testing.assert_allclose(np.linalg.norm(reduced.matrix, axis=0), values, rtol=0.02)  # texts of noise: their spectrum is flat


def test_text_is_told_apart_as_people_do() -> None:
    from trainwright.runtime.steps.text import tokens

    assert tokens("Don't PAY £5, straße ﬁne!", "words", 1) == ["don't", "pay", "£", "5", ",", "strasse", "fine", "!"]
    assert tokens("a b c", "words", 3) == ["a", "b", "c", "a b", "b c", "a b c"]
    assert tokens("ab", "characters", 1) == [" ab", "ab ", " ab "]
    assert tokens("", "words", 2) == []


def test_bins_equal_scikit_learn(rng: np.random.Generator) -> None:
    values = rng.lognormal(size=500)
    from trainwright.features import binning

    made = binning.fit({"x": values}, (ColumnSchema(name="x", kind="number"),), None, rng, bins=8)
    truth = KBinsDiscretizer(8, encode="onehot-dense", strategy="quantile", quantile_method="inverted_cdf").fit_transform(values[:, None])
    np.testing.assert_array_equal(made.matrix, truth)
    few = binning.fit({"x": np.repeat([0.0, 1, 2], [300, 100, 100])}, (ColumnSchema(name="x", kind="number"),), None, rng, bins=10)
    np.testing.assert_array_equal(few.matrix.sum(axis=0), [300, 100, 100])


def test_clipping_and_products_equal_numpy_and_scikit_learn(table: dict[str, object], rng: np.random.Generator) -> None:
    from trainwright.features import clipping, interactions

    step = clipping.fit(table, SCHEMAS[:2], low=0.1, high=0.8)
    for name in ("age", "pay"):
        limits = np.nanquantile(table[name], [0.1, 0.8])
        np.testing.assert_allclose(step.apply(table)[name], np.clip(table[name], *limits))
    paired, schemas = interactions.fit(table, SCHEMAS)
    centred = np.stack([table[name] - np.nanmedian(table[name]) for name in ("age", "pay")], axis=1)
    truth = PolynomialFeatures(2, interaction_only=True, include_bias=False).fit_transform(np.nan_to_num(centred))[:, 2]
    known = ~np.isnan(table["age"])
    np.testing.assert_allclose(paired.apply(table)["age × pay"][known], truth[known])
    assert np.isnan(paired.apply(table)["age × pay"][~known]).all()
    crossed = paired.apply(table)["town × shop"]
    expected = [None if t is None else (t, s) for t, s in zip(table["town"].words(), table["shop"].words(), strict=True)]
    both = crossed.words()
    assert [word is None for word in both] == [pair is None for pair in expected]
    assert len(set(both)) == len(set(expected))
    assert [schema.name for schema in schemas] == ["age × pay", "town × shop"]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("encode", {"values": np.zeros((3, 1), np.float32)}),
        ("text", {"buckets": 5}),
        ("text", {"idf": np.zeros(2, np.float32)}),
        ("clip", {"low": np.array([2.0]), "high": np.array([1.0])}),
        ("bins", {"edges": np.array([2.0, 1.0])}),
        ("interact", {"products": (("a",),)}),
    ],
)
def test_impossible_fields_are_refused(kind: str, wrong: dict[str, object]) -> None:
    sound: dict[str, dict[str, object]] = {
        "encode": {"columns": ("a",), "vocabularies": (("x", "y"),), "values": np.zeros((4, 1), np.float32)},
        "text": {
            "column": "a", "unit": "words", "longest": 1, "terms": ("x",), "buckets": 0, "idf": np.ones(1, np.float32),
            "directions": np.empty((0, 0), np.float32),
        },
        "clip": {"columns": ("a",), "low": np.array([0.0]), "high": np.array([1.0])},
        "bins": {"columns": ("a",), "counts": (2,), "edges": np.array([1.0, 2.0]), "indicators": True, "missing": (False,)},
        "interact": {"products": (("a", "b"),), "centres": np.zeros((1, 2)), "crosses": ()},
    }  # fmt: skip
    KINDS[kind](**sound[kind])
    with pytest.raises(BundleError, match="TW054"):
        KINDS[kind](**(sound[kind] | wrong))
