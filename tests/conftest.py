"""Tables that installed packages carry, as the files that a user would have; and a generator with an explicit seed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from postgres_server import Server, serving

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261124)


def package_file(package: str, path: str) -> Path:
    """A file inside an installed package, without importing it."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / path


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CSV files: penguins (three species, missing cells), fair (two classes, 6,366 rows), weather (a number, by day)."""
    folder = tmp_path_factory.mktemp("tables")
    penguins = pl.read_csv(package_file("palmerpenguins", "data/penguins.csv"), null_values="NA").drop("year")
    penguins.write_csv(folder / "penguins.csv")
    fair = pl.read_csv(package_file("statsmodels", "datasets/fair/fair.csv"))
    fair.with_columns(pl.when(pl.col("affairs") > 0).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("affair")).drop("affairs").write_csv(
        folder / "fair.csv"
    )
    weather = pl.read_csv(package_file("vega_datasets", "_data/seattle-weather.csv"))
    weather.select("date", "precipitation", "wind", "temp_min", "temp_max").write_csv(folder / "weather.csv")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server with a database and a user who has to give a password."""
    with serving() as server:
        yield server
