"""Charts: scales, ticks and positions against arithmetic done here by hand; every picture parsed as XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.report import charts, curves, numbers, svg
from trainwright.report.charts import Bin, Estimate, Spread

FINITE = st.floats(-1e9, 1e9, allow_nan=False)


def drawn(picture: str) -> ET.Element:
    return ET.fromstring(picture)


def of(root: ET.Element, tag: str, kind: str) -> list[ET.Element]:
    return [e for e in root.iter(tag) if kind in (e.get("class") or "").split()]


@given(FINITE, st.floats(1e-6, 1e9))
def test_ticks_are_round_few_and_inside(low: float, width: float) -> None:
    high = low + width
    if not high > low or width / max(abs(low), abs(high)) < 1e-9:
        return
    at = svg.ticks(low, high)
    step = at[1] - at[0] if len(at) > 1 else None
    assert 1 <= len(at) <= 6
    assert all(low - 1e-9 * abs(low) - width * 1e-6 <= t <= high + 1e-9 * abs(high) + width * 1e-6 for t in at)
    if step is not None:
        assert any(np.isclose(step / 10.0 ** np.floor(np.log10(step) + 1e-6), nice, rtol=1e-3) for nice in (1, 2, 2.5, 5, 10))


def test_tick_labels_share_their_decimals() -> None:
    assert svg.tick_labels([0.0, 0.25, 0.5]) == ["0.00", "0.25", "0.50"]
    assert svg.tick_labels([-50.0, 0.0, 50.0]) == ["−50", "0", "50"]


def test_forest_puts_values_where_they_are() -> None:
    rows = [Estimate("far", 0.4, 0.3, 0.5, "said", main=True), Estimate("near", 0.1, 0.0, 0.2), Estimate("unknown", None)]
    root = drawn(charts.forest("f", "t", rows, axis_title="gain", reference=0.0, reference_label="none"))
    bars = [e for e in of(root, "line", "span") if e.get("y1") == e.get("y2")]
    (a1, a2), (b1, b2) = ((float(e.get("x1", 0)), float(e.get("x2", 0))) for e in bars)
    assert (a2 - a1) == pytest.approx(b2 - b1, abs=0.3)  # both are 0.2 wide
    assert (a1 - b2) == pytest.approx((a2 - a1) / 2, abs=0.3)  # the gap from 0.2 to 0.3
    assert float(of(root, "line", "reference")[0].get("x1", 0)) == pytest.approx(b1, abs=0.1)  # 0 is the end of the second interval
    assert "not measured" in "".join(root.itertext())


def test_strip_marks_what_is_off_the_scale() -> None:
    assert of(drawn(charts.strip(Estimate("", 5.0), 0.0, 1.0)), "path", "arrow")
    assert not of(drawn(charts.strip(Estimate("", 0.5), 0.0, 1.0)), "path", "arrow")


def test_common_scale_leaves_out_the_far_baseline_alone() -> None:
    low, high = charts.spread([0.93, 0.92, 0.91, 0.90, 0.5], [0.93, 0.92, 0.94])
    assert 0.5 < low < 0.90
    assert high >= 0.94


def test_curve_is_thinned_but_keeps_its_ends() -> None:
    points = [(i / 9999, (i / 9999) ** 0.5) for i in range(10_000)]
    kept = charts.thinned(points)
    assert len(kept) == charts.POINTS
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]


def test_roc_title_is_the_highest_reachable_point() -> None:
    points = [[0.0, 0.0], [0.05, 0.6], [0.1, 0.7], [0.11, 0.9], [1.0, 1.0]]
    made = curves.roc({"points": points, "at": [0.05, 0.6]}, "“yes”")
    assert made is not None
    assert made.title == "At a false-alarm rate of 10\xa0%, it finds 70\xa0% of “yes”"


def test_precision_title_is_the_best_precision_that_finds_enough() -> None:
    points = [[0.5, 0.9], [0.79, 0.85], [0.81, 0.62], [0.9, 0.7], [1.0, 0.3]]
    made = curves.precision_recall({"points": points, "at": None, "chance": 0.3}, "“yes”")
    assert made is not None
    assert "80\xa0% of “yes” are to be found, 70\xa0% of the alarms are right" in made.title


def test_calibration_counts_the_groups_that_agree() -> None:
    good = [{"said": p, "came": p + 0.02, "rows": 50, "low": p - 0.05, "high": p + 0.07} for p in (0.1, 0.3, 0.5, 0.7)]
    bad = [{"said": 0.9, "came": 0.6, "rows": 50, "low": 0.5, "high": 0.7}, {"said": 0.8, "came": 0.6, "rows": 50, "low": 0.5, "high": 0.7}]
    assert curves.calibration({"of": "yes", "bins": good}).title.startswith("Its probabilities hold: in 4 of 4 groups")  # type: ignore[union-attr]
    assert (
        "off in 2 of 6 groups: where it says 90\xa0%, which is too high, 60\xa0% came true"
        in curves.calibration({"of": "yes", "bins": good + bad}).title
    )  # type: ignore[union-attr]


def test_confusion_names_the_most_frequent_mistake() -> None:
    made = curves.confusion({"classes": ["a", "b", "c"], "counts": [[50, 3, 0], [7, 40, 0], [0, 0, 100]]})
    assert made is not None
    assert made.title == "95.0\xa0% of 200 rows are named rightly; most often “b” is taken for “a” (7 rows)"
    root = drawn(made.svg)
    heat = of(root, "rect", "heat")
    assert len(heat) == 9
    shares = [float(e.get("fill-opacity", 0)) for e in heat]
    assert shares[8] == max(shares)  # a row without mistakes is the darkest
    assert [e.text for e in of(root, "text", "cell")] == ["50", "3", "0", "7", "40", "0", "0", "0", "100"]


def test_many_classes_show_their_largest_mistakes() -> None:
    made = curves.confusion(
        {
            "classes": [],
            "wrong": 12,
            "largest": [{"truth": "x", "predicted": "y", "rows": 9, "share": 0.3}, {"truth": "y", "predicted": "z", "rows": 3, "share": 0.1}],
        }
    )
    assert made is not None
    assert "Of 12 mistakes, the most frequent is “x” taken for “y”" in made.title
    widths = [float(e.get("width", 0)) for e in of(drawn(made.svg), "rect", "fill")]
    assert widths[1] / widths[0] == pytest.approx(1 / 3, rel=1e-3)


@pytest.mark.parametrize(("first", "last", "words"), [(1.0, 4.0, "grow"), (4.0, 1.0, "shrink"), (1.0, 1.1, "about as large")])
def test_errors_that_grow_are_said_to_grow(first: float, last: float, words: str) -> None:
    bins = [
        {"predicted": at, "low": -2 * w, "quarter": -w / 2, "median": 0.0, "three_quarters": w / 2, "high": 2 * w}
        for at, w in ((0, first), (10, last))
    ]
    made = curves.errors_along({"by_predicted": bins, "cells": [{"x": 5, "y": 0, "rows": None}], "cell": [10, 1]}, "price")
    assert made is not None
    assert words in made.title
    assert "fewer than 10 rows" in made.svg


def test_split_picture_scores_each_row_once_and_seals_to_scale() -> None:
    root = drawn(charts.splits("s", "t", design="sealed", how="random", opened=800, sealed=200, folds=5, repeats=1))
    scored = [e for e in of(root, "rect", "fill") if float(e.get("height", 0)) == 14]
    assert len(scored) == 5
    widths = [float(e.get("width", 0)) for e in scored]
    starts = [float(e.get("x", 0)) for e in scored]
    assert starts == pytest.approx([starts[0] + sum(widths[:i]) for i in range(5)], abs=0.2)
    sealed = next(e for e in of(root, "rect", "hatch") if float(e.get("height", 0)) > 14)
    assert sum(widths) / (sum(widths) + float(sealed.get("width", 0)) + 5) == pytest.approx(0.8, abs=0.01)


def test_time_folds_never_learn_from_what_comes_later() -> None:
    root = drawn(charts.splits("s", "t", design="sealed", how="time:day", opened=800, sealed=200, folds=4, repeats=1))
    learned = [e for e in of(root, "rect", "soft") if float(e.get("height", 0)) == 14]
    scored = [e for e in of(root, "rect", "fill") if float(e.get("height", 0)) == 14]
    for a, b in zip(learned, scored, strict=True):
        assert float(a.get("x", 0)) + float(a.get("width", 0)) <= float(b.get("x", 0)) + 0.1


def test_empty_and_flat_input_is_drawn() -> None:
    for picture in (
        charts.forest("f", "t", [], axis_title="x"),
        charts.forest("f", "t", [Estimate("a", 0.5, 0.5, 0.5)], axis_title="x"),
        charts.bars("b", "t", [("a", 0.0, "0 s")]),
        charts.flow("w", "t", [("used", 0)]),
        charts.calibration("c", "t", [Bin(0.5, 0.5, 0)]),
        charts.histogram("h", "t", [0.0, 1.0], [None], x_title="x"),
        charts.residuals("r", "t", [Spread(0, 0, 0, 0, 0, 0)], [], (0, 0), x_title="x", y_title="y"),
        charts.splits("s", "t", design="nested", how="random", opened=0, sealed=0, folds=1, repeats=1),
        charts.heatmap("m", "t", ["a"], [[0]]),
    ):
        assert "nan" not in picture
        drawn(picture)


# --- numbers ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [(0.924, 0.932, 3), (0.9, 0.94, 3), (0.6, 0.9, 2), (539, 568, 0), (53.9, 56.8, 1), (0.92834, 0.92838, 6), (0.5, 0.5, 3)],
)
def test_digits_follow_the_interval(low: float, high: float, places: int) -> None:
    assert numbers.decimals(low, high, (low + high) / 2) == places
    if high > low:
        assert 1 <= (high - low) * 10**places < 100  # one or two significant digits of the width


def test_numbers_are_said_with_their_unit() -> None:
    said = [numbers.duration(s).replace("\xa0", " ") for s in (4.1e-5, 0.25, 5.2, 41.7, 300.0, 9000.0)]
    assert said == ["41 µs", "250 ms", "5.2 s", "42 s", "5.0 min", "2.5 h"]
    assert [numbers.size(b).replace("\xa0", " ") for b in (512, 446_321, 4_000_000_000)] == ["512 B", "446.3 KB", "4 GB"]
    assert [numbers.percent(p).replace("\xa0", " ") for p in (0.0, 0.004, 0.5, 0.999, 1.0)] == ["0 %", "0.4 %", "50 %", "99.9 %", "100 %"]
    assert numbers.fixed(-0.0004, 3) == "0.000"
    assert numbers.signed(0.0123, 3) == "+0.012"
    assert numbers.fixed(-12.5, 1) == "−12.5"
    assert {numbers.fixed(v, 2) for v in (None, float("nan"), float("inf"), "3", True)} == {"not measured"}


@given(st.text(max_size=30))
def test_names_cannot_hide_or_move_text(name: str) -> None:
    shown = numbers.visible(name)
    assert not any(numbers.unicodedata.category(c) in numbers.HIDDEN for c in shown)
    assert ET.fromstring(svg.picture("n", name, name, [svg.text(0, 0, name)], height=1)) is not None
