"""The plan model, its YAML, its schema and the command line that says the same."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import RequestError, SourceError
from trainwright.plan.command import command_of
from trainwright.plan.model import Plan
from trainwright.plan.read import dump_plan, make_plan, plan_schema, read_plan
from trainwright.plan.transforms import as_words


@pytest.mark.parametrize(("text", "wanted"), [("60s", 60), ("2m", 120), ("1.5h", 5400), ("90", 90), (45, 45), ("5 min", 300)])
def test_times(text: object, wanted: float) -> None:
    assert make_plan({"time": text}).time == wanted


@pytest.mark.parametrize(("text", "wanted"), [("4GB", 4 * 10**9), ("512MiB", 512 * 2**20), ("1000", 1000), (5, 5)])
def test_sizes(text: object, wanted: int) -> None:
    assert make_plan({"memory": text}).memory == wanted


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"traget": "y"}, "TW001", "did you mean 'target'?"),
        ({"allow": [{"code": "TW101", "becuase": "I know"}]}, "TW001", "did you mean 'because'?"),
        ({"time": "sixty"}, "TW002", "60s"),
        ({"time": -1}, "TW002", "greater than 0"),
        ({"memory": "4XB"}, "TW002", "4GB"),
        ({"folds": 1}, "TW002", "folds"),
        ({"folds": "many"}, "TW002", "folds"),
        ({"split": "groups:id"}, "TW002", "split"),
        ({"monotone": {"a": "up"}}, "TW002", "increasing"),
        ({"kinds": {"a": "numeric"}}, "TW002", "kinds.a"),
        ({"learners": [{"nmae": "tree"}]}, "TW001", "did you mean 'name'?"),
        ({"clean": [{"do": "cap", "colum": "a", "low": 1, "because": "known"}]}, "TW001", "did you mean 'column'?"),
        ({"clean": [{"do": "polish", "because": "known"}]}, "TW002", "'drop duplicates'"),
        ({"population": {"sex": 0.5}}, "TW002", "{column: {level: share}}"),
        ({"drop": 3}, "TW002", "drop"),
        ({"time": 10, "candidates": 3}, "TW002", "not both"),
        ({"table": "t", "query": "SELECT 1"}, "TW002", "not both"),
        ({"seed": -1}, "TW002", "seed"),
        ({"allow": [{"code": "X", "because": "none"}]}, "TW002", "allow"),
        ({"transforms": "clap"}, "TW002", "'clip'"),
        ({"transforms": [{"do": "text", "colums": "a"}]}, "TW001", "did you mean 'columns'?"),
        ({"transforms": [{"do": "windows", "key": "a", "over": "soon"}]}, "TW002", "7d"),
        ({"transforms": "by a over 0d"}, "TW002", "7d"),
        ({"transforms": [{"do": "windows", "key": "a", "over": "7d", "what": "median"}]}, "TW002", "since_last"),
    ],
)
def test_wrong_values_name_what_is_allowed(fields: dict[str, object], code: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        make_plan(fields)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_a_broken_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("target: y\nsplit: [random\nseed: 1\n")
    with pytest.raises(RequestError, match=r"plan\.yaml:3"):
        read_plan(path)
    with pytest.raises(SourceError, match="TW020"):
        read_plan(tmp_path / "none.yaml")
    path.write_text("just words")
    with pytest.raises(RequestError, match="TW003"):
        read_plan(path)


TRANSFORMS = (
    "auto",
    "none",
    ["auto", "clip"],
    ["target_encoding", "AMOUNT by CUSTOMER over 1d,7d"],
    ["by my key at the time over 3,5", "y by shop over 7d after 2d without history"],
)


@pytest.mark.parametrize("words", TRANSFORMS)
def test_transforms_as_words_and_as_yaml(words: object, tmp_path: Path) -> None:
    plan = make_plan({"transforms": words})
    assert plan.transforms == make_plan({"transforms": [said for entry in plan.transforms if (said := as_words(entry))] or "none"}).transforms
    for full in (True, False):
        (tmp_path / "plan.yaml").write_text(dump_plan(plan, full=full))
        assert read_plan(tmp_path / "plan.yaml") == plan


def test_a_sentence_on_windows_says_all_that_it_can() -> None:
    (entry,) = make_plan({"transforms": "TX AMOUNT by CUSTOMER ID at WHEN over 1d,12h after 7d without history"}).transforms
    wanted = {"do": "windows", "key": "CUSTOMER ID", "time": "WHEN", "of": "TX AMOUNT", "over": ("1d", "12h"), "delay": "7d", "history": "none"}
    assert entry.model_dump(exclude_unset=True) == wanted
    assert as_words(make_plan({"transforms": [{"do": "clip", "low": 0.1}]}).transforms[0]) is None


plans = st.builds(
    lambda **fields: make_plan({name: value for name, value in fields.items() if value is not None}),
    source=st.none() | st.sampled_from(["a.csv", "a folder/b'c.csv"]),
    target=st.none() | st.text(min_size=1, max_size=9, alphabet=st.characters(blacklist_categories=("Cs", "Cc"))),
    time=st.none() | st.floats(1, 1e5),
    folds=st.none() | st.integers(2, 20),
    drop=st.none() | st.lists(st.sampled_from(["a", "b c", "d"]), unique=True),
    kinds=st.none() | st.dictionaries(st.sampled_from(["a", "b c"]), st.sampled_from(["number", "category"])),
    memory=st.none() | st.integers(1, 10**12),
    keep_data=st.none() | st.booleans(),
    seed=st.none() | st.integers(0, 2**32 - 1),
    transforms=st.none() | st.sampled_from(TRANSFORMS),
    learners=st.none()
    | st.lists(
        st.fixed_dictionaries({"name": st.just("tabular/tree"), "settings": st.none() | st.dictionaries(st.sampled_from("ab"), st.integers())})
    ),
    clean=st.none()
    | st.lists(
        st.sampled_from(
            [
                {"do": "merge", "column": "b c", "rule": ["casefold"], "words": {"n y": 'it\'s "NY"'}, "because": "TW185"},
                {"do": "cap", "column": "a", "low": -1.5, "because": "typing errors"},
                {"do": "relabel", "rows": [3], "to": ["yes"], "of": "0" * 64, "because": "TW181"},
                {"do": "weight", "because": "TW195"},
            ]
        )
    ),
    population=st.none() | st.sampled_from(["shares.csv", {"a": {"<3": 0.5, ">=3": 0.5}}, [{"a": "x", "b c": "y", "share": 1.0}]]),
    allow=st.none() | st.lists(st.fixed_dictionaries({"code": st.just("TW101"), "because": st.just('it is "known": yes')})),
)


@settings(deadline=None)
@given(plan=plans)
def test_yaml_gives_the_same_plan_back(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    for full in (False, True):
        path.write_text(dump_plan(plan, full=full), encoding="utf-8")
        again = read_plan(path)
        assert again.model_dump(exclude={"time"}) == plan.model_dump(exclude={"time"})
        assert again.time == (pytest.approx(plan.time, rel=1e-11) if plan.time else None)


def test_the_schema_describes_what_a_plan_file_says() -> None:
    schema = plan_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Plan.model_fields)
    undocumented = [name for name, entry in schema["properties"].items() if not entry.get("description")]
    assert undocumented == []


@pytest.mark.parametrize("transforms", [None, *TRANSFORMS])
def test_the_command_line_says_the_same_as_the_plan(transforms: object) -> None:
    from trainwright.api import asked_of

    plan = make_plan(
        {
            "source": "my data.csv",
            "query": "SELECT a, b FROM t WHERE c = 'x y'",
            "sheet": "one two",
            "target": "y",
            "split": "group:patient id",
            "drop": ["b", "a, with comma"],
            "protected": ["sex"],
            "kinds": {"zip": "category"},
            "monotone": {"age = old": "increasing", "b": "decreasing"},
            "memory": "2GB",
            "candidates": 3,
            "keep_data": False,
            "allow": [{"code": "TW101", "because": "known before the visit"}],
            "clean": [{"do": "merge", "column": "zip", "words": {"a b": "it's"}, "because": "one word"}, {"do": "weight", "because": "TW195"}],
            "population": {"sex": {"f": 0.5, "m": 0.5}},
        }
        | ({"transforms": transforms} if transforms else {})
    )
    words = shlex.split(command_of(plan))
    assert words[:3] == ["trainwright", "train", "my data.csv"]

    import click

    from trainwright.cli import flags

    seen: dict[str, object] = {}

    @click.command()
    @flags.with_asked
    @flags.source
    def verb(asked: dict[str, object], source: str) -> None:
        seen.update(asked, source=source)

    verb.main(args=words[2:], standalone_mode=False)
    source = seen.pop("source")
    assert asked_of(source, seen)[0] == plan


def test_words_stand_for_lists_of_one_and_for_learners() -> None:
    plan = make_plan({"learners": ["lightgbm", {"name": "tree", "settings": {"max_depth": 3}}], "drop": "id", "protected": "sex"})
    assert [(choice.name, choice.settings) for choice in plan.learners] == [("lightgbm", None), ("tree", {"max_depth": 3})]
    assert (plan.drop, plan.protected) == (("id",), ("sex",))
    assert make_plan({"learners": "lightgbm"}).learners[0].name == "lightgbm"
