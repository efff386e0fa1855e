"""Wrong requests: one clear error, the right exit code, nothing on standard output that is not JSON, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainwright.cli import main

TABLE = "age,city,bought\n" + "".join(f"{20 + i % 50},{'ab'[i % 2]},{'yn'[(i * 7) % 3 == 0]}\n" for i in range(120))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("words", "exit_code", "code", "says"),
    [
        (["trian", "CSV"], 2, "TW008", "'train'"),
        (["train", "CSV", "--traget", "bought"], 2, "TW007", "--target"),
        (["train", "CSV", "--target", "bougth"], 2, "TW021", "'bought'"),
        (["train", "CSV"], 2, "TW031", "bought"),
        (["train", "CSV", "--target", "bought", "--time", "soon"], 2, "TW002", "60s"),
        (["train", "CSV", "--target", "bought", "--time", "5s", "--candidates", "3"], 2, "TW002", "not both"),
        (["train", "CSV", "--target", "bought", "--metric", "roc"], 2, "TW013", "roc_auc"),
        (["train", "CSV", "--target", "bought", "--learners", "lightbgm"], 2, "TW012", "lightgbm"),
        (["train", "CSV", "--target", "bought", "--learners", "linear"], 2, "TW014", "tabular/logistic"),
        (["train", "CSV", "--target", "bought", "--kind", "age"], 2, "TW009", "COLUMN=KIND"),
        (["train", "CSV", "--target", "bought", "--kind", "agee=number"], 2, "TW021", "'age'"),
        (["train", "CSV", "--target", "bought", "--allow", "TW101"], 2, "TW009", "--because"),
        (["train", "CSV", "--target", "bought", "--split", "group:ctiy"], 2, "TW021", "'city'"),
        (["train", "CSV", "--target", "bought", "--task", "regression"], 2, None, "bought"),
        (["train", "CSV", "--target", "bought", "--drop", "age\ncity"], 2, "TW009", "double quotes"),
        (["train", "CSV", "--target", "bought", "--learners", "linear\r,tree"], 2, "TW009", "double quotes"),
        (["check", "CSV", "--target", "bought", "--metric", "roc"], 2, "TW013", "roc_auc"),
        (["check", "CSV", "--target", "bought", "--learners", "linear"], 2, "TW014", "tabular/logistic"),
        (["check", "CSV", "--target", "bought", "--monotone", "city=increasing"], 2, "TW068", "city"),
        (["check", "CSV", "--target", "age", "--task", "regression", "--imbalance", "smote"], 2, "TW069", "--imbalance"),
        (["check", "CSV", "--target", "age", "--task", "regression", "--threshold", "0.3"], 2, "TW069", "--threshold"),
        (["train", "tabel.csv", "--target", "bought"], 2, "TW020", "table.csv"),
        (["train", "--resume", "nowhere"], 2, "TW005", "run folder"),
        (["report", "--out", "nowhere"], 2, "TW005", "no run"),
        (["predict", "nowhere", "CSV", "-o", "out.csv"], 2, None, "nowhere"),
        (["verify", "nowhere"], 2, "TW050", "nowhere"),
    ],
)
def test_wrong_requests(
    csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], exit_code: int, code: str | None, says: str
) -> None:
    monkeypatch.chdir(csv.parent)
    given = ["table.csv" if word == "CSV" else word for word in words]
    assert main(given) == exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert says in shown.err
    assert main([*given, "--json"]) == exit_code
    out = capsys.readouterr().out
    fields = json.loads(out)
    assert set(fields) == {"schema_version", "code", "what", "where", "why", "fix"}
    if code is not None:
        assert fields["code"] == code
    assert list(csv.parent.glob("runs/[!.]*")) == []  # nothing stays behind


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"age,city,bought\n", "no rows"),
        (b"age,bought\n1,y\n2,n,3\n4,y\n", ":3"),
        (b"age,age\n1,y\n2,n\n", "age"),
        (b"age,bought\n1,y\x00\n2,n\n", "NUL"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 200, "PNG"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert main(["train", str(path), "--target", "bought", "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_blocking_finding_ends_with_3_and_prints_the_corrected_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "leak.csv"
    path.write_text("age,copy,bought\n" + "".join(f"{20 + i * 37 % 50},{int(i * 7 % 3 == 0)},{'yn'[i * 7 % 3 == 0]}\n" for i in range(600)))
    assert main(["train", str(path), "--target", "bought", "--out", str(tmp_path / "runs")]) == 3
    error = capsys.readouterr().err
    assert "copy" in error
    assert f"trainwright train {path} --target bought" in error
    assert "--drop copy" in error
    assert "--allow TW1" in error


def test_check_lists_findings_and_says_with_its_exit_code_whether_they_block(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(csv), "--target", "bought", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert (seen["rows"], seen["columns"]) == (120, 3)
    assert isinstance(seen["findings"], list)
    assert main(["check", str(csv)]) == 0  # without a target as well
    assert "override" in capsys.readouterr().out


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    import trainwright

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == trainwright.__version__
    assert main(["--help"]) == 0
    from trainwright.cli.app import VERBS

    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)


def test_each_verb_says_the_same_as_the_list_of_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    from trainwright.cli.app import VERBS

    for verb in VERBS:
        assert main([verb, "--help"]) == 0
        assert "Usage: trainwright" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["schema", "--json"], ["report", "nowhere", "--json"]])
def test_a_reader_that_goes_away_is_no_failure(words: list[str]) -> None:
    reader = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE)
    assert reader.stdin is not None
    reader.wait()  # from now on, what is written breaks the pipe
    done = subprocess.run([sys.executable, "-m", "trainwright", *words], stdout=reader.stdin, stderr=subprocess.PIPE, text=True, check=False)
    reader.stdin.close()
    assert (done.returncode, done.stderr) == (0, "")


def test_another_end_of_the_process_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainwright.cli import app

    def ends(words: list[str]) -> int:
        raise SystemExit(7)

    monkeypatch.setattr(app, "run", ends)
    with pytest.raises(SystemExit, match="7"):
        main(["schema"])
