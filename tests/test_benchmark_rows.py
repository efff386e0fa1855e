"""Rows of a benchmark: what was stopped goes on where it ended, on whichever day."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

COMMON = Path(__file__).resolve().parents[1] / "benchmarks" / "common.py"


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_common", COMMON)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


def test_rows_go_on_in_the_newest_file_that_has_no_table(common: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on(day: str, name: str = "kills") -> object:
        monkeypatch.setattr(common, "today", lambda: day)
        return common.Rows(name)

    results = tmp_path / "results"
    first = on("2026-11-24")
    first.add({"number": 0})
    on("2026-11-24", "kills-more").add({"number": 9})  # another benchmark, whose name begins alike
    later = on("2026-12-01")
    assert later.path == first.path
    assert later.has(number=0)
    assert not later.has(number=9)
    later.add({"number": 1})
    assert [json.loads(line)["date"] for line in first.path.read_text().splitlines()] == ["2026-11-24", "2026-12-01"]
    later.finish({}, "the table")
    assert json.loads((results / "kills-2026-11-24.json").read_text())["rows"] == [
        {"date": "2026-11-24", "number": 0}, {"date": "2026-12-01", "number": 1},
    ]  # fmt: skip
    anew = on("2026-12-02")
    assert (anew.path.name, anew.rows) == ("kills-2026-12-02.jsonl", [])  # finished ones are left alone
    anew.add({"number": 0})
    assert on("2026-12-03").path == anew.path


def test_rows_from_before_they_had_a_date_have_that_of_their_file(common: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "limits-2026-11-24.jsonl").write_text('{"number": 3}\n')
    monkeypatch.setattr(common, "today", lambda: "2026-12-01")
    assert common.Rows("limits").rows == [{"date": "2026-11-24", "number": 3}]
