"""SQLite files and a real PostgreSQL server: the same table as the CSV file, an order that stays, and clear refusals without secrets or values."""

from __future__ import annotations

import datetime
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from same_tables import assert_same, made_rows, write_csv

from postgres_server import PASSWORD, Server
from trainwright.data.sources import read_table
from trainwright.data.sources.place import Place, place_of, place_with_part
from trainwright.data.sources.sql import checked_query
from trainwright.errors import SourceError, TrainwrightError
from trainwright.runtime.columns import Coded


def fault(url: str | Path, **part: Any) -> TrainwrightError:
    with pytest.raises(TrainwrightError) as caught:
        read_table(place_of(url, **part))
    error = caught.value
    assert error.what
    assert error.where
    assert error.why
    assert error.fix
    shown = str(error) + repr(error.__cause__) + repr(error.args)
    assert PASSWORD not in shown
    assert "secret value" not in shown
    return error


def database(path: Path, *statements: str | tuple[str, list[Any]]) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement) if isinstance(statement, str) else connection.executemany(*statement)
    connection.commit()
    connection.close()
    return path


def sql_rows(rows: list[dict[str, Any]], **change: Any) -> list[tuple[Any, ...]]:
    return [tuple(change.get(name, lambda x: x)(cell) for name, cell in row.items()) for row in rows]


SQLITE_COLUMNS = "key INTEGER PRIMARY KEY, whole INTEGER, real REAL, word TEXT, flag TEXT, mixed, day TEXT, remark TEXT"
POSTGRES_COLUMNS = "key int PRIMARY KEY, whole int, real float8, word text, flag boolean, mixed text, day date, remark text"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return made_rows(np.random.default_rng(7))


@pytest.fixture
def lite(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    shuffled = [rows[at] for at in np.random.default_rng(1).permutation(len(rows))]
    cells = sql_rows(shuffled, flag=lambda x: None if x is None else str(x).lower())
    return database(tmp_path / "t.db", f"CREATE TABLE sales ({SQLITE_COLUMNS})", ("INSERT INTO sales VALUES (?,?,?,?,?,?,?,?)", cells))


@pytest.fixture(scope="module")
def shop(postgres: Server, rows: list[dict[str, Any]]) -> Server:
    shuffled = [rows[at] for at in np.random.default_rng(1).permutation(len(rows))]
    postgres.fill("sales", POSTGRES_COLUMNS, sql_rows(shuffled, mixed=lambda x: None if x is None else str(x)))
    postgres.fill("keyless", "x int, y text", [(at % 5, f'line\n{at % 3}, "q"') for at in range(40)])
    postgres.run("CREATE TABLE private (a int)", database="shop")
    return postgres


# ── SQLite ──


def test_sqlite_equals_the_csv_file(tmp_path, rows, lite, monkeypatch):
    truth = read_table(write_csv(tmp_path / "t.csv", rows))
    for place in (Place(str(lite)), Place(f"sqlite:///{lite}", table="sales"), Place(str(lite), query="SELECT * FROM sales ORDER BY key;")):
        assert_same(read_table(place), truth)
    monkeypatch.chdir(tmp_path)
    assert_same(read_table("sqlite:///t.db"), truth)
    lite.rename(tmp_path / "no ending")
    assert_same(read_table(tmp_path / "no ending"), truth)  # known by its first bytes
    monkeypatch.setattr("trainwright.data.sources.sqlite.BATCH", 7)
    assert_same(read_table(tmp_path / "no ending"), truth)


def test_sqlite_orders(tmp_path):
    path = database(
        tmp_path / "t.db", "CREATE TABLE byrow (x)", ("INSERT INTO byrow VALUES (?)", [(3,), (1,), (2,)]),
        "CREATE TABLE bykey (k TEXT, n INTEGER, PRIMARY KEY (n, k)) WITHOUT ROWID",
        ("INSERT INTO bykey VALUES (?,?)", [("b", 1), ("a", 2), ("a", 1)]),
        "CREATE VIEW seen AS SELECT x FROM byrow",
    )  # fmt: skip
    table = read_table(Place(str(path), table="byrow"))
    assert (table.columns["x"].tolist(), table.source.notes) == ([3, 1, 2], ("the rows stand in the order of their rowid",))
    keyed = read_table(Place(str(path), table="bykey")).columns["k"]
    assert isinstance(keyed, Coded)
    assert keyed.words() == ["a", "b", "a"]
    assert read_table(Place(str(path), table="seen")).columns["x"].tolist() == [1, 2, 3]
    assert read_table(Place(str(path), query="SELECT x FROM byrow")).columns["x"].tolist() == [1, 2, 3]
    assert read_table(Place(str(path), query="SELECT x FROM byrow ORDER BY x DESC")).columns["x"].tolist() == [3, 2, 1]


def test_sqlite_cells_of_several_types_and_bytes(tmp_path):
    cells = [(1, b"\0\1", 2**60 + at, "x" if at == 3 else at) for at in range(5)]
    path = database(tmp_path / "t.db", "CREATE TABLE t (one, raw, huge, mixed)", ("INSERT INTO t VALUES (?,?,?,?)", cells))
    table = read_table(path, kinds={"huge": "identifier", "mixed": "category"})
    notes = " | ".join(table.source.notes)
    assert "'raw' (bytes)" in notes
    assert "beyond 2^53, exact as words and rounded as numbers: 'huge'" in notes
    assert "several types, read by the rules of text cells: 'mixed'" in notes
    assert [table.columns[name].words() for name in ("huge", "mixed")] == [[str(2**60 + at) for at in range(5)], ["0", "1", "2", "x", "4"]]


@pytest.mark.parametrize(
    ("part", "code", "says"),
    [
        ({"table": "sails"}, "TW062", "did you mean 'sales'"),
        ({"query": "SELECT wrd FROM sales"}, "TW065", "did you mean 'word'"),
        ({"query": "SELECT * FROM sails"}, "TW062", "'sales'"),
        ({"query": "SELECT word FROM sales WHERE word = 'secret value' AND AND key"}, "TW065", "not valid"),
        ({"query": "DELETE FROM sales"}, "TW065", "SELECT or WITH"),
        ({"query": "SELECT 1; DELETE FROM sales"}, "TW065", "more than one"),
        ({"query": "WITH a AS (SELECT 1) INSERT INTO sales(key) SELECT 5000"}, "TW064", "would write"),
        ({"query": "SELECT * FROM sales WHERE key < 0"}, "TW024", "no rows"),
        ({"query": "SELECT key, key FROM sales"}, "TW028", "stands 2 times"),
        ({"sheet": "s"}, "TW009", "--sheet"),
    ],
)
def test_sqlite_refusals(lite, part, code, says):
    before = lite.read_bytes()
    error = fault(lite, **part)
    assert error.code == code
    assert says in str(error)
    assert lite.read_bytes() == before


def test_tables_of_sqlite_itself_are_not_offered(tmp_path):
    path = database(tmp_path / "n.db", "CREATE TABLE one (a INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE two (b)")
    for part in ({"query": "SELECT * FROM three"}, {"table": "three"}, {}):
        error = fault(path, **part)
        assert error.code == "TW062"
        assert error.fix.endswith("there are: 'one', 'two'")


def test_sqlite_files_that_are_none(tmp_path, lite):
    (tmp_path / "text.db").write_text("a,b\n1,2\n")
    assert fault(tmp_path / "text.db").code == "TW064"
    damaged = bytearray(lite.read_bytes())
    damaged[100:] = bytes(len(damaged) - 100)
    (tmp_path / "damaged.db").write_bytes(bytes(damaged))
    assert fault(tmp_path / "damaged.db", table="sales").code in ("TW062", "TW064")
    assert fault(f"sqlite:///{tmp_path}/none.db").code == "TW020"
    assert fault("sqlite://").code == "TW064"
    two = database(tmp_path / "two.db", "CREATE TABLE a (x)", "CREATE TABLE b (x)")
    error = fault(two)
    assert (error.code, "'a', 'b'" in error.fix) == ("TW062", True)
    assert fault(two, table="a").code == "TW024"


def test_a_locked_database_can_be_read_and_nothing_is_left_beside_it(tmp_path, lite):
    writer = sqlite3.connect(lite, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")  # somebody writes: reading goes on from the state before
    writer.execute("DELETE FROM sales")
    assert read_table(lite).rows == 120
    writer.execute("ROLLBACK")
    writer.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.db"]


# ── PostgreSQL ──


def test_postgres_equals_the_csv_file(tmp_path, rows, shop):
    truth = read_table(write_csv(tmp_path / "t.csv", rows))
    for part in ({"table": "sales"}, {"table": "public.sales"}, {"query": "SELECT * FROM sales ORDER BY key -- as it is"}):
        table = read_table(place_of(shop.open_url, **part))
        assert_same(table, truth)
        assert table.source.path == shop.url


def test_postgres_types(shop):
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 3, 1, 12, 30, 15, 250000, tzinfo=datetime.UTC)
    shop.fill(
        "types",
        "k serial PRIMARY KEY, n numeric(20,4), f float8, b boolean, d date, t timestamp, z timestamptz, big bigint, v varchar(9), c char(4), "
        "m money, j jsonb, r bytea, a int[], u uuid, e interval",
        [
            (at, Decimal("12345678.1234") + at, float("nan") if at == 3 else 1 / (at + 1), at % 2 == 0, day + datetime.timedelta(at),
             moment.replace(tzinfo=None) + datetime.timedelta(hours=at), moment + datetime.timedelta(hours=at), 2**60 + at, f"v{at % 2}", "ab",
             at, '{"x": 1}', b"\0", [1], f"00000000-0000-0000-0000-00000000000{at}", datetime.timedelta(hours=at))
            for at in range(8)
        ],
    )  # fmt: skip
    table = read_table(place_of(shop.open_url, table="types"), kinds={"big": "identifier", "u": "identifier"})
    assert set(table.columns) == {"k", "n", "f", "b", "d", "t", "z", "big", "v", "c", "m", "u", "e"}
    assert any("'j' (jsonb), 'r' (bytea), 'a' (arrays)" in note for note in table.source.notes)
    np.testing.assert_array_equal(table.columns["n"], [12345678.1234 + at for at in range(8)])
    np.testing.assert_array_equal(table.columns["f"], [np.nan if at == 3 else 1 / (at + 1) for at in range(8)])
    assert table.columns["b"].tolist() == [1, 0] * 4
    assert table.schema("d").kind == table.schema("t").kind == table.schema("z").kind == "datetime"
    assert table.columns["d"][0] == datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC).timestamp()
    assert table.columns["z"][2] - moment.timestamp() == table.columns["t"][2] - moment.timestamp() == 7200
    assert table.columns["big"].words() == [str(2**60 + at) for at in range(8)]
    assert table.columns["m"].tolist() == list(range(8))


odd_texts = st.text(st.sampled_from("ab \n\t,\"'\\é"), max_size=4)
loose_rows = st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | odd_texts), min_size=1, max_size=25)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=loose_rows, seed=st.integers(0, 99))
def test_rows_without_a_key_stand_by_their_content(shop, rows, seed):
    words = {"x": "number", "y": "category"}
    tables = []
    for order in (np.arange(len(rows)), np.random.default_rng(seed).permutation(len(rows))):
        shop.fill("loose", "x int, y text", [rows[at] for at in order])
        tables.append(read_table(place_of(shop.open_url, query="SELECT x, y FROM loose"), kinds=words))
    assert_same(*tables)
    assert tables[0].source.digest == tables[1].source.digest
    seen = tables[0].columns["x"]
    number = [-1 if np.isnan(value) else int(value) for value in seen]
    assert sorted(number) == sorted(-1 if row[0] is None else row[0] for row in rows)
    assert number == [value for value in sorted(number) if value >= 0] + [value for value in number if value < 0]


def test_postgres_keys_and_gaps(shop):
    shop.fill("worded", "name text PRIMARY KEY, n int", [(word, at) for at, word in enumerate(["b", "a", "C", "B"])])
    assert read_table(place_of(shop.open_url, table="worded")).columns["n"].tolist() == [3, 2, 1, 0]  # by bytes: B C a b
    shop.fill("single", "x int", [(1,), (None,), (5,), (None,), (3,)])
    np.testing.assert_array_equal(read_table(place_of(shop.open_url, table="single")).columns["x"], [1, 3, 5, np.nan, np.nan])


def test_postgres_names_that_need_quotes(shop):
    shop.run('CREATE SCHEMA IF NOT EXISTS "My Shop"', 'GRANT USAGE ON SCHEMA "My Shop" TO keeper', database="shop")
    shop.fill('"My Shop"."odd ""name"', '"a column" int, "B" text', [(at, f"w{at % 2}") for at in range(4)])
    table = read_table(place_of(shop.open_url, table='My Shop.odd "name'))
    assert list(table.columns) == ["a column", "B"]
    assert table.source.details["table"] == 'My Shop.odd "name'


@pytest.mark.parametrize(
    ("part", "code", "says"),
    [
        ({"table": "sails"}, "TW062", "did you mean 'sales'"),
        ({}, "TW062", "--table NAME"),
        ({"table": "private"}, "TW065", "may not read 'private'"),
        ({"query": "SELECT wrd FROM sales"}, "TW065", "at character 8"),
        ({"query": "SELECT wrd FROM sales"}, "TW065", "sales.word"),
        ({"query": "SELECT * FROM sails"}, "TW065", 'not there: relation "sails"'),
        ({"query": "SELECT key\nFROM sales WHERE word = 'secret value' AND AND key"}, "TW065", "at character 55"),
        ({"query": "SELECT (word || 'secret value')::int AS x FROM sales"}, "TW065", "22P02"),
        ({"query": "SELECT 1 / (key - key) AS x FROM sales"}, "TW065", "22012"),
        ({"query": "DROP TABLE sales"}, "TW065", "SELECT or WITH"),
        ({"query": "SELECT 1 AS a; DROP TABLE sales"}, "TW065", "more than one"),
        ({"query": "WITH a AS (DELETE FROM sales RETURNING *) SELECT * FROM a"}, "TW065", "0A000"),
        ({"query": "SELECT lo_creat(1) AS a"}, "TW065", "would write"),
        ({"query": "SELECT * FROM sales WHERE key < 0"}, "TW024", "no rows"),
        ({"query": "SELECT 1, 2"}, "TW028", "?column?"),
        ({"sheet": "s"}, "TW009", "--sheet"),
    ],
)
def test_postgres_refusals(shop, part, code, says):
    error = fault(shop.open_url, **part)
    assert error.code == code
    assert says in str(error)
    assert read_table(place_of(shop.open_url, table="sales")).rows == 120


def test_no_way_in(shop, monkeypatch):
    wrong = shop.open_url.replace("keeper:", "keeper:x")
    assert "password is wrong" in fault(wrong, table="sales").what
    assert "wants a password" in fault(shop.url.replace("keeper@/", "keeper@/").replace("/shop?", "/shop?application_name=a&"), table="sales").what
    assert "no such database" in fault(shop.open_url.replace("/shop?", "/shopp?"), table="sales").what
    assert "this user" in fault(shop.open_url.replace("keeper:", "nobody:"), table="sales").what
    for url in ("postgresql://a:secret%20value@127.0.0.1:1/x", "postgresql://a:secret%20value@no.such.host.invalid/x"):
        error = fault(url, table="sales")
        assert (error.code, "cannot be reached" in error.what) == ("TW064", True)
    assert fault("postgresql://a:secret%20value@[half/x", table="sales").code == "TW064"
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert read_table(place_of(shop.url.replace("/shop?", "/shop?application_name=b&"), table="sales")).rows == 120


def test_a_password_file_works_as_for_every_client(shop, tmp_path, monkeypatch):
    secret = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    (tmp_path / "pgpass").write_text(f"*:*:shop:keeper:{secret}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert read_table(place_of(shop.url.replace("/shop?", "/shop?application_name=c&"), table="sales")).rows == 120


def test_without_the_package_the_extra_is_named():
    script = "import sys; sys.modules['psycopg'] = None; from trainwright.data.sources import read_table; read_table('postgresql://a:secret@h/d')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "trainwright[postgres]" in done.stderr
    assert "MissingExtra" in done.stderr


# ── both ──


@pytest.mark.parametrize(
    ("query", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order  by a;", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) q", False),
        ("SELECT rank() OVER (ORDER BY a) FROM t", False),
        ("SELECT 'order by' FROM t -- ORDER BY a", False),
        ('SELECT "order by" FROM t /* ORDER BY a; */', False),
        ("WITH q AS (SELECT a FROM t ORDER BY a) SELECT a FROM q", False),
        ("SELECT $x$ ; order by $x$ FROM t", False),
        ("SELECT ';' AS a FROM t ORDER BY a LIMIT 5", True),
        ("VALUES (1), (2)", False),
    ],
)
def test_an_order_of_its_own_is_seen(query, ordered):
    assert checked_query(Place("sqlite:///t.db", query=query))[1] is ordered


@pytest.mark.parametrize(
    "query", ["", ";", "UPDATE t SET a = 1", "SELECT 1; SELECT 2", "-- SELECT\nDELETE FROM t", "PRAGMA writable_schema=1", "ATTACH 'x' AS y"]
)
def test_what_is_no_select(query):
    with pytest.raises(SourceError, match="TW065"):
        checked_query(Place("sqlite:///t.db", query=query))


def test_a_source_in_one_word(tmp_path):
    assert place_with_part("sqlite:///a.db#sales") == Place("sqlite:///a.db", table="sales")
    assert place_with_part("book.xlsx#two") == Place("book.xlsx", sheet="two")
    assert place_with_part("odd#name.csv") == Place("odd#name.csv")
    assert place_with_part("postgresql://me:pw@h/d#s.t") == Place("postgresql://me@h/d", table="s.t")
