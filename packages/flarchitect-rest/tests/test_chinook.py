"""The Chinook sample database, served from SQLite and, when asked for, from PostgreSQL and MariaDB.

`FLARCHITECT_CHINOOK` names the folder with `chinook.sqlite`, `chinook_postgresql.sql` and `chinook_mysql.sql`, from
https://github.com/lerocha/chinook-database
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from flarchitect_core.state import state_of
from flarchitect_core.testing import temporary_database
from flarchitect_rest.serve import create_app

FOLDER = os.environ.get("FLARCHITECT_CHINOOK", "")
pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="FLARCHITECT_CHINOOK does not name the folder of the Chinook database"),
    # Every link of 15,607 rows is followed.
    pytest.mark.timeout(900),
    pytest.mark.contract("issue 2"),
]

SERVERS = {
    "postgresql": os.environ.get("FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("FLARCHITECT_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}
ASKED_FOR = os.environ.get("FLARCHITECT_TEST_DATABASES", "sqlite").split(",")
NO_SERVER = pytest.param("", marks=pytest.mark.skip(reason="FLARCHITECT_TEST_DATABASES names no server"))
KINDS = ["sqlite", *(kind for kind in SERVERS if kind in ASKED_FOR)]

ROWS = {
    "Album": 347,
    "Artist": 275,
    "Customer": 59,
    "Employee": 8,
    "Genre": 25,
    "Invoice": 412,
    "InvoiceLine": 2240,
    "MediaType": 5,
    "Playlist": 18,
    "PlaylistTrack": 8715,
    "Track": 3503,
}
RELATIONS = {
    "Album": {"artist": "Artist", "tracks": "Track"},
    "Artist": {"albums": "Album"},
    "Customer": {"support_rep": "Employee", "invoices": "Invoice"},
    "Employee": {"reports_to_employee": "Employee", "employees": "Employee", "customers": "Customer"},
    "Genre": {"tracks": "Track"},
    "Invoice": {"customer": "Customer", "invoice_lines": "InvoiceLine"},
    "InvoiceLine": {"invoice": "Invoice", "track": "Track"},
    "MediaType": {"tracks": "Track"},
    "Playlist": {"playlist_tracks": "PlaylistTrack", "tracks": "Track"},
    "PlaylistTrack": {"playlist": "Playlist", "track": "Track"},
    "Track": {
        "album": "Album",
        "genre": "Genre",
        "media_type": "MediaType",
        "invoice_lines": "InvoiceLine",
        "playlist_tracks": "PlaylistTrack",
        "playlists": "Playlist",
    },
}


# --- the databases ----------------------------------------------------------------------------------------------------


def load(url: str, script: str) -> None:
    """Run a script of the sample database in a database of our own, instead of the one that it would make."""
    text = Path(FOLDER, script).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"^(DROP DATABASE|CREATE DATABASE|USE |\\c ).*$", "", text, flags=re.MULTILINE)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if connection.dialect.name != "postgresql":
            # The script writes one backslash for a backslash.
            connection.exec_driver_sql("SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
        cursor = connection.connection.cursor()
        for statement in re.split(r";\s*\n", text):
            if statement.strip():
                cursor.execute(statement)
    engine.dispose()


class Chinook:
    """The sample database on one kind of server, served read-only."""

    def __init__(self, url: str) -> None:
        self.app = create_app(url)
        self.client: FlaskClient = self.app.test_client()
        self.index: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in self.value("/api")}
        self._crawl: dict[str, Any] | None = None

    def get(self, path: str) -> dict[str, Any]:
        """GET what must answer 200."""
        response = self.client.get(path)
        assert response.status_code == 200, (path, response.get_data(as_text=True)[:500])
        return response.get_json()

    def value(self, path: str) -> Any:
        return self.get(path)["value"]

    def crawl(self) -> dict[str, tuple[int, str]]:
        """Follow every link of every answer, from the index on; give status and digest of the answer by path."""
        if self._crawl is None:
            self._crawl = {}
            waiting = ["/api"]
            while waiting:
                path = waiting.pop()
                if path in self._crawl:
                    continue
                response = self.client.get(path)
                body = response.get_json()
                self._crawl[path] = response.status_code, digest(body)
                waiting += links_of(body)
        return self._crawl

    def dispose(self) -> None:
        state_of(self.app).database.engine.dispose()


def links_of(body: dict[str, Any]) -> list[str]:
    pages = [body[name].removeprefix("http://localhost") for name in ("next_url", "previous_url") if body[name]]
    return [*pages, *links_in(body["value"])]


def links_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from links_in(item)
    elif isinstance(value, str) and value.startswith("/api/"):
        yield value


def digest(body: dict[str, Any]) -> str:
    told = {name: body[name] for name in ("value", "errors", "total_count", "next_url", "previous_url") if name in body}
    return hashlib.sha256(json.dumps(normal(told), sort_keys=True).encode()).hexdigest()


def normal(value: Any) -> Any:
    """Leave out what the databases do not agree on: the case of table names, and spaces at the end of a text.

    PostgreSQL reads the `N'…'` of its script as text of fixed length, whose spaces do not count.
    """
    if isinstance(value, dict):
        return {name: "" if name == "table" else normal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return value.rstrip() if isinstance(value, str) else value


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, Chinook]]:
    logger = logging.getLogger("flarchitect")
    level = logger.level
    # Tens of thousands of requests would each leave a line.
    logger.setLevel(logging.WARNING)
    with ExitStack() as opened:
        opened.callback(logger.setLevel, level)
        urls = {"sqlite": f"sqlite:///{Path(FOLDER).resolve() / 'chinook.sqlite'}"}
        for kind, script in (("postgresql", "chinook_postgresql.sql"), ("mariadb", "chinook_mysql.sql")):
            if kind in KINDS:
                urls[kind] = opened.enter_context(temporary_database(SERVERS[kind]))
                load(urls[kind], script)
        served = {kind: Chinook(url) for kind, url in urls.items()}
        for chinook in served.values():
            opened.callback(chinook.dispose)
        yield served


@pytest.fixture(params=KINDS)
def chinook(request: pytest.FixtureRequest, databases: dict[str, Chinook]) -> Chinook:
    return databases[request.param]


# --- the tests --------------------------------------------------------------------------------------------------------


def test_every_table_is_listed_with_all_its_rows(chinook: Chinook) -> None:
    assert {name: chinook.get(entry["url"])["total_count"] for name, entry in chinook.index.items()} == ROWS
    assert state_of(chinook.app).report.notices == []


def test_every_foreign_key_is_a_relation_in_both_directions(chinook: Chinook) -> None:
    relations = {
        resource.name: {name: relation.target.name for name, relation in resource.relations.items()}
        for resource in state_of(chinook.app).registry
    }
    assert relations == RELATIONS
    assert {name: set(entry["relations"]) for name, entry in chinook.index.items()} == {
        name: set(targets) for name, targets in RELATIONS.items()
    }


@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_can_be_followed_and_joined(chinook: Chinook, name: str) -> None:
    url = chinook.index[name]["url"]
    linked = chinook.value(f"{url}?limit=100")
    for relation, target in RELATIONS[name].items():
        joined = chinook.value(f"{url}?limit=100&dump=dynamic&join={relation}")
        inlined = {row[relation]: rows_of(full[relation]) for row, full in zip(linked, joined, strict=True)}
        link, expected = min(((link, rows) for link, rows in inlined.items() if rows), key=lambda pair: len(pair[1]))
        fields = chinook.index[target]["fields"]
        found = rows_of(chinook.value(f"{link}?limit=100" if isinstance(joined[0][relation], list) else link))
        assert [[row[field] for field in fields] for row in found] == [
            [row[field] for field in fields] for row in expected
        ]


def rows_of(value: Any) -> list[dict[str, Any]]:
    """Give the rows behind a relation: none, one or several."""
    return value if isinstance(value, list) else [value] if value else []


def test_every_link_of_every_answer_answers(chinook: Chinook) -> None:
    crawl = chinook.crawl()
    assert {path: status for path, (status, _) in crawl.items() if status != 200} == {}
    # One path for each row that others link to, its to-many relations, and all pages.
    assert len(crawl) > 16_000


@pytest.mark.parametrize("kind", KINDS[1:] or [NO_SERVER])
def test_answers_are_those_of_sqlite(databases: dict[str, Chinook], kind: str) -> None:
    expected, found = databases["sqlite"].crawl(), databases[kind].crawl()
    different = [path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)]
    assert sorted(different)[:5] == []


def test_filter_sort_and_join_work_on_served_tables(chinook: Chinook) -> None:
    tracks = chinook.value("/api/tracks?milliseconds__ge=5000000&order_by=-milliseconds&dump=dynamic&join=album")
    assert [track["name"] for track in tracks] == ["Occupation / Precipice", "Through a Looking Glass"]
    assert tracks[0]["album"]["title"] == "Battlestar Galactica, Season 3"
    assert tracks[0]["unit_price"] == "1.99"


def test_served_database_cannot_be_written(chinook: Chinook) -> None:
    for method in ("post", "put", "patch", "delete"):
        assert getattr(chinook.client, method)("/api/albums", json={}).status_code == 405
