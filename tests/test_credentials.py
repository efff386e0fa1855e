"""Passwords in URLs: taken out whole, whatever they are made of, and in nothing that leaves."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.cli import main
from trainwright.credentials import password_for, scrubbed, take_out
from trainwright.errors import SourceError
from trainwright.plan.command import command_of
from trainwright.plan.read import dump_plan, make_plan

SECRET = "hunter2-XYZZY"


@given(password=st.text(min_size=1, max_size=20), user=st.from_regex(r"[a-z]{1,6}", fullmatch=True), port=st.booleans(), query=st.booleans())
def test_any_escaped_password_is_taken_out_and_kept(password: str, user: str, port: bool, query: bool) -> None:
    place = f"host{':5432' if port else ''}/base{'?sslmode=require' if query else ''}"
    bare = take_out(f"postgresql://{user}:{quote(password.encode('utf-8', 'surrogatepass'), safe='')}@{place}")
    assert bare == f"postgresql://{user}@{place}"
    assert password_for(bare) == password.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@pytest.mark.parametrize("password", ["p@ss", "a:b", "a/b", "a?b", "a#b", "a@b:c/d?e", "100%"])
def test_passwords_that_nobody_escaped(password: str) -> None:
    bare = take_out(f"postgresql://me:{password}@host:5432/base")
    assert bare == "postgresql://me@host:5432/base"
    assert password_for(bare) == password


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("postgresql://me@host/base", "postgresql://me@host/base"),
        ("postgresql://host:5432/base?user=me&password=hunter2&sslmode=require", "postgresql://host:5432/base?user=me&sslmode=require"),
        ("postgresql:///base?host=/tmp/x", "postgresql:///base?host=/tmp/x"),
        ("postgresql://me:hunter2@/base?host=/tmp/x", "postgresql://me@/base?host=/tmp/x"),
        ("postgresql://me:@host/base", "postgresql://me@host/base"),
        ("sqlite:////tmp/a@b:c.db", "sqlite:////tmp/a@b:c.db"),
        ("a:b@c.csv", "a:b@c.csv"),
        ("C:/data/x@y.csv", "C:/data/x@y.csv"),
    ],
)
def test_urls(url: str, bare: str) -> None:
    assert take_out(url) == bare
    assert "hunter2" not in take_out(url)


def test_a_plan_never_holds_a_password() -> None:
    plan = make_plan(
        {"source": f"postgresql://me:{SECRET}@host/base", "table": "t", "test": f"postgresql://me:{SECRET}@host/base#sealed", "target": "y"}
    )
    assert plan.source == "postgresql://me@host/base"
    shown = [repr(plan), dump_plan(plan, full=True), dump_plan(plan, full=False), command_of(plan), plan.model_dump_json(), str(vars(plan))]
    assert all(SECRET not in text for text in shown)
    assert "--table t" in command_of(plan)


@pytest.mark.parametrize(
    "words",
    [
        ["train", f"postgresql://me:{SECRET}@127.0.0.1:1/base", "--target", "y"],
        ["train", f"postgresql://me:{SECRET}@127.0.0.1:1/base", "--table", "t", "--target", "y"],
        ["train", f"mysql://me:{SECRET}@host/base", "--target", "y"],
        ["train", "a.csv", f"postgresql://me:{SECRET}@host/base", "--target", "y"],
        ["train", f"--sorce=postgresql://me:{SECRET}@host/base"],
        ["train", f"postgresql://me:{SECRET}@host/base", "--target", "y", "--folds", "many"],
        ["train", f"postgresql://me:{SECRET}@host/base", "--target", "y", "--table", "a", "--query", "SELECT 1"],
        ["verify", f"postgresql://me:{SECRET}@host/base"],
        ["report", f"postgresql://me:{SECRET}@host/base"],
        ["predict", f"postgresql://me:{SECRET}@host/base", "x.csv", "-o", "y.csv"],
        [f"postgresql://me:{SECRET}@host/base"],
        ["check", f"postgresql://host/base?user=me&password={SECRET}", "--table", "t"],
        ["train", "--resume", f"postgresql://me:{SECRET}@host/base"],
    ],
)
def test_no_command_line_error_shows_a_password(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    for given_words in (words, [*words, "--json"]):
        assert main(given_words) != 0
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err
        if "--json" in given_words:
            assert json.loads(shown.out)["code"].startswith("TW")


def test_a_plan_file_with_a_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.yaml"
    for text in (f"source: postgresql://me:{SECRET}@127.0.0.1:1/base\ntable: t\ntarget: y\n", f"source: [postgresql://me:{SECRET}@h/b]\n",
                 f"sorce: postgresql://me:{SECRET}@h/b\n", f"source: postgresql://me:{SECRET}@h/b\n bad: x\n"):  # fmt: skip
        path.write_text(text)
        assert main(["train", str(path)]) == 2
        assert SECRET not in "".join(capsys.readouterr())


def test_the_last_net() -> None:
    error = SourceError(
        "TW064", f"postgresql://me:{SECRET}@h/b is gone", where=f"postgresql:/me:{SECRET}@h", why=f"x?password={SECRET}&y=1", fix="none"
    )
    assert SECRET not in str(error) + repr(error) + repr(error.args)
    assert scrubbed("no URL, a@b and x: y@z") == "no URL, a@b and x: y@z"
    assert scrubbed("postgresql://me@host:5432/base") == "postgresql://me@host:5432/base"
