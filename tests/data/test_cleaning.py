"""The cleaning ledger: what each entry does, that rows add up, that sealed rows stay, and that served cells are read as training's were."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import coded, table

from trainwright.data.cells import type_series
from trainwright.data.cleaning import clean_columns, told
from trainwright.data.cleaning.proposals import accepted, in_words, proposals, undone
from trainwright.data.dataset import Dataset
from trainwright.data.prepare import prepare
from trainwright.data.read import describe, inspect, look_at, settle
from trainwright.errors import RequestError, SourceError
from trainwright.plan.model import Plan
from trainwright.plan.read import make_plan
from trainwright.report.ledger import cleaning
from trainwright.report.records import Records
from trainwright.runtime.cells import reader_of
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.spelling import SPELLINGS
from trainwright.runtime.typed import Typed, try_values

OF = "0" * 64  # the digest of made tables
WORDS = ["Berlin", "berlin ", "BERLIN", "Köln", "Koln", "koln", "New  York", "new york", "N.Y.", "-", "--", "3.0", "3", "NA", "na", ""]


def plan(*clean: dict, **fields) -> Plan:
    return make_plan({"target": "y", "clean": [{"because": "TW999 made", **entry} for entry in clean], **fields})


def frame(rows: int = 400, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=rows), 2)
    return pl.DataFrame(
        {
            "x": x,
            "town": rng.choice(["Berlin", "berlin", "Köln", "KOLN", "Rome"], rows),
            "kind": rng.choice(["a", "b"], rows),
            "y": np.where(x + rng.normal(size=rows) > 0, "yes", "no"),
        }
    )


def ready(*clean: dict, data: pl.DataFrame | None = None, **fields) -> Dataset:
    return look_at(plan(*clean, **fields), frame() if data is None else data)


def of(data: pl.DataFrame) -> str:
    return look_at(plan(), data).table.source.digest


# --- columns ---------------------------------------------------------------------------------------------------------------


RULED = [
    ColumnSchema(name="c", kind="category", spelling=("casefold",)),
    ColumnSchema(name="c", kind="category", spelling=SPELLINGS, aliases=(("n y", "new york"),), missing=("NA", "na")),
    ColumnSchema(name="c", kind="category", aliases=(("Koln", "Köln"), ("koln", "Köln")), missing=("-",)),
    ColumnSchema(name="c", kind="number", low=-1.5, high=4, missing=("-",)),
    ColumnSchema(name="c", kind="number", high=0.0, decimal=","),
]
CELLS = [None, "-3", "3.7", "3,7", "12", "1e9", "-0.0", "0", "inf", "nan", "x", " 4.01 ", *WORDS]


@pytest.mark.parametrize("schema", RULED, ids=str)
@pytest.mark.parametrize("times", [1, 40], ids=["few", "many"])
def test_all_roads_read_a_cleaned_column_alike(schema, times):
    """One cell by the page of rules; lists, dicts and one row by the runtime; whole columns by Polars."""
    cells = CELLS * times
    truth: list[object] = []
    for cell in cells:
        try:
            truth.append(reader_of(schema)(cell, schema))
        except ValueError:
            truth.append(None)
    bad = [row for row, cell in enumerate(cells) if _refused(cell, schema)]
    for column, wrong in (try_values(cells, schema), (lambda c: (c.column, c.bad))(type_series(pl.Series("c", cells, dtype=pl.String), schema))):
        assert wrong.tolist() == bad
        found = column.words() if isinstance(column, Coded) else [None if np.isnan(v) else v for v in column.tolist()]
        wanted = [None if value is None or value != value else value for value in truth]
        assert found == wanted
    step = Typed((schema,))
    for row, cell in enumerate(cells[: len(CELLS)]):
        if row not in bad:
            one, many = step.apply({"c": cell})["c"], step.apply([{"c": cell}, {"c": cell}])["c"]
            for column in (one, many):
                value = column.words()[0] if isinstance(column, Coded) else column[0]
                np.testing.assert_equal(value, np.nan if truth[row] is None and not isinstance(column, Coded) else truth[row])


def _refused(cell, schema) -> bool:
    try:
        reader_of(schema)(cell, schema)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("numbers", [[1, 7, -9, None], [1.5, 7.25, -9.0, float("nan")], np.array([1, 7, -9]), np.array([1.5, 7.25, -9, np.nan])])
def test_numbers_that_come_as_numbers_are_capped(numbers):
    schema = ColumnSchema(name="c", kind="number", low=-1, high=2)
    column, _ = try_values(numbers, schema)
    np.testing.assert_array_equal(column[:3], [numbers[0], 2, -1])
    assert Typed((schema,)).apply({"c": 7})["c"].tolist() == [2]
    assert Typed((schema,)).apply({"c": -9.5})["c"].tolist() == [-1]
    assert np.isnan(Typed((schema,)).apply({"c": None})["c"]).all()


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), st.lists(st.sampled_from(range(6)), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_cleaned_column_is_the_raw_one_read_by_the_new_schema(cells, chosen):
    merges = [
        {"do": "merge", "column": "c", "rule": ["casefold"]},
        {"do": "merge", "column": "c", "rule": ["accents", "punctuation"]},
        {"do": "merge", "column": "c", "words": {"BERLIN": "Berlin", "N.Y.": "New York"}},
        {"do": "merge", "column": "c", "words": {"Koln": "Köln", "Köln": "Cologne"}},
        {"do": "merge", "column": "c", "words": {"New York": "NYC"}},
        {"do": "merge", "column": "c", "rule": "blanks"},
    ]
    schema = ColumnSchema(name="c", kind="category", missing=("NA",))
    before, _ = try_values(cells, schema)
    made = table({"c": before}, c={"missing": ("NA",)})
    try:
        cleaned, done = clean_columns(made, plan(*(merges[n] for n in chosen)).clean)
    except RequestError as error:
        if error.code != "TW077":
            raise
        return
    after = cleaned.columns["c"]
    again, _ = try_values(cells, cleaned.schema("c"))
    assert after.words() == again.words()
    assert try_values(after, cleaned.schema("c"))[0].words() == after.words()  # reading it twice changes nothing
    assert sum(entry.cells for entry in done.values()) >= sum(a != b for a, b in zip(before.words(), after.words(), strict=True))
    assert cleaned.described[0].distinct == len({word for word in after.words() if word is not None})


def test_words_merged_one_after_the_other_end_at_the_last():
    made = table({"c": coded(["a", "b", "c", "d"])})
    chain = [{"do": "merge", "column": "c", "words": {"a": "b"}}, {"do": "merge", "column": "c", "words": {"b": "c"}}]
    for clean in (chain, chain[::-1]):
        cleaned, _ = clean_columns(made, plan(*clean).clean)
        assert cleaned.columns["c"].words() == ["c", "c", "c", "d"]


def test_a_word_that_is_merged_into_a_mark_for_missing_is_missing():
    made = table({"c": coded(["a", "unknown", "N.A.", None])}, c={"missing": ("n a", "?")})
    merge = {"do": "merge", "column": "c", "rule": ["casefold", "punctuation"], "words": {"Unknown": "n a"}}
    cleaned, done = clean_columns(made, plan(merge).clean)
    assert cleaned.columns["c"].words() == ["a", None, None, None]
    assert (cleaned.described[0].missing, done[0].cells) == (3, 2)
    assert "2 cells became missing" in done[0].said


@pytest.mark.parametrize(
    ("clean", "code", "says"),
    [
        ([{"do": "merge", "column": "twon", "rule": "casefold"}], "TW021", "'town'"),
        ([{"do": "cap", "column": "q", "low": 0}], "TW021", "no column"),
        ([{"do": "merge", "column": "x", "rule": "casefold"}], "TW077", "read as number"),
        ([{"do": "cap", "column": "town", "low": 0}], "TW077", "read as category"),
        ([{"do": "cap", "column": "x", "low": 0}, {"do": "cap", "column": "x", "high": -1}], "TW077", "no room"),
        ([{"do": "merge", "column": "town", "words": {"a": "b"}}, {"do": "merge", "column": "town", "words": {"b": "a"}}], "TW077", "into itself"),
        (
            [{"do": "merge", "column": "town", "words": {"a": "b"}}, {"do": "merge", "column": "town", "words": {"a": "c"}}],
            "TW077",
            "different words",
        ),
        ([{"do": "drop rows", "rows": [1], "of": "1" * 64}], "TW076", "another file"),
        ([{"do": "drop rows", "rows": [400], "of": OF}], "TW077", "no row 400"),
        ([{"do": "relabel", "rows": [1], "to": ["yess"], "of": OF}], "TW077", "'yes'"),
        ([{"do": "weight"}], "TW079", "no population"),
        ([{"do": "weight", "population": {"kind": {"a": 0.5, "b": 0.5}}}, {"do": "weight"}], "TW077", "another entry weights"),
    ],
)
def test_what_does_not_fit_the_rows_is_refused(clean, code, says):
    data = frame()
    entries = [entry | ({"of": of(data)} if entry.get("of") == OF else {}) for entry in clean]
    with pytest.raises((RequestError, SourceError)) as caught:
        ready(*entries, data=data)
    assert caught.value.code == code
    assert says in f"{caught.value.what} {caught.value.fix}"


def test_a_target_is_merged_but_not_capped():
    data = frame().with_columns(y=pl.when(pl.int_range(400) % 50 == 0).then(pl.col("y").str.to_uppercase()).otherwise("y"))
    assert len(ready(data=data).classes) == 4
    assert ready({"do": "merge", "column": "y", "rule": "casefold"}, data=data).classes == ("no", "yes")
    with pytest.raises(RequestError, match="TW077"):
        ready({"do": "cap", "column": "x", "high": 1}, target="x")


def page_of(dataset: Dataset) -> dict:
    """What the report shows of the ledger."""
    shown = cleaning(Records(folder=Path("run"), plan={}, dataset=describe(dataset), leaderboard=[], evidence={}))
    assert shown is not None
    return shown


@pytest.mark.parametrize("given", ["drawn", "column", "file"])
def test_a_merge_of_the_target_says_how_many_sealed_cells_it_renamed(given, tmp_path):
    """The classes are the same for all rows, so sealed cells are renamed too; by another road: capitals counted among the sealed rows."""
    rng = np.random.default_rng(7)
    data = frame(1500).with_columns(side=pl.Series(["train"] * 1200 + ["test"] * 300))
    loud = pl.Series(rng.random(1500) < 0.2)
    data = data.with_columns(y=pl.when(loud).then(pl.col("y").str.to_uppercase()).otherwise("y"))
    merges = [{"do": "merge", "column": "y", "words": {"YES": "Yes"}}, {"do": "merge", "column": "y", "rule": "casefold"}]
    if given == "file":
        data[1200:].drop("side").write_csv(tmp_path / "test.csv")
        made = ready(*merges, data=data[:1200].drop("side"), test=str(tmp_path / "test.csv"))
    elif given == "column":
        made = ready(*merges, data=data, split="given:side")
    else:
        made = ready(*merges, data=data.drop("side"))
    assert made.classes == ("no", "yes")
    assert made.splits.design == "sealed"
    words, is_loud, sealed = data["y"].to_list(), loud.to_numpy(), made.splits.sealed
    yes = np.array([word.lower() == "yes" for word in words])
    assert [made.classes[int(made.target[row])] for row in sealed.tolist()] == [words[row].lower() for row in sealed.tolist()]
    first, second = made.cleaned
    assert (first["cells"], first["figures"]["sealed"]) == ((is_loud & yes).sum(), (is_loud & yes)[sealed].sum())
    assert (second["cells"], second["figures"]["sealed"]) == (is_loud.sum(), is_loud[sealed].sum())  # "Yes" and "NO"
    assert second["figures"]["sealed"] > 40
    assert f"these are the words for the classes in all rows, {is_loud[sealed].sum():,} sealed ones among them" in second["said"]
    assert "served rows" not in second["said"]  # a target is not served
    assert second["said"] in told(made.cleaned)[0]
    assert "renamed" not in first
    shown = page_of(made)
    both = first["figures"]["sealed"] + second["figures"]["sealed"]
    assert f"Sealed rows kept their targets, read by the merged words for the classes ({both} sealed cells renamed)" in shown["headline"]
    assert f"{second['figures']['sealed']} sealed cells renamed" in shown["entries"][1]["figures"]
    offered = in_words(plan(merges[1]).clean[0], made)
    assert "(the target: sealed rows too)" in offered


def test_a_merge_of_the_target_where_nothing_is_sealed_or_renamed_counts_no_sealed_cell():
    data = frame(200).with_columns(y=pl.when(pl.int_range(200) % 10 == 0).then(pl.col("y").str.to_uppercase()).otherwise("y"))
    made = ready({"do": "merge", "column": "y", "rule": "casefold"}, data=data)
    assert made.splits.design == "nested"
    assert made.cleaned[0]["said"].endswith("in all rows")
    assert "No rows are sealed" in page_of(made)["headline"]
    plain = ready({"do": "merge", "column": "town", "rule": "casefold"}, data=frame(1500))
    assert "sealed" not in plain.cleaned[0]["figures"]
    assert "Sealed rows kept their targets; what" in page_of(plain)["headline"]


# --- rows ------------------------------------------------------------------------------------------------------------------


def test_duplicates_go_before_the_split_and_the_first_stays():
    data = frame()
    twice = pl.concat([data, data[:30], data[:10]])
    truth = len(set(twice.rows()))  # by another road: a set of tuples
    cleaned = ready({"do": "drop duplicates"}, data=twice)
    used = np.concatenate([cleaned.splits.open, cleaned.splits.sealed])
    assert len(used) == truth
    first = {row: place for place, row in reversed(list(enumerate(twice.rows())))}
    assert sorted(used.tolist()) == sorted(first.values())
    assert cleaned.dropped == {"repeats another row": twice.height - truth}
    assert cleaned.cleaned[0]["rows"] == twice.height - truth
    assert "TW120" in {f.code for f in ready(data=twice).findings}
    assert "TW120" not in {f.code for f in cleaned.findings}


def test_merging_first_makes_duplicates_that_are_then_dropped():
    data = frame()
    twin = data[:40].with_columns(pl.col("town").str.to_uppercase())
    both = pl.concat([data, twin])
    entries = [{"do": "drop duplicates"}, {"do": "merge", "column": "town", "rule": ["casefold", "accents"]}]
    folded = both.with_columns(pl.col("town").str.to_lowercase().str.replace("ö", "o"))
    assert sum(ready(*entries, data=both).dropped.values()) == both.height - len(set(folded.rows()))
    assert ready(*entries, data=both).digest == ready(*entries[::-1], data=both).digest


def test_a_copy_of_a_given_test_row_is_dropped_from_the_open_side():
    data = frame()
    side = pl.Series("side", ["train"] * 320 + ["test"] * 80)
    mixed = pl.concat([data[:380], data[:20]]).with_columns(side)  # the last 20 test rows repeat the first 20 training rows
    cleaned = ready({"do": "drop duplicates"}, data=mixed, split="given:side")
    rows = mixed.drop("side").rows()
    opened, sealed = ({rows[row] for row in part.tolist()} for part in (cleaned.splits.open, cleaned.splits.sealed))
    assert len(cleaned.splits.sealed) == 80
    assert not opened & sealed


def test_relabelled_rows_learn_another_target_and_the_split_stays():
    data = frame(1500)
    before = ready(data=data)
    assert before.splits.design == "sealed"
    rows = [*before.splits.open[:30].tolist(), *before.splits.sealed[:5].tolist()]
    flipped = ["no" if word == "yes" else "yes" for word in data["y"].gather(rows).to_list()]
    after = ready({"do": "relabel", "rows": rows, "to": flipped, "of": of(data)}, data=data)
    np.testing.assert_array_equal(after.splits.sealed, before.splits.sealed)
    np.testing.assert_array_equal(after.splits.open, before.splits.open)
    changed = np.flatnonzero(after.target != before.target)
    assert changed.tolist() == sorted(rows[:30])
    entry = after.cleaned[0]
    assert (entry["rows"], entry["kept"]) == (30, 5)
    assert "5 are sealed" in entry["said"]
    assert after.digest != before.digest
    assert "5 are sealed" in told(after.cleaned)[0]


def test_dropped_rows_leave_every_fold_and_sealed_ones_stay():
    data = frame(1500)
    before = ready(data=data)
    rows = [*before.splits.open[:40].tolist(), *before.splits.sealed[:7].tolist()]
    after = ready({"do": "drop rows", "rows": rows, "of": of(data)}, data=data)
    gone = set(rows[:40])
    np.testing.assert_array_equal(after.splits.sealed, before.splits.sealed)
    for one, other in zip(before.splits.folds, after.splits.folds, strict=True):
        for part in ("train", "test"):
            assert getattr(other, part).tolist() == [row for row in getattr(one, part).tolist() if row not in gone]
    assert after.dropped == {"dropped: TW999 made": 40}
    assert after.cleaned[0]["kept"] == 7


def test_numbers_are_relabelled_too():
    data = frame().with_columns(z=pl.col("x") * 2 + 1)
    row = int(ready(data=data, target="z").splits.open[0])
    after = ready({"do": "relabel", "rows": [row], "to": [12.5], "of": look_at(plan(target="z"), data).table.source.digest}, data=data, target="z")
    assert after.target[row] == 12.5
    with pytest.raises(RequestError, match="no number"):
        ready({"do": "relabel", "rows": [row], "to": ["many"], "of": after.table.source.digest}, data=data, target="z")


def test_the_nested_design_says_what_was_measured_on():
    data = frame(200)
    assert ready(data=data).splits.design == "nested"
    label = "no" if data["y"][3] == "yes" else "yes"
    after = ready({"do": "relabel", "rows": [3], "to": [label], "of": of(data)}, {"do": "drop rows", "rows": [5], "of": of(data)}, data=data)
    assert "measured on the corrected targets" in after.cleaned[0]["said"]
    assert "not measured either" in after.cleaned[1]["said"]
    for folds in after.splits.inner:
        assert all(5 not in fold.train and 5 not in fold.test for fold in folds)


def test_taking_out_a_whole_class_is_refused():
    data = frame(200)
    yes = [row for row, word in enumerate(data["y"]) if word == "yes"]
    with pytest.raises(SourceError) as caught:
        ready({"do": "drop rows", "rows": yes, "of": of(data)}, data=data)
    assert caught.value.code in ("TW018", "TW019")


def test_a_fold_that_would_train_on_one_class_is_refused():
    data = frame(1500)
    before = ready(data=data)
    tested = set(before.splits.folds[0].test.tolist())
    yes = [row for row in before.splits.open.tolist() if before.target[row] == 1 and row not in tested]
    with pytest.raises(SourceError, match="TW019"):
        ready({"do": "drop rows", "rows": yes, "of": of(data)}, data=data)


def test_an_entry_that_changes_nothing_is_said_and_not_noted():
    cleaned = ready({"do": "cap", "column": "x", "high": 1e6}, {"do": "drop duplicates"}, {"do": "merge", "column": "kind", "rule": "accents"})
    assert all(entry["said"].startswith("nothing changed") for entry in cleaned.cleaned if not entry["rows"])
    assert len(cleaned.cleaned) == 3
    assert all("nothing changed" not in note for note in told(cleaned.cleaned))


ROWS = st.lists(st.integers(0, 399), min_size=1, max_size=60, unique=True)
ENTRIES = st.one_of(
    st.just({"do": "drop duplicates"}),
    ROWS.map(lambda rows: {"do": "drop rows", "rows": rows, "of": OF}),
    ROWS.flatmap(lambda rows: st.lists(st.sampled_from(["yes", "no"]), min_size=len(rows), max_size=len(rows)).map(
        lambda to: {"do": "relabel", "rows": rows, "to": to, "of": OF})),
    st.lists(st.sampled_from(SPELLINGS), min_size=1, unique=True).map(lambda rule: {"do": "merge", "column": "town", "rule": rule}),
    st.tuples(st.floats(-3, -0.1), st.floats(0.1, 3)).map(lambda ends: {"do": "cap", "column": "x", "low": ends[0], "high": ends[1]}),
)  # fmt: skip
WEIGHED = {"do": "weight", "population": {"kind": {"a": 0.9, "b": 0.1}}}


@given(st.lists(ENTRIES, max_size=5), st.booleans(), st.sampled_from(["random", "group:town", "time:x", "given:side"]), st.integers(0, 3))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rows_add_up_whatever_the_ledger(entries, weighed, split, gaps):
    rng = np.random.default_rng(3)
    n = 400
    x = np.round(rng.normal(size=n), 1)
    y = np.where(x + rng.normal(size=n) > 0, "yes", "no").tolist()
    towns = rng.choice(["Berlin", "berlin", "Köln", "Koln", "Rome", "rome"], n).tolist()
    for row in range(0, n, 40 if gaps else n):
        y[row] = None
    columns = {
        "x": x,
        "town": coded(towns),
        "kind": coded(rng.choice(["a", "b"], n).tolist()),
        "side": coded(rng.choice(["train", "test"], n, p=[0.8, 0.2]).tolist()),
        "y": coded(y),
    }
    made = table(columns)
    asked = plan(*entries, *([WEIGHED] if weighed else []), split=split)
    if split != "given:side":
        made = dataclasses.replace(made, described=made.described[:3] + made.described[4:], columns={k: c for k, c in columns.items() if k != "side"})

    def run() -> Dataset:
        return prepare(asked, made)

    try:
        dataset = run()
    except SourceError as error:  # so many rows were taken out that nothing can be split or learned
        if error.code not in ("TW018", "TW019"):
            raise
        return
    opened, sealed = dataset.splits.open, dataset.splits.sealed
    assert not set(opened.tolist()) & set(sealed.tolist())
    assert len(opened) + len(sealed) + sum(dataset.dropped.values()) == n
    for entry, fix in zip(dataset.cleaned, asked.clean, strict=True):
        assert (entry["do"], entry["because"]) == (fix.do, fix.because)
        if hasattr(fix, "rows"):
            assert entry["rows"] + entry["kept"] <= len(fix.rows)
    bare = prepare(asked.model_copy(update={"clean": ()}), made)
    assert dataset.target is not None
    assert bare.target is not None
    np.testing.assert_array_equal(dataset.target[sealed], bare.target[sealed])  # sealed rows keep their target
    counted = Counter(np.concatenate([fold.test for fold in dataset.splits.folds]).tolist())
    assert set(counted) <= set(opened.tolist())
    assert all(set(fold.train.tolist()) <= set(opened.tolist()) for fold in dataset.splits.folds)
    assert run().digest == dataset.digest


# --- accepting and undoing -------------------------------------------------------------------------------------------------


def test_what_is_accepted_can_be_undone():
    data = pl.concat([frame(), frame()[:30]])
    asked = plan(population={"kind": {"a": 0.9, "b": 0.1}})
    offered = proposals(look_at(asked, data))
    assert [(p.number, p.code) for p in offered] == [(1, "TW120"), (2, "TW192"), (3, "TW195")]
    both, dataset = settle(asked, data, accept=["all"])
    assert [fix.do for fix in both.clean] == ["drop duplicates", "merge", "weight"]
    assert not {"TW120", "TW192", "TW195"} & {f.code for f in dataset.findings}
    assert accepted(asked, offered, ["TW195", "1", "TW192"]).clean == both.clean
    assert [fix.do for fix in undone(both, ["1"]).clean] == ["merge", "weight"]
    assert [fix.do for fix in undone(both, ["TW195"]).clean] == ["drop duplicates", "merge"]
    nothing = undone(both, ["all"])
    assert nothing == make_plan({"target": "y", "population": {"kind": {"a": 0.9, "b": 0.1}}})
    assert look_at(nothing, data).digest == look_at(asked, data).digest
    for call in (lambda: accepted(asked, offered, ["TW181"]), lambda: accepted(asked, (), ["1"]), lambda: undone(both, ["4"])):
        with pytest.raises(RequestError, match="TW078"):
            call()


def test_a_reason_in_own_words_is_no_name_of_an_entry():
    """Only the code of a finding is: `--undo 2` takes the second entry out, whatever the reasons of others begin with."""
    entries = [
        {"do": "drop duplicates", "because": "2 clerks sent them"},
        {"do": "cap", "column": "x", "high": 9, "because": "TW150 far out"},
        {"do": "cap", "column": "x", "low": -9, "because": "all sensors end there"},
    ]
    asked = plan(*entries)
    assert [fix.because for fix in undone(asked, ["2"]).clean] == ["2 clerks sent them", "all sensors end there"]
    assert [fix.because for fix in undone(asked, ["TW150"]).clean] == ["2 clerks sent them", "all sensors end there"]
    assert undone(asked, ["all"]).clean == ()
    with pytest.raises(RequestError, match="TW078"):
        undone(plan(*entries[:1]), ["2"])


def test_without_a_target_entries_on_rows_say_that_they_were_not_carried_out(tmp_path):
    frame().write_csv(data := tmp_path / "made.csv")
    source = look_at(plan(source=str(data)), None).table.source.digest
    entries = [
        {"do": "drop duplicates"},
        {"do": "merge", "column": "town", "rule": ["casefold", "accents"]},
        {"do": "drop rows", "rows": [1], "of": source},
        {"do": "relabel", "rows": [2], "to": ["yes"], "of": source},
        {"do": "weight", "population": {"kind": {"a": 0.5, "b": 0.5}}},
    ]
    looked = inspect(plan(*entries, target=None, source=str(data)), None)
    assert [entry["do"] for entry in looked.cleaned] == [entry["do"] for entry in entries]
    assert [entry["because"] for entry in looked.cleaned] == ["TW999 made"] * 5
    said = [entry["said"] for entry in looked.cleaned]
    assert "5 words of column 'town' became 3" in said[1]
    for place in (0, 2, 3, 4):
        assert said[place].startswith("not carried out: no target was named")
        assert looked.cleaned[place]["rows"] == looked.cleaned[place]["cells"] == 0
    assert len(looked.splits.open) == 400


def test_the_plan_is_the_whole_of_it(tmp_path):
    """A ledger goes out to YAML and in again, and does the same."""
    from trainwright.plan.read import dump_plan, read_plan

    data = pl.concat([frame(), frame()[:30]])
    asked, dataset = settle(plan(), data, accept=["TW120"])
    (tmp_path / "plan.yaml").write_text(dump_plan(asked, full=False))
    assert read_plan(tmp_path / "plan.yaml") == asked
    assert look_at(read_plan(tmp_path / "plan.yaml"), data).digest == dataset.digest


def test_a_kept_dataset_remembers_its_ledger(tmp_path):
    from trainwright.data import store

    data = pl.concat([frame(), frame()[:30]])
    dataset = ready({"do": "drop duplicates"}, data=data, population={"kind": {"a": 0.9, "b": 0.1}})
    store.save(dataset, tmp_path / "kept")
    again = store.load(tmp_path / "kept", check=True)
    assert (again.cleaned, again.coverage, again.findings) == (dataset.cleaned, dataset.coverage, dataset.findings)
