"""A stated population: how its table is read, which gaps are told, and the weights that mend them, against closed forms and plain loops."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import coded, table
from statsmodels.stats.proportion import proportion_confint

from trainwright.data.cleaning.population import Margin, coverage, effective, margins_of
from trainwright.data.cleaning.proposals import proposals
from trainwright.data.cleaning.weights import calibrated
from trainwright.data.read import inspect, look_at
from trainwright.errors import RequestError
from trainwright.plan.read import make_plan

N = 1000


def people(n: int = N, seed: int = 5):
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n, p=[0.3, 0.7]).tolist()
    age = np.round(rng.uniform(18, 90, n), 1)
    age[::50] = np.nan
    member = (rng.random(n) < 0.4).astype(float)
    return table({"sex": coded(sex), "age": age, "member": member}, {"member": "yesno"}, member={"yes": ("yes",), "no": ("no",)})


# --- reading ---------------------------------------------------------------------------------------------------------------


def test_a_file_a_list_and_a_dict_say_the_same(tmp_path):
    path = tmp_path / "shares.csv"
    path.write_text("sex,age,share\nf,,0.5\nm,,0.5\n,<40,0.3\n,40..60,0.4\n,>=60,0.3\n")
    cells = [{"sex": "f", "share": 0.5}, {"sex": "m", "share": 0.5}]
    cells += [{"age": level, "share": share} for level, share in (("<40", 0.3), ("40..60", 0.4), (">=60", 0.3))]
    by_column = {"sex": {"f": 0.5, "m": 0.5}, "age": {"<40": 0.3, "40..60": 0.4, ">=60": 0.3}}
    made = people()
    for stated in (str(path), cells, by_column):
        sex, age = margins_of(stated, made)
        assert (sex.columns, age.columns) == (("sex",), ("age",))
        assert [levels[0] for levels in age.levels] == ["<40", "40..60", ">=60"]
        years = made.columns["age"]
        truth = np.select([years < 40, (years >= 40) & (years < 60), years >= 60], [0, 1, 2], -1)
        np.testing.assert_array_equal(age.cell, truth)
        np.testing.assert_array_equal(sex.cell, [["f", "m"].index(word) for word in made.columns["sex"].words()])
        np.testing.assert_allclose(age.shares, [0.3, 0.4, 0.3])


def test_joint_cells_are_found_by_all_their_levels():
    made = people()
    cells = [{"sex": s, "member": m, "share": 0.25} for s, m in itertools.product("fm", ("yes", "no"))]
    (joint,) = margins_of(cells, made)
    words, member = made.columns["sex"].words(), made.columns["member"]
    truth = [joint.levels.index((word, "yes" if flag else "no")) for word, flag in zip(words, member, strict=True)]
    assert joint.cell.tolist() == truth


def test_sparse_joint_cells_of_many_levels_take_the_room_of_rows():
    """Four columns of 200 levels have 1.6 billion combinations, of which a population states 300."""
    rng = np.random.default_rng(4)
    names = ["a", "b", "c", "d"]
    levels = {name: [f"{name}{n}" for n in range(200)] for name in names}
    drawn = rng.integers(0, 200, (4, 300))
    drawn[:, 200:] = drawn[:, :100]  # cells that share beginnings …
    drawn[3, 200:] = (drawn[3, 200:] + 1) % 200  # … and differ in the last column
    drawn[:, :200] = [*drawn[:3, :200], np.arange(200)]  # every level is in some cell
    cells = list(dict.fromkeys(tuple(levels[name][n] for name, n in zip(names, one, strict=True)) for one in drawn.T.tolist()))
    stated = [dict(zip(names, cell, strict=True)) | {"share": 1 / len(cells)} for cell in cells]
    rows = [*(cells[n] for n in rng.integers(0, len(cells), 600)), *(tuple(levels[name][n] for name in names) for n in rng.integers(0, 200, 200))]
    columns = {name: coded([row[at] for row in rows[:-1]] + [None]) for at, name in enumerate(names)}
    tracemalloc.start()
    (joint,) = margins_of(stated, table(columns))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000
    place = {levels: number for number, levels in enumerate(joint.levels)}
    truth = [place.get(row, -1) for row in rows[:-1]] + [-1]
    assert joint.cell.tolist() == truth
    assert sum(number >= 0 for number in truth) >= 599


def test_levels_are_read_as_the_column_is():
    """A comma for the decimal point, and a spelling that was merged."""
    made = table({"x": np.array([1.5, 2.5, 4.0]), "t": coded(["köln", "rome", "rome"])}, x={"decimal": ","}, t={"spelling": ("casefold",)})
    x, town = margins_of({"x": {"<2,0": 0.5, ">=2,0": 0.5}, "t": {"KÖLN": 0.5, "Rome": 0.5}}, made)
    assert x.cell.tolist() == [0, 1, 1]
    assert town.cell.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"sax": {"f": 0.5, "m": 0.5}}, "did you mean 'sex'"),
        ({"sex": {"f": 0.5, "m": 0.4}}, "sum to 0.9"),
        ({"sex": {"f": 50, "m": 50}}, "25 % as 0.25"),
        ({"sex": {"f": -0.1, "m": 1.1}}, "-0.1"),
        ({"age": {"young": 0.5, "old": 0.5}}, "'young'"),
        ({"age": {"<40": 0.5, "30..90": 0.5}}, "overlaps"),
        ({"age": {"60..40": 0.5, "<40": 0.5}}, "'60..40'"),
        ({"member": {"perhaps": 0.5, "no": 0.5}}, "'perhaps'"),
        ({"sex": {"f": 0.5, " f": 0.5}}, "one word"),
        ({}, "no cells"),
        ([{"share": 1.0}], "names no column"),
        ([{"sex": "f", "share": 0.5}, {"sex": "f", "share": 0.5}], "two shares"),
    ],
)
def test_what_is_no_population_is_refused(stated, says):
    with pytest.raises(RequestError, match="TW079") as caught:
        margins_of(stated, people())
    assert says in f"{caught.value.what} {caught.value.fix}"


@pytest.mark.parametrize(("text", "says"), [("sex,part\nf,0.5\nm,0.5\n", "no column 'share'"), ("sex,share\nf,0.5\nm,\n", "line 2")])
def test_a_file_that_is_no_population_is_refused(tmp_path, text, says):
    (tmp_path / "shares.csv").write_text(text)
    with pytest.raises(RequestError, match="TW079") as caught:
        margins_of(str(tmp_path / "shares.csv"), people())
    assert says in caught.value.what


# --- weights ---------------------------------------------------------------------------------------------------------------


def margin(cell, shares, columns=("c",)) -> Margin:
    shares = np.asarray(shares, float)
    return Margin(columns, tuple((str(n),) for n in range(len(shares))), shares / shares.sum(), np.asarray(cell, np.int64))


def test_post_stratified_weights_are_share_over_share(rng):
    cell = rng.choice(4, N, p=[0.1, 0.2, 0.3, 0.4])
    wanted = np.array([0.4, 0.3, 0.2, 0.1])
    found = calibrated([margin(cell, wanted)], np.arange(N), np.ones(N), trim=100)
    truth = wanted / (np.bincount(cell) / N)
    np.testing.assert_allclose(found.factor, truth[cell], rtol=1e-12)
    assert found.effective == pytest.approx(found.factor.sum() ** 2 / (found.factor**2).sum())
    assert found.converged
    assert found.off < 1e-12


def test_raking_is_the_plain_loop_over_rows(rng):
    """Deming and Stephan written down naively, row by row and margin by margin; and the property that defines the fit."""
    a, b = rng.choice(3, N, p=[0.5, 0.3, 0.2]), rng.choice(4, N, p=[0.1, 0.2, 0.3, 0.4])
    base = rng.uniform(0.5, 2, N)
    wanted = [np.array([0.2, 0.3, 0.5]), np.array([0.25, 0.25, 0.25, 0.25])]
    weights = base / base.sum()
    for _ in range(200):
        for cell, shares in zip((a, b), wanted, strict=True):
            for level in range(len(shares)):
                weights[cell == level] *= shares[level] / weights[cell == level].sum()
    found = calibrated([margin(a, wanted[0]), margin(b, wanted[1])], np.arange(N), base, trim=100)
    ours = found.factor * base
    np.testing.assert_allclose(ours / ours.sum(), weights / weights.sum(), rtol=1e-8)
    assert (found.factor * base).sum() == pytest.approx(base.sum())
    for i, j, k, m in itertools.product(range(2), range(1, 3), range(2), range(2, 4)):  # raking keeps the odds ratios of the start: factors multiply
        cells = [found.factor[(a == p) & (b == q)][0] for p, q in ((i, k), (i, m), (j, k), (j, m))]
        assert cells[0] * cells[3] == pytest.approx(cells[1] * cells[2])


@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_raked_shares_are_the_stated_ones(seed, margins, weighted):
    rng = np.random.default_rng(seed)
    cells = [rng.choice(k, 300, p=rng.dirichlet(np.full(k, 5.0))) for k in rng.integers(2, 4, margins)]
    stated = [margin(cell, rng.dirichlet(np.full(cell.max() + 1, 5.0))) for cell in cells]
    base = rng.uniform(0.2, 3, 300) if weighted else np.ones(300)
    found = calibrated(stated, np.arange(300), base, trim=1e9)
    for one in stated:
        sums = np.bincount(one.cell, weights=found.factor * base, minlength=len(one.shares))
        present = np.bincount(one.cell, minlength=len(one.shares)) > 0
        if present.all() and found.converged:
            np.testing.assert_allclose(sums / sums.sum(), one.shares, atol=1e-6)
    assert (found.factor * base).sum() == pytest.approx(base.sum())
    assert found.effective <= 300 * (1 + 1e-12)


def test_rows_of_no_cell_keep_their_share_and_empty_cells_are_passed_over():
    cell = np.array([0] * 60 + [1] * 20 + [-1] * 20)
    found = calibrated([margin(cell, [0.4, 0.4, 0.2])], np.arange(100), np.ones(100), trim=100)
    np.testing.assert_allclose(found.factor[80:], 1.0)
    np.testing.assert_allclose(found.factor[:60].sum(), 40)
    np.testing.assert_allclose(found.factor[60:80].sum(), 40)
    assert found.off == pytest.approx(0.2)  # the cell that has no rows


def test_no_weight_is_above_the_trim(rng):
    cell = (rng.random(N) < 0.01).astype(int)
    found = calibrated([margin(cell, [0.5, 0.5])], np.arange(N), np.ones(N), trim=5.0)
    free = calibrated([margin(cell, [0.5, 0.5])], np.arange(N), np.ones(N), trim=1e9)
    assert found.trimmed == cell.sum()
    assert found.off > 0.2
    assert found.factor.max() == pytest.approx(5.0)
    assert found.effective > free.effective
    assert found.factor.mean() == pytest.approx(1.0)


def test_what_is_cut_off_is_spread_and_may_make_others_too_large(rng):
    """Three cells: cutting the rarest lifts the next one beyond the trim as well."""
    cell = np.array([0] * 5 + [1] * 20 + [2] * 975)
    found = calibrated([margin(cell, [0.4, 0.38, 0.22])], np.arange(1000), np.ones(1000), trim=20.0)
    np.testing.assert_allclose(np.unique(found.factor), [(1000 - 25 * 20) / 975, 20.0])
    assert found.trimmed == 25


def test_contradicting_margins_do_not_settle_and_it_is_said():
    """Two margins over the same two cells, which want different things."""
    cell = np.array([0] * 50 + [1] * 50)
    found = calibrated([margin(cell, [0.5, 0.5]), margin(cell, [0.9, 0.1])], np.arange(100), np.ones(100), trim=100)
    assert not found.converged


def test_the_effective_number_of_rows_is_kish():
    assert effective(np.ones(7)) == pytest.approx(7)
    assert effective(np.array([1.0, 3.0])) == pytest.approx(1.6)
    assert effective(np.zeros(3)) == 0


# --- gaps ------------------------------------------------------------------------------------------------------------------


def test_intervals_are_wilson_over_all_cells():
    cell = np.array([0] * 700 + [1] * 250 + [2] * 50)
    told = coverage([margin(cell, [0.7, 0.2, 0.1])], np.arange(1000), None)
    for entry, count in zip(told["margins"][0]["cells"], (700, 250, 50), strict=True):
        low, high = proportion_confint(count, 1000, alpha=0.05 / 3, method="wilson")
        np.testing.assert_allclose([entry["low"], entry["high"]], [low, high], rtol=1e-5)
    assert [entry["gap"] for entry in told["margins"][0]["cells"]] == ["", "many", "few"]


def test_weighted_rows_count_like_fewer():
    """Half of the rows count three times: 1,000 rows carry as much as 800."""
    cell = np.array([0, 1] * 500)
    weight = np.repeat([1.0, 3.0], 500)
    told = coverage([margin(cell, [0.5, 0.5])], np.arange(1000), weight)
    assert told["effective"] == pytest.approx(800)
    entry = told["margins"][0]["cells"][0]
    np.testing.assert_allclose([entry["low"], entry["high"]], proportion_confint(400, 800, alpha=0.05 / 2, method="wilson"), rtol=1e-5)


def test_chance_is_seldom_told_as_a_gap():
    rng = np.random.default_rng(8)
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    alarms = 0
    for _ in range(400):
        cells = coverage([margin(rng.choice(4, 500, p=shares), shares)], np.arange(500), None)["margins"][0]["cells"]
        alarms += any(cell["gap"] for cell in cells)
    assert alarms / 400 < 0.09  # 5 % is promised


def test_few_rows_are_no_share_and_none_are_a_name():
    told = coverage([margin(np.array([0] * 95 + [1] * 5), [0.5, 0.3, 0.2])], np.arange(100), None)["margins"][0]["cells"]
    assert (told[1]["found"], told[1]["rows"], told[1]["gap"]) == (None, None, "few")
    assert (told[2]["found"], told[2]["rows"], told[2]["gap"]) == (0.0, 0, "absent")


def surveyed(n: int = 1500) -> pl.DataFrame:
    rng = np.random.default_rng(6)
    sex = rng.choice(["f", "m"], n, p=[0.25, 0.75])
    region = rng.choice(["north", "south", "abroad"], n, p=[0.6, 0.35, 0.05])
    x = rng.normal(size=n)
    return pl.DataFrame({"sex": sex, "region": region, "x": x, "y": np.where(x + rng.normal(size=n) > 0, "yes", "no")})


STATED = {"sex": {"f": 0.5, "m": 0.5}, "region": {"north": 0.4, "south": 0.3, "east": 0.3}}


def test_gaps_absence_and_rows_outside_are_three_findings():
    asked = make_plan({"target": "y", "population": STATED})
    found = {f.code: f for f in look_at(asked, surveyed()).findings}
    assert "'f'" in found["TW195"].what or "'north'" in found["TW195"].what
    assert found["TW195"].proposes == ({"do": "weight"},)
    assert "region 'east'" in found["TW196"].what
    assert "30.0 %" in found["TW196"].what
    assert found["TW196"].proposes == ()
    assert found["TW197"].figures["outside"] == pytest.approx(0.05 * 1200, rel=0.3)
    assert len([f for f in look_at(asked, surveyed()).findings if f.code == "TW195"]) == 2  # both margins are off …
    assert len(proposals(look_at(asked, surveyed()))) == 1  # … and one entry mends both
    assert not {"TW195", "TW196", "TW197"} & {f.code for f in look_at(make_plan({"target": "y"}), surveyed()).findings}
    without = {f.code for f in inspect(make_plan({"population": STATED}), surveyed()).findings}  # no target is needed for it
    assert {"TW195", "TW196", "TW197"} <= without


def test_weights_reach_the_shares_on_both_sides_and_multiply_those_given():
    data = surveyed().with_columns(w=pl.lit(2.0) + pl.int_range(1500) % 3)
    clean = [{"do": "weight", "because": "TW195", "population": {"sex": {"f": 0.5, "m": 0.5}}}]
    dataset = look_at(make_plan({"target": "y", "weight": "w", "clean": clean}), data)
    is_f = (data["sex"] == "f").to_numpy()
    given_weight = data["w"].to_numpy()
    for rows in (dataset.splits.open, dataset.splits.sealed):
        weight = dataset.weight[rows]
        assert weight[is_f[rows]].sum() / weight.sum() == pytest.approx(0.5)
        assert weight.sum() == pytest.approx(given_weight[rows].sum())
        ratio = weight / given_weight[rows]
        assert np.ptp(ratio[is_f[rows]]) < 1e-12
    assert dataset.coverage["effective"] == pytest.approx(effective(dataset.weight[dataset.splits.open]), rel=1e-5)
    assert "TW195" not in {f.code for f in dataset.findings}


def test_rows_of_a_cell_with_share_0_are_set_aside_when_weighted():
    stated = {"region": {"north": 0.5, "south": 0.5, "abroad": 0.0}}
    asked = {"target": "y", "population": stated}
    assert not look_at(make_plan(asked), surveyed()).dropped
    dataset = look_at(make_plan(asked | {"clean": [{"do": "weight", "because": "as stated"}]}), surveyed())
    abroad = int((surveyed()["region"] == "abroad").sum())
    assert dataset.dropped == {"of a cell with share 0 in the stated population": abroad}
    assert len(dataset.splits.open) + len(dataset.splits.sealed) == 1500 - abroad
