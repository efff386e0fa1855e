from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from trainwright.errors import BundleError
from trainwright.runtime.columns import Coded
from trainwright.runtime.graph import run_steps
from trainwright.runtime.step import Step, parts
from trainwright.runtime.steps import (
    KINDS,
    Additive,
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
    Linear,
    Link,
    Numbers,
    Onehot,
    Onnx,
    Ranks,
    Scale,
    Text,
    Windows,
)
from trainwright.runtime.steps.dates import PARTS


def coded(words: list[str | None], vocabulary: list[str] | None = None) -> Coded:
    known = vocabulary if vocabulary is not None else sorted({word for word in words if word is not None})
    return Coded(np.array([known.index(word) if word is not None else -1 for word in words], np.int32), known)


def test_numbers_keep_gaps_and_stay_finite():
    made = Numbers(columns=("b", "a")).apply({"a": np.array([1.0, np.nan]), "b": np.array([1e300, -np.inf])})
    assert made.dtype == np.float32
    assert np.isfinite(made[:, 0]).all()
    assert made[0, 0] > 1e38
    assert made[1, 0] < -1e38
    np.testing.assert_array_equal(made[:, 1], np.array([1, np.nan], np.float32))
    assert Numbers(columns=()).apply({"a": np.zeros(3)}).shape == (3, 0)


def test_fill_closes_gaps_and_flags_them():
    step = Fill(columns=("a", "b"), values=np.array([5.0, 7.0]), shift=np.array([0.0, 1.0]), flagged=("c", "b"))
    made = step.apply({"a": np.array([1, np.nan]), "b": np.array([np.nan, 2.0]), "c": np.array([np.nan, 0.0])})
    np.testing.assert_array_equal(made, np.array([[1, 6, 1, 1], [5, 1, 0, 0]], np.float32))


def test_scale_is_affine():
    step = Scale(shift=np.array([1, 2], np.float32), factor=np.array([3, 0.5], np.float32))
    given = np.array([[1, 4], [2, 0]], np.float32)
    np.testing.assert_array_equal(step.apply(given), np.array([[0, 1], [3, -1]], np.float32))
    np.testing.assert_array_equal(given, np.array([[1, 4], [2, 0]], np.float32))  # inputs are left alone


def test_onehot_equals_scikit_learn_whatever_the_served_vocabulary(rng):
    words = rng.choice(["red", "green", "blue", "new"], 200).tolist()
    truth = OneHotEncoder(categories=[["blue", "red"]], handle_unknown="ignore", sparse_output=False).fit_transform(np.array(words)[:, None])
    step = Onehot(columns=("c",), vocabularies=(("blue", "red"),), other=(False,), missing=(False,))
    for vocabulary in (
        ["new", "blue", "red", "green"],
        ["red", "green", "new", "blue"],
        [str(n) for n in range(500)] + ["green", "red", "blue", "new"],
    ):
        np.testing.assert_array_equal(step.apply({"c": coded(words, vocabulary)}), truth)


def test_onehot_other_and_missing():
    words = ["a", "z", None, "b"]
    columns = {"c": coded(words), "d": coded(words), "e": coded(words), "f": coded(words)}
    step = Onehot(columns=("c", "d", "e", "f"), vocabularies=(("b", "a"),) * 4, other=(True, True, False, False), missing=(True, False, True, False))
    made = step.apply(columns)
    c, d, e, f = made[:, :4], made[:, 4:7], made[:, 7:10], made[:, 10:]
    np.testing.assert_array_equal(c, [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]])
    np.testing.assert_array_equal(d, [[0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(e, [[0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(f, [[0, 1], [0, 0], [0, 0], [1, 0]])
    for row, word in enumerate(words):  # one row at a time gives the same
        one = {name: coded([word], ["q", "b", "z", "a"]) for name in columns}
        np.testing.assert_array_equal(step.apply(one)[0], made[row])


def test_codes_and_ranks():
    words = ["b", None, "a", "z"]
    codes = Codes(columns=("c", "d"), vocabularies=(("a", "b"), ("a", "b")), missing=(True, False)).apply({"c": coded(words), "d": coded(words)})
    np.testing.assert_array_equal(codes, np.array([[1, 1], [3, np.nan], [0, 0], [2, 2]], np.float32))
    ranks = Ranks(columns=("c",), vocabularies=(("b", "a"),), unseen=np.array([9.0]), missing=np.array([np.nan]), flagged=("c",))
    np.testing.assert_array_equal(ranks.apply({"c": coded(words, ["z", "a", "b"])}), np.array([[0, 0], [np.nan, 1], [1, 0], [9, 0]], np.float32))


def test_dates_equal_the_standard_library(rng):
    seconds = np.append(np.floor(rng.uniform(-3e9, 5e9, 300)), np.nan)
    width = len(PARTS)
    values = np.full(width, np.nan)
    step = Dates(columns=("t",), parts=(PARTS,), reference=np.array([1e9]), unit=np.array([2e8]), values=values, flagged=("t",))
    made = step.apply({"t": seconds})
    for row, second in enumerate(seconds[:-1].tolist()):
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second)
        day = (moment.timetuple().tm_yday - 1) * 2 * np.pi / 365.2425
        hour = moment.hour + moment.minute / 60 + moment.second / 3600
        truth = [(second - 1e9) / 2e8, moment.year, moment.month, moment.weekday(), hour, np.sin(day), np.cos(day), 0]
        np.testing.assert_allclose(made[row], truth, rtol=1e-5, atol=1e-5)
    assert np.isnan(made[-1, :width]).all()
    assert made[-1, width] == 1
    filled = Dates(columns=("t",), parts=(("month", "elapsed"),), reference=np.zeros(1), unit=np.ones(1), values=np.array([6.0, 3.0]))
    np.testing.assert_array_equal(filled.apply({"t": np.array([np.nan, 86400.0])}), [[6, 3], [1, 86400]])
    assert np.isfinite(filled.apply({"t": np.array([1e300, -1e300])})).all()


def test_linear_in_chunks_and_links(rng):
    weights, offset = rng.normal(size=(3, 2)), rng.normal(size=2)
    matrix = rng.normal(size=(50, 3)).astype(np.float32)
    step = Linear(weights=weights, offset=offset)
    truth = np.array([[sum(float(row[j]) * weights[j, k] for j in range(3)) + offset[k] for k in range(2)] for row in matrix])
    np.testing.assert_allclose(step.apply(matrix), truth, atol=1e-12)
    from trainwright.runtime.steps import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHUNK", 21)
        np.testing.assert_allclose(step.apply(matrix), truth, atol=1e-12)
    scores = np.array([[0.3], [-800.0], [800.0]])
    np.testing.assert_allclose(
        Link(name="logistic").apply(scores), [[1 - 1 / (1 + np.exp(-0.3)), 1 / (1 + np.exp(-0.3))], [1, 0], [0, 1]], atol=1e-15
    )
    soft = Link(name="softmax").apply(np.array([[1000.0, 1000.0, -1000.0], [0, np.log(2), np.log(3)]]))
    np.testing.assert_allclose(soft, [[0.5, 0.5, 0], [1 / 6, 2 / 6, 3 / 6]], atol=1e-15)
    np.testing.assert_allclose(Link(name="normalise").apply(np.array([[1.0, 3.0], [0.0, -1.0]])), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(Link(name="complement").apply(np.array([[0.2], [1.0000001]])), [[0.8, 0.2], [0, 1]])
    np.testing.assert_allclose(Link(name="exp").apply(np.array([[0.0], [1e6]])), [[1], [np.exp(700.0)]])
    assert Link(name="identity").apply(np.ones((1, 1), np.float32)).dtype == np.float64


def test_constant_combine_concat_decide():
    constant = Constant(values=np.array([0.25, 0.75]))
    np.testing.assert_array_equal(constant.apply({"a": np.zeros(2)}), [[0.25, 0.75]] * 2)
    np.testing.assert_array_equal(constant.apply(np.zeros((1, 0))), [[0.25, 0.75]])
    mean = Combine(weights=np.array([1.0, 3.0])).apply(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(mean, [[0.75, 0.25]])
    odds = Calibrate(slope=2.0, bias=np.array([0.0, np.log(3.0)])).apply(np.array([[0.8, 0.2], [1.0, 0.0]]))
    np.testing.assert_allclose(odds[0], [16 / 19, 3 / 19])  # odds of 4 to 1, squared, then shifted by three
    assert 0 < odds[1, 1] < 1e-11  # what was said to be impossible is not quite
    np.testing.assert_array_equal(Concat(widths=(1, 2)).apply(np.ones((2, 1)), np.zeros((2, 2))), [[1, 0, 0]] * 2)
    p = np.array([[0.5, 0.5], [0.7, 0.3], [0.2, 0.8]])
    assert Decide(classes=("no", "yes")).apply(p).tolist() == ["no", "no", "yes"]
    assert Decide(classes=("no", "yes"), threshold=0.3).apply(p).tolist() == ["yes", "yes", "yes"]
    assert Decide(classes=("a", "b", "c")).apply(np.array([[0.1, 0.2, 0.7]])).tolist() == ["c"]


def test_onnx_step(rng):
    from trainwright.learners.graphs import LEAF, LEQ, Nodes, tree_graph

    zeros = np.zeros(3, np.int64)
    stump = Nodes(
        mode=np.array([LEQ, LEAF, LEAF], np.int8), feature=zeros, threshold=np.array([0.5, 0, 0], np.float32), yes=np.array([1, 0, 0]),
        no=np.array([2, 0, 0]),
        gap=np.array([True, False, False]), leaf=np.array([1, 2]), output=np.array([0, 0]), weight=np.array([-1.0, 2.0]),
    )  # fmt: skip
    step = Onnx(graph=tree_graph([stump], features=1, outputs=1), features=1, outputs=1)
    np.testing.assert_array_equal(
        step.apply(np.array([[0.5], [np.nextafter(np.float32(0.5), np.float32(1))], [np.nan]], np.float32)), [[-1], [2], [-1]]
    )
    assert step.apply(np.empty((0, 1), np.float32)).shape == (0, 1)
    with pytest.raises(ValueError, match="number of features"):
        step.apply(np.zeros((1, 2), np.float32))
    with pytest.raises(BundleError, match="TW054"):
        Onnx(graph=b"no graph at all", features=1, outputs=1).apply(np.zeros((1, 1), np.float32))


ADDITIVE = Additive(
    binned=np.array([[0, 0, 2], [1, 1, 3]]),  # by two cuts: four bins; by three codes: five
    edges=np.array([0.5, 2.0, 1.0, 4.0, 7.0]),
    terms=np.array([[0, -1], [0, 1]]),
    scores=np.arange(4 + 4 * 5, dtype=np.float64)[:, None] * [1.0, 10.0],
    offset=np.array([0.25, 0.5]),
)
EXAMPLES: list[Step] = [
    Numbers(columns=("a", "b"), shift=np.array([0.0, 1e9])),
    Fill(columns=("a",), values=np.array([1.5]), flagged=("b",)),
    Scale(shift=np.zeros(2, np.float32), factor=np.ones(2, np.float32)),
    Onehot(columns=("c",), vocabularies=(("x", "y"),), other=(True,), missing=(False,)),
    Codes(columns=("c",), vocabularies=(("x", "y"),), missing=(True,)),
    Ranks(columns=("c",), vocabularies=(("x", "y"),), unseen=np.array([2.0]), missing=np.array([np.nan])),
    Dates(columns=("a",), parts=(("year", "hour"),), reference=np.zeros(1), unit=np.ones(1), values=np.array([np.nan, 1.0])),
    Concat(widths=(2, 3)),
    Linear(weights=np.ones((2, 1)), offset=np.zeros(1)),
    Onnx(graph=b"x", features=1, outputs=1),
    Link(name="softmax"),
    Constant(values=np.ones(1)),
    Combine(weights=np.ones(2)),
    Calibrate(slope=1.5, bias=np.array([0.25, -0.25])),
    ADDITIVE,
    Decide(classes=("n", "y"), threshold=0.25),
    # What these compute is tested in tests/features and test_windows_step.py.
    Encode(columns=("c",), vocabularies=(("x", "y"),), values=np.zeros((4, 2), np.float32)),
    Text(column="c", unit="words", longest=1, terms=("x",), buckets=0, idf=np.ones(1, np.float32), directions=np.ones((1, 2), np.float32)),
    Clip(columns=("a",), low=np.array([0.0]), high=np.array([1.0])),
    Bins(columns=("a",), counts=(2,), edges=np.array([1.0, 2.0]), indicators=True, missing=(False,)),
    Interact(products=(("a", "b"),), centres=np.zeros((1, 2)), crosses=(("c", "d"),)),
    Windows(
        key="c", time="a", of="", over=np.array([1.0]), what=("count",), names=("n",), keys=("x",), key_codes=np.zeros(1, np.int32), times=np.ones(1)
    ),
]


def test_a_sum_of_tables_looks_up_bins_and_pairs():
    """By hand: the bins of 0.5 (on a cut: above it) and of the second code, of a value beyond all cuts and a code not listed, and of gaps."""
    rows = np.array([[0.5, 4.0], [9.0, 5.0], [np.nan, np.nan]], np.float32)
    one, pair = np.array([2, 3, 0]), np.array([2 * 5 + 2, 3 * 5 + 4, 0])
    np.testing.assert_array_equal(ADDITIVE.apply(rows)[:, 0], 0.25 + one + 4 + pair)
    np.testing.assert_array_equal(ADDITIVE.apply(rows)[:, 1], 0.5 + 10.0 * (one + 4 + pair))
    with pytest.raises(ValueError, match="fewer features"):
        ADDITIVE.apply(rows[:, :1])


def test_every_kind_has_an_example():
    assert {example.kind for example in EXAMPLES} == set(KINDS) - {"typed", "kernel", "nearest", "bayes"}  # which have tests of their own


@pytest.mark.parametrize("step", EXAMPLES, ids=lambda step: step.kind)
def test_saved_and_loaded_is_the_same(step):
    settings, arrays, graphs = parts(step)
    again = KINDS[step.kind].from_parts(json.loads(json.dumps(settings)), arrays, graphs)
    for name, value in vars(step).items():
        np.testing.assert_equal(getattr(again, name), value)
    with pytest.raises(TypeError):
        KINDS[step.kind].from_parts({**settings, "surprise": 1}, arrays, graphs)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("numbers", {"columns": ("a", "a")}),
    ("numbers", {"columns": "ab"}),
    ("numbers", {"columns": (1,)}),
    ("numbers", {"columns": ("",)}),
    ("numbers", {"shift": np.array([0.0, np.nan])}),
    ("numbers", {"shift": np.zeros(3)}),
    ("fill", {"shift": np.array([1e39])}),
    ("fill", {"values": np.array([np.nan])}),
    ("fill", {"values": np.array([1.0, 2.0])}),
    ("fill", {"values": np.array([1e39])}),
    ("fill", {"values": np.array([1], np.int64)}),
    ("fill", {"flagged": ("b", "b")}),
    ("scale", {"factor": np.ones(3, np.float32)}),
    ("scale", {"shift": np.array([np.inf, 0], np.float32)}),
    ("onehot", {"vocabularies": (("x", "x"),)}),
    ("onehot", {"vocabularies": ()}),
    ("onehot", {"other": (1,)}),
    ("onehot", {"missing": (True, False)}),
    ("codes", {"missing": ()}),
    ("codes", {"vocabularies": ((1, 2),)}),
    ("ranks", {"unseen": np.array([np.inf])}),
    ("ranks", {"missing": np.zeros(2)}),
    ("dates", {"parts": (("year", "century"),)}),
    ("dates", {"parts": ((),)}),
    ("dates", {"unit": np.zeros(1)}),
    ("dates", {"values": np.zeros(1)}),
    ("concat", {"widths": ()}),
    ("concat", {"widths": (-1,)}),
    ("concat", {"widths": (True,)}),
    ("linear", {"weights": np.ones((2, 2))}),
    ("linear", {"weights": np.ones((2, 1)), "offset": np.ones((1, 1))}),
    ("linear", {"weights": np.ones((2, 0)), "offset": np.ones(0)}),
    ("linear", {"offset": np.array([np.nan])}),
    ("onnx", {"graph": b""}),
    ("onnx", {"features": 0}),
    ("onnx", {"outputs": 1.0}),
    ("link", {"name": "probit"}),
    ("link", {"name": ["softmax"]}),
    ("constant", {"values": np.ones(0)}),
    ("combine", {"weights": np.array([1.0, -1.0])}),
    ("combine", {"weights": np.zeros(2)}),
    ("combine", {"weights": np.array([1e308, 1e308])}),
    ("calibrate", {"bias": np.zeros(1)}),
    ("calibrate", {"bias": np.array([0.0, np.nan])}),
    ("calibrate", {"bias": np.array([0.0, 1e300])}),
    ("calibrate", {"slope": 0.0}),
    ("calibrate", {"slope": float("inf")}),
    ("calibrate", {"slope": True}),
    ("calibrate", {"slope": "1"}),
    ("additive", {"edges": np.array([2.0, 0.5, 1.0, 4.0, 7.0])}),
    ("additive", {"edges": np.array([0.5, 2.0, 1.0])}),
    ("additive", {"edges": np.array([0.5, np.nan, 1.0, 4.0, 7.0])}),
    ("additive", {"binned": np.array([[0, 0, 2], [-1, 1, 3]])}),
    ("additive", {"binned": np.array([[0, 2, 2], [1, 1, 3]])}),
    ("additive", {"binned": np.array([[0, 0, -2], [1, 1, 7]])}),
    ("additive", {"binned": np.array([[0, 0, 30_000], [1, 1, 3]])}),
    ("additive", {"terms": np.array([[0, -1], [0, 2]])}),
    ("additive", {"terms": np.array([[-1, -1], [0, 1]])}),
    ("additive", {"terms": np.array([[0, -2], [0, 1]])}),
    ("additive", {"scores": np.zeros((23, 2))}),
    ("additive", {"scores": np.zeros((24, 1))}),
    ("additive", {"offset": np.empty(0), "scores": np.empty((24, 0))}),
    ("decide", {"classes": ("one",)}),
    ("decide", {"classes": ("a", "b", "c")}),
    ("decide", {"threshold": 2.0}),
    ("decide", {"threshold": float("nan")}),
    ("decide", {"threshold": "0.5"}),
]


@pytest.mark.parametrize(("kind", "change"), WRONG, ids=lambda value: value if isinstance(value, str) else ",".join(value))
def test_impossible_fields_are_refused(kind, change):
    settings, arrays, graphs = parts(next(example for example in EXAMPLES if example.kind == kind))
    fields = {**{name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}, **arrays, **graphs}
    if kind in ("onehot", "codes", "ranks", "dates"):
        fields |= {name: tuple(tuple(item) if isinstance(item, list) else item for item in v) for name, v in fields.items() if isinstance(v, tuple)}
    with pytest.raises(BundleError) as error:
        KINDS[kind](**{**fields, **change})
    assert error.value.code == "TW054"


def test_steps_that_do_not_belong_together_are_our_error():
    numbers = Numbers(columns=("a",), shift=np.zeros(1))
    for given in ({}, {"typed": {"b": np.zeros(1)}}, {"typed": {"a": coded(["x", "y"])}}, {"typed": np.zeros((1, 1))}):
        with pytest.raises(BundleError, match="TW056"):
            run_steps((("n", numbers, ("typed",)),), given)
    with pytest.raises(BundleError, match="TW056"):
        run_steps((("l", Linear(weights=np.ones((2, 1)), offset=np.zeros(1)), ("x",)),), {"x": np.zeros((1, 3), np.float32)})


def test_run_steps_gives_everything_by_name():
    made = run_steps(
        (
            ("n", Numbers(columns=("a",), shift=np.zeros(1)), ("typed",)),
            ("both", Concat(widths=(1, 1)), ("n", "n")),
            ("s", Linear(weights=np.ones((2, 1)), offset=np.ones(1)), ("both",)),
        ),
        {"typed": {"a": np.array([2.0])}},
    )
    assert made["s"].tolist() == [[5.0]]
    assert set(made) == {"typed", "n", "both", "s"}
