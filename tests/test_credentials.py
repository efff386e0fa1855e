"""Passwords in URLs: taken out whole, whatever they are made of, and in nothing that leaves."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.cli import main
from trainwright.credentials import scrubbed, secrets_for, take_out
from trainwright.data.sources import open_source
from trainwright.data.sources.place import place_of, place_with_part
from trainwright.errors import SourceError
from trainwright.plan.command import command_of
from trainwright.plan.read import dump_plan, make_plan

SECRET = "hunter2-XYZZY"


@given(password=st.text(min_size=1, max_size=20), user=st.from_regex(r"[a-z]{1,6}", fullmatch=True), port=st.booleans(), query=st.booleans())
def test_any_escaped_password_is_taken_out_and_kept(password: str, user: str, port: bool, query: bool) -> None:
    place = f"host{':5432' if port else ''}/base{'?sslmode=require' if query else ''}"
    bare = take_out(f"postgresql://{user}:{quote(password.encode('utf-8', 'surrogatepass'), safe='')}@{place}")
    assert bare == f"postgresql://{user}@{place}"
    assert secrets_for(bare) == {"password": password.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}


@pytest.mark.parametrize("password", ["p@ss", "a:b", "a/b", "a?b", "a#b", "a@b:c/d?e", "100%"])
def test_passwords_that_nobody_escaped(password: str) -> None:
    bare = take_out(f"postgresql://me:{password}@host:5432/base")
    assert bare == "postgresql://me@host:5432/base"
    assert secrets_for(bare) == {"password": password}


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
        ["train", f"host=h user=me password={SECRET} dbname=x", "--target", "y"],
        ["check", f"password='a {SECRET}' host=h user=me", "--target", "y"],
        ["predict", "model", f"dbname=x password = {SECRET}", "-o", "y.csv"],
        ["train", "a.csv", f"host=h password={SECRET}", "--target", "y"],
        ["train", "a.csv", "--target", "y", "--test", f"host=h password=my {SECRET} dbname=x"],
        ["train", f"Server=h;Database=x;Uid=me;Pwd={SECRET}", "--target", "y"],
        ["train", f"jdbc:postgresql://h/x?user=me&password={SECRET}", "--target", "y"],
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
    assert scrubbed("trainwright train a.csv --kind password=text --kind 'pwd=ordered:a<b' --monotone passwd=increasing").count("=") == 3
    assert scrubbed("trainwright train a.csv --kind password=text").endswith("password=text")
    assert scrubbed("--kind 'pwd=ordered:a<b'").endswith("a<b'")
    assert scrubbed("no URL, a@b and x: y@z") == "no URL, a@b and x: y@z"
    assert scrubbed("postgresql://me@host:5432/base") == "postgresql://me@host:5432/base"


@pytest.mark.parametrize("rest", ["", "?sslmode=require"])
def test_the_password_of_a_test_table_is_found_by_the_url_without_the_table(rest: str) -> None:
    """Each password is asked for as the connection asks: by the path of the place that was read."""
    plan = make_plan({"source": f"postgresql://a:one@h1/db1{rest}", "table": "tr", "test": f"postgresql://b:two@h2/db2{rest}#te", "target": "y"})
    assert plan.source is not None
    assert plan.test == f"postgresql://b@h2/db2{rest}#te"
    test = place_with_part(plan.test)
    assert (test.path, test.table) == (f"postgresql://b@h2/db2{rest}", "te")
    assert secrets_for(test.path) == {"password": "two"}
    assert secrets_for(place_of(plan.source).path) == {"password": "one"}


def test_a_password_after_the_question_mark_ends_before_the_test_table() -> None:
    test = place_with_part("postgresql://h3/db3?user=b&password=tw%23o#te")
    assert (test.path, test.table, secrets_for(test.path)) == ("postgresql://h3/db3?user=b", "te", {"password": "tw#o"})
    source = place_of("postgresql://h4/db4?user=b&password=tw#o")  # a source has no part behind a "#"
    assert (source.path, secrets_for(source.path)) == ("postgresql://h4/db4?user=b", {"password": "tw#o"})


def test_the_passphrase_of_a_key_is_passed_on_beside_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client is called with; the connection itself fails, since nobody listens."""
    psycopg = pytest.importorskip("psycopg")
    asked: dict[str, object] = {}

    def connect(url: str, **given: object) -> None:
        asked.update(given, url=url)
        raise psycopg.OperationalError("nobody is there")

    monkeypatch.setattr(psycopg, "connect", connect)
    place = place_of(f"postgresql://me:{SECRET}@h5/base?sslkey=my.key&sslpassword=pass%20phrase", table="t")
    with pytest.raises(SourceError, match="TW064"):
        open_source(place)
    assert asked["url"] == "postgresql://me@h5/base?sslkey=my.key"
    assert (asked["password"], asked["sslpassword"]) == (SECRET, "pass phrase")


def test_a_connection_string_is_answered_with_the_url_that_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"host=localhost user=bob password={SECRET} dbname=x", "--target", "y", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "TW064" in error
    assert "postgresql://" in error
    assert "reading: host=localhost user=bob password= dbname=x" in error
    assert SECRET not in "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


def test_a_file_may_have_the_name_of_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("user=bob.csv").write_text("x,y\n1,2\n3,4\n")
    assert open_source("user=bob.csv").scanned.height == 2
