"""Whole runs from every source: trained, predicted, made again; and no trace of a password in anything that a run leaves."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
import pytest
import xlsxwriter

import trainwright
from postgres_server import PASSWORD, Server
from trainwright import flow
from trainwright.cli import main
from trainwright.data.sources.place import place_of
from trainwright.errors import SourceError
from trainwright.plan.read import make_plan
from trainwright.run import Run

ASKED = {"target": "bought", "learners": ["tabular/logistic"], "candidates": 1, "workers": 1, "folds": 3}
COLUMNS = "id int PRIMARY KEY, age int, income float8, city text, member boolean, bought text"


@pytest.fixture(scope="module")
def people() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    rows = 900
    age, income, member = rng.integers(18, 90, rows), np.round(rng.lognormal(10, 0.5, rows), 2), rng.random(rows) < 0.4
    score = 0.05 * (age - 50) + 1.2 * member + 0.8 * (np.log(income) - 10) + rng.normal(size=rows)
    return pl.DataFrame(
        {
            "id": rng.permutation(rows) + 5000, "age": age, "income": income, "city": rng.choice(["Ulm", "Bonn", "Kiel"], rows), "member": member,
            "bought": np.where(score > 0.5, "yes", "no"),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def sources(people: pl.DataFrame, postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The same table in every form, each row at the same place: the rows stand by their identifier."""
    folder = tmp_path_factory.mktemp("sources")
    ordered = people.sort("id")
    ordered.write_csv(folder / "people.csv")
    (folder / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ordered.to_dicts()))
    book = xlsxwriter.Workbook(str(folder / "people.xlsx"))
    book.add_worksheet("notes").write(0, 0, "see the other sheet")
    sheet = book.add_worksheet("people")
    for at, line in enumerate([ordered.columns, *ordered.rows()]):
        sheet.write_row(at, 0, line)
    book.close()
    (folder / "parts").mkdir()
    for part in range(3):
        ordered[part * 300 : (part + 1) * 300].write_csv(folder / "parts" / f"{part}.csv")
    connection = sqlite3.connect(folder / "people.db")
    connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, age INTEGER, income REAL, city TEXT, member TEXT, bought TEXT)")
    connection.executemany("INSERT INTO people VALUES (?,?,?,?,?,?)", [(*row[:4], str(row[4]).lower(), row[5]) for row in people.rows()])
    connection.commit()
    connection.close()
    postgres.fill("people", COLUMNS, people.rows())
    return {
        "csv": {"source": str(folder / "people.csv")},
        "json": {"source": str(folder / "people.jsonl")},
        "excel": {"source": str(folder / "people.xlsx"), "sheet": "people"},
        "folder": {"source": str(folder / "parts")},
        "sqlite": {"source": f"sqlite:///{folder / 'people.db'}", "table": "people"},
        "postgres": {"source": postgres.open_url, "query": "SELECT * FROM people ORDER BY id"},
    }


def leaks(folder: Path) -> list[str]:
    """The files below a folder that hold the password, in any of its spellings."""
    spellings = {PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), json.dumps(PASSWORD)[1:-1]}
    return [str(path) for path in folder.rglob("*") if path.is_file() and any(word.encode() in path.read_bytes() for word in spellings)]


@pytest.mark.slow
def test_every_source_gives_the_same_model_and_can_be_predicted(sources: dict[str, dict[str, str]], tmp_path: Path) -> None:
    digests, predictions = {}, {}
    for name, where in sources.items():
        run = flow.train(make_plan({**where, **ASKED, "out": str(tmp_path / name)}))
        digests[name] = run.summary["model_digest"]
        words = ["predict", str(run.folder), where["source"], "-o", str(tmp_path / f"{name}.csv"), "--id", "id"]
        words += [word for flag in ("table", "query", "sheet") if flag in where for word in (f"--{flag}", where[flag])]
        assert main(words) == 0
        predictions[name] = (tmp_path / f"{name}.csv").read_text()
    assert len(set(digests.values())) == 1, digests
    assert len(set(predictions.values())) == 1
    assert leaks(tmp_path) == []


@pytest.mark.slow
def test_a_run_from_postgres_keeps_no_password_and_is_made_again(
    sources: dict[str, dict[str, str]], postgres: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--target", "bought", "--learners", "tabular/logistic", "--candidates", "1", "--workers", "1"]
    assert main(["check", postgres.open_url, "--table", "people", "--target", "bought"]) == 0
    assert main(["plan", postgres.open_url, "--table", "people", *flags, "-o", "plan.yaml"]) == 0
    assert main(["train", postgres.open_url, "--table", "people", *flags]) == 0
    (run,) = (Run(path.parent) for path in tmp_path.glob("runs/*/events.jsonl"))
    assert run.folder.name.startswith("people-")
    assert run.dataset["source"]["path"] == postgres.url
    assert run.dataset["source"]["details"] == {"table": "public.people"}
    assert run.dataset["source"]["notes"] == ["the rows stand in the order of the primary key"]
    assert main(["reproduce", str(run.folder)]) == 0  # from the rows that were kept: the server is not asked
    assert main(["report", str(run.folder)]) == 0
    assert main(["verify", str(run.folder)]) == 0
    assert leaks(tmp_path) == []
    shown = capfd.readouterr()
    assert PASSWORD not in shown.out + shown.err
    assert quote(PASSWORD, safe="") not in shown.out + shown.err


@pytest.mark.slow
def test_erased_rows_are_read_again_with_the_environments_password(postgres: Server, people: pl.DataFrame, tmp_path: Path, monkeypatch) -> None:
    postgres.fill("again", COLUMNS, people.rows())
    url = postgres.open_url.replace("/shop?", "/shop?application_name=again&")
    bare = postgres.url.replace("/shop?", "/shop?application_name=again&")
    monkeypatch.setattr("trainwright.credentials._held", {})
    run = flow.train(make_plan({"source": url, "table": "again", "keep_data": False, **ASKED, "out": str(tmp_path / "runs")}))
    assert run.asked.source == bare
    monkeypatch.setattr("trainwright.credentials._held", {})  # another process, another day
    with pytest.raises(SourceError, match="wants a password"):
        flow.reproduce(run.folder, out=tmp_path / "no")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert flow.reproduce(run.folder, out=tmp_path / "again")["same"]
    postgres.fill("again", COLUMNS, people.rows()[:-1])
    with pytest.raises(SourceError, match="TW087"):
        flow.reproduce(run.folder, out=tmp_path / "other")
    assert leaks(tmp_path) == []


@pytest.mark.slow
def test_a_run_that_was_stopped_before_its_rows_were_kept(postgres: Server, people: pl.DataFrame, tmp_path: Path, monkeypatch) -> None:
    postgres.fill("again", COLUMNS, people.rows())
    url = postgres.open_url.replace("/shop?", "/shop?application_name=stopped&")
    plan = make_plan({"source": url, "table": "again", **ASKED, "out": str(tmp_path / "runs")})
    with monkeypatch.context() as patched:
        patched.setattr("trainwright.data.store.keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(Exception, match="TW098"):
            flow.train(plan)
    (stopped,) = (path.parent for path in tmp_path.glob("runs/*/events.jsonl"))
    monkeypatch.setattr("trainwright.credentials._held", {})
    with pytest.raises(SourceError, match="PGPASSWORD"):
        flow.resume(stopped)
    assert stopped.exists()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert flow.resume(stopped).summary["learner"] == "tabular/logistic"
    assert leaks(tmp_path) == []


@pytest.mark.slow
def test_sealed_rows_from_a_sheet_or_a_table_of_their_own(people: pl.DataFrame, postgres: Server, tmp_path: Path) -> None:
    postgres.fill("opened", COLUMNS, people[:700].rows())
    postgres.fill("sealed", COLUMNS, people[700:].rows())
    asked = {"source": postgres.open_url, "table": "opened", "test": f"{postgres.open_url}#sealed", "target": "bought"}
    from trainwright.data.read import look_at

    dataset = look_at(make_plan(asked), None)
    assert (len(dataset.splits.open), len(dataset.splits.sealed)) == (700, 200)
    assert dataset.table.source.details["test"]["path"] == postgres.url
    book = xlsxwriter.Workbook(str(tmp_path / "two.xlsx"))
    for name, part in (("train", people[:700]), ("test", people[700:])):
        sheet = book.add_worksheet(name)
        for at, line in enumerate([part.columns, *part.rows()]):
            sheet.write_row(at, 0, line)
    book.close()
    path = str(tmp_path / "two.xlsx")
    dataset = look_at(make_plan({"source": path, "sheet": "train", "test": f"{path}#test", "target": "bought"}), None)
    assert (len(dataset.splits.open), len(dataset.splits.sealed)) == (700, 200)


@pytest.mark.slow
def test_python_and_plan_files_read_them_too(sources: dict[str, dict[str, str]], tmp_path: Path) -> None:
    where = sources["postgres"]
    seen = trainwright.check(where["source"], query=where["query"], target="bought")
    assert seen["source"]["rows"] == 900
    (tmp_path / "plan.yaml").write_text(f"source: {json.dumps(where['source'])}\nquery: {json.dumps(where['query'])}\ntarget: bought\n")
    assert trainwright.check(tmp_path / "plan.yaml")["source"] == seen["source"]
    assert place_of(where["source"]).path in json.dumps(seen)
    assert PASSWORD not in json.dumps(seen)
