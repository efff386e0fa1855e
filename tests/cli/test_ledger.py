"""The cleaning ledger on the command line: proposals are listed, accepted into a plan file, and taken out again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest

from trainwright import api
from trainwright.cli import main
from trainwright.data.dataset import Table
from trainwright.data.room import Room
from trainwright.plan.read import read_plan

ROWS = 160


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    lines = [f"{20 + i * 7 % 50},{'ab'[i % 4 == 0]},{i * 0.37:.2f},{'yn'[(i * 7) % 3 == 0]}\n" for i in range(ROWS)]
    path.write_text("age,sex,dose,bought\n" + "".join([*lines, *lines[:20]]))
    (tmp_path / "shares.csv").write_text("sex,share\na,0.5\nb,0.5\n")
    return path


def checked(capsys: pytest.CaptureFixture[str], *words: str, exit_code: int = 0) -> dict:
    assert main(["check", *words, "--json"]) == exit_code
    value: dict = json.loads(capsys.readouterr().out)
    return value


def test_proposals_are_numbered_accepted_and_undone(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, words = csv.parent / "plan.yaml", (str(csv), "--target", "bought", "--population", str(csv.parent / "shares.csv"))
    seen = checked(capsys, *words)
    assert [(p["number"], p["code"], p["fix"]["do"]) for p in seen["proposals"]] == [(1, "TW120", "drop duplicates"), (2, "TW195", "weight")]
    assert (seen["clean"], seen["written"], seen["cleaned"]) == ([], None, [])

    seen = checked(capsys, *words, "--accept", "TW120,2", "--write", str(plan))
    assert [entry["do"] for entry in seen["cleaned"]] == ["drop duplicates", "weight"]
    assert seen["dropped"] == {"repeats another row": 20}
    assert seen["proposals"] == []
    assert [fix.do for fix in read_plan(plan).clean] == ["drop duplicates", "weight"]
    assert seen["source"]["rows"] == seen["splits"]["open"] + seen["splits"]["sealed"] + 20

    seen = checked(capsys, str(plan), "--undo", "1")
    assert [fix.do for fix in read_plan(plan).clean] == ["weight"]  # the plan file itself is written again
    assert [p["code"] for p in seen["proposals"]] == ["TW120"]
    checked(capsys, str(plan), "--undo", "TW195")
    assert read_plan(plan).clean == ()
    assert read_plan(plan).population == str(csv.parent / "shares.csv")


def test_what_is_accepted_and_asked_for_keeps_the_memory_cap(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading is watched: large arrays may take as much as the cap says, not as much as there is."""
    from trainwright.cli import train
    from trainwright.data import read

    steps: list[int] = []
    reading = read.read_table

    def watched(*given: Any, room: Room, **more: Any) -> Table:
        steps.append(room.step)
        return reading(*given, room=room, **more)

    monkeypatch.setattr(read, "read_table", watched)
    monkeypatch.setattr(click, "prompt", lambda *given, **more: "bought")
    plan, rows = api.asked_of(str(csv), {"target": "bought", "memory": "2GB"})
    assert [fix.do for fix in api.accepting(plan, rows, ["TW120"]).clean] == ["drop duplicates"]
    assert train.ask_target(api.asked_of(str(csv), {"memory": "2GB"})[0]) == "bought"
    assert steps == [2_000_000_000 // 8] * 2


def test_people_see_the_ledger_and_what_it_did(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", str(csv), "--target", "bought"]
    assert main(words) == 0
    assert "1  TW120  set aside rows that repeat another" in capsys.readouterr().out
    assert main([*words, "--accept", "all"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"20 rows that repeat another .* were set aside before the split", told)
    assert "180 rows in = 160 used (160 open, 0 sealed) + 20 set aside" in told
    assert "Nothing was written" in told
    cap = ["--clean", '{"do": "cap", "column": "dose", "high": 5000, "because": "typing errors"}']
    assert main([*words, *cap]) == 0
    assert "nothing changed: no cell of column 'dose' lies beyond its ends" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--accept", "TW181"], "TW078", "1 (TW120)"),
        (["--undo", "1"], "TW078", "empty"),
        (["--clean", "{do: cap}"], "TW009", "not valid JSON"),
        (["--clean", "[1]"], "TW009", "no entry"),
        (["--clean", '{"do": "cap", "column": "dose", "low": 5, "high": 1, "because": "typing"}'], "TW002", "low must be below high"),
        (["--clean", '{"do": "cap", "column": "doze", "low": 5, "because": "typing"}'], "TW021", "'dose'"),
        (["--clean", '{"do": "drop rows", "rows": [1], "of": "%s", "because": "typing"}' % ("0" * 64)], "TW076", "--undo 1"),
        (["--population", '{"sex": {"a": 0.5, "b": 0.4}}'], "TW079", "sum to 0.9"),
        (["--population", "nowhere.csv"], "TW020", "nowhere.csv"),
    ],
)
def test_wrong_words(csv: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str, says: str) -> None:
    told = checked(capsys, str(csv), "--target", "bought", *words, exit_code=2)
    assert told["code"] == code
    assert says in f"{told['what']} {told['fix']} {told['where']}"


def test_row_numbers_hold_for_the_file_they_were_accepted_for(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tomorrow's export is refused; entries by rule apply to it again."""
    digest = checked(capsys, str(csv), "--target", "bought")["source"]["digest"]
    plan = csv.parent / "plan.yaml"
    entries = [{"do": "drop rows", "rows": [3, 4], "of": digest, "because": "broken sensor"}, {"do": "drop duplicates", "because": "TW120"}]
    flags = [word for entry in entries for word in ("--clean", json.dumps(entry))]
    seen = checked(capsys, str(csv), "--target", "bought", *flags, "--write", str(plan))
    assert seen["dropped"] == {"repeats another row": 20, "dropped: broken sensor": 2}
    csv.write_text(csv.read_text() + "33,a,1.0,y\n")
    told = checked(capsys, str(plan), exit_code=2)
    assert told["code"] == "TW076"
    assert digest[:12] in told["why"]
    assert checked(capsys, str(plan), "--undo", "1")["dropped"] == {"repeats another row": 20}


def test_python_says_the_same(csv: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(csv)
    seen = api.check(frame, target="bought", accept="TW120", write=tmp_path / "made.yaml")
    assert seen["dropped"] == {"repeats another row": 20}
    assert read_plan(tmp_path / "made.yaml").clean[0].do == "drop duplicates"
    again = api.check(frame, target="bought", clean=[{"do": "drop duplicates", "because": "copies"}])
    assert again["digest"] == seen["digest"]
