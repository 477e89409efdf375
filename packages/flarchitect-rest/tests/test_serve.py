"""`flarchitect serve`: the command as users start it, over real HTTP, and everything it refuses."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of
from flarchitect_rest.cli import main
from flarchitect_rest.serve import create_app

COMMAND = Path(sysconfig.get_path("scripts"), "flarchitect")
ASKED_FOR = os.environ.get("FLARCHITECT_TEST_DATABASES", "sqlite").split(",")
SERVERS = {
    "postgresql": os.environ.get("FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("FLARCHITECT_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}

LIBRARY = (
    "CREATE TABLE author (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL)",
    "CREATE TABLE book (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(40), author_id INTEGER NOT NULL,"
    " FOREIGN KEY (author_id) REFERENCES author (id))",
    "INSERT INTO author VALUES (1, 'Ida'), (2, 'Ove')",
    "INSERT INTO book VALUES (1, 'Low Tide', 1), (2, 'High Tide', 1)",
)

# Everything that real databases hold and models would not: names, keys, types, text and references out of the ordinary.
ODD = (
    'CREATE TABLE "order details" ("order id" INTEGER, "2nd key" TEXT, "select" TEXT,'
    ' PRIMARY KEY ("order id", "2nd key"))',
    "INSERT INTO \"order details\" VALUES (1, 'a/b c', 'x'), (2, '', 'y'), (3, '..', 'é'), (4, '%2F?#', NULL)",
    'CREATE TABLE "2nd-hand" (metadata TEXT PRIMARY KEY, query TEXT, "class" TEXT, "Ünïcode" TEXT)',
    "INSERT INTO \"2nd-hand\" VALUES ('ключ', 'q', 'c', 'u')",
    "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, password TEXT, boss_id INTEGER REFERENCES person)",
    "INSERT INTO person VALUES (1, CAST(X'4361E9' AS TEXT), 'geheim', NULL), (2, 'Ove', 'x', 1)",
    "CREATE TABLE people (id INTEGER PRIMARY KEY)",
    "CREATE TABLE game (id INTEGER PRIMARY KEY, home REFERENCES person(id), guest REFERENCES person(id),"
    " place REFERENCES stadium(id), twice INTEGER GENERATED ALWAYS AS (id * 2))",
    "INSERT INTO game (id, home, guest) VALUES (1, 1, 2)",
    "CREATE TABLE anything (id INTEGER PRIMARY KEY, day DATE, price DECIMAL(8, 2), flag BOOLEAN, free)",
    "INSERT INTO anything VALUES (1, 'not a day', 'not a price', 'maybe', X'00FF'), (2, '2024-02-29', 1.5, 1, 1e3)",
    "CREATE TABLE journal (line TEXT)",
    "CREATE VIEW names AS SELECT name FROM person",
)


def make_file(path: Path, statements: Sequence[str]) -> str:
    """Make a SQLite file and give its URL."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{path}"


@pytest.fixture
def library(tmp_path: Path) -> str:
    return make_file(tmp_path / "library.db", LIBRARY)


# --- over real HTTP ---------------------------------------------------------------------------------------------------


class Running:
    """A running command."""

    def __init__(self, process: subprocess.Popen[str], printed: str) -> None:
        self.process = process
        self.printed = printed
        self.root = re.search(r"at (http://\S+)/\n", printed)[1]

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request; give the status and the body."""
        connection = http.client.HTTPConnection(self.root.split("/")[2], timeout=30)
        with closing(connection):
            content = None if body is None else json.dumps(body)
            sent = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, content, {**sent, **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or "null")

    def value(self, path: str) -> Any:
        """GET what must answer 200."""
        status, body = self.ask(path)
        assert status == 200, body
        return body["value"]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; give the exit code and the error stream."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextmanager
def running(*arguments: str, folder: Path | None = None) -> Iterator[Running]:
    process = subprocess.Popen(  # noqa: S603 - our own command
        [COMMAND, "serve", *arguments, "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        else:
            pytest.fail(f"not started: {process.stderr.read()}")
        yield Running(process, "".join(lines))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.contract("issue 2")
def test_database_is_served_over_http_without_code(library: str) -> None:
    with running(library) as server:
        index = server.value("/api")
        books = server.value("/api/books?order_by=-title&limit=1")
    assert [(entry["name"], entry["url"], entry["methods"]) for entry in index] == [
        ("Author", "/api/authors", ["GET"]),
        ("Book", "/api/books", ["GET"]),
    ]
    assert books == [{"id": 1, "title": "Low Tide", "author_id": 1, "author": "/api/authors/1"}]


def test_every_printed_line_can_be_tried(library: str) -> None:
    with running(library) as server:
        lines = re.findall(r'curl "([^"]+)"', server.printed)
        statuses = [server.ask(line)[0] for line in lines]
    assert len(lines) >= 4
    assert set(statuses) == {200}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [[], ["--dev"]], ids=["waitress", "dev"])
def test_signals_end_the_server_without_an_error(library: str, number: int, options: list[str]) -> None:
    with running(library, *options) as server:
        server.value("/api/books")
        code, errors = server.end(number)
    assert code == 0
    assert "Traceback" not in errors
    assert "Abort" not in errors


def test_rows_cannot_be_written_unless_asked_for(library: str) -> None:
    with running(library) as server:
        answers = [
            server.ask("/api/authors", "POST", {"id": 3, "name": "Eli"}),
            server.ask("/api/authors/1", "PATCH", {"name": "Eli"}),
            server.ask("/api/authors/1", "PUT", {"name": "Eli"}),
            server.ask("/api/authors/1", "DELETE"),
        ]
        names = [author["name"] for author in server.value("/api/authors")]
    assert [(status, body["errors"]["reason"]) for status, body in answers] == [(405, "method_not_allowed")] * 4
    assert names == ["Ida", "Ove"]


@pytest.mark.parametrize("options", [[], ["--dev"]], ids=["waitress", "dev"])
def test_write_lets_clients_create_change_and_delete(library: str, options: list[str]) -> None:
    with running(library, "--write", *options) as server:
        status, body = server.ask("/api/authors", "POST", {"name": "Eli"})
        assert (status, body["value"]["id"]) == (201, 3)
        assert server.ask("/api/authors/3", "PATCH", {"name": "Eva"})[1]["value"]["name"] == "Eva"
        assert server.ask("/api/authors/3", "DELETE")[0] == 200
        assert server.ask("/api/authors/1", "DELETE")[1]["errors"]["reason"] == "row_is_referred_to"
        assert [author["name"] for author in server.value("/api/authors")] == ["Ida", "Ove"]


def test_body_over_the_limit_is_refused_in_the_error_shape(library: str) -> None:
    with running(library, "--write") as server:
        status, body = server.ask("/api/authors", "POST", {"name": "x" * 2_000_000})
    assert (status, body["errors"]["error"]) == (413, "content_too_large")


def test_local_server_does_not_answer_to_a_name_of_the_internet(library: str) -> None:
    # A web page can make its own name lead to 127.0.0.1 and would then read the answers.
    with running(library) as server:
        port = server.root.rpartition(":")[2].split("/")[0]
        refused = server.ask("/api/books", Host=f"attacker.example:{port}")
        accepted = [server.ask("/api/books", Host=f"{name}:{port}")[0] for name in ("localhost", "127.0.0.1", "[::1]")]
    assert (refused[0], refused[1]["errors"]["reason"]) == (400, "unknown_host")
    assert accepted == [200, 200, 200]


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_server_answers_under_the_name_it_was_given(library: str, host: str) -> None:
    with running(library, "--host", host) as server:
        assert len(server.value("/api/books")) == 2


def test_no_other_origin_may_read(library: str) -> None:
    with running(library) as server:
        request = urllib.request.Request(f"{server.root}/books", headers={"Origin": "https://example.com"})  # noqa: S310
        with urllib.request.urlopen(request) as response:  # noqa: S310
            headers = {name.lower() for name, _ in response.getheaders()}
    assert not any(name.startswith("access-control") for name in headers)


def test_server_open_to_others_says_that_there_is_no_login(library: str) -> None:
    with running(library, "--host", "0.0.0.0", "--write") as server:  # noqa: S104 - what the test is about
        assert "http://127.0.0.1:" in server.printed
        assert server.value("/api/books")
        _, errors = server.end()
    assert "Warning: there is no login. Whoever reaches 0.0.0.0" in errors
    assert "change and delete" in errors


def test_files_of_the_current_folder_are_not_served(library: str, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "secret.txt").write_text("secret")
    with running(library, folder=tmp_path) as server:
        assert server.ask("/api/static/secret.txt")[0] == 404
        connection = http.client.HTTPConnection(server.root.split("/")[2])
        with closing(connection):
            connection.request("GET", "/static/secret.txt")
            assert connection.getresponse().status == 404


def test_relative_path_starts_at_the_current_folder(library: str, tmp_path: Path) -> None:
    with running("sqlite:///library.db", folder=tmp_path) as server:
        assert len(server.value("/api/books")) == 2


# --- the application --------------------------------------------------------------------------------------------------


@pytest.fixture
def client_of() -> Iterator[Callable[..., FlaskClient]]:
    """Serve a database within the test."""
    with ExitStack() as opened:

        def start(url: str, **options: Any) -> FlaskClient:
            app = create_app(url, **options)
            opened.callback(state_of(app).database.engine.dispose)
            return app.test_client()

        yield start


def index_of(client: FlaskClient, path: str = "/api") -> dict[str, dict[str, Any]]:
    return {entry["table"]: entry for entry in client.get(path).get_json()["value"]}


def notices_of(client: FlaskClient) -> list[str]:
    return list(state_of(client.application).report.notices)


def links_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from links_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from links_in(item)
    elif isinstance(value, str) and value.startswith("/api/"):
        yield value


@pytest.mark.contract("issue 2")
def test_odd_tables_are_served_or_named_in_a_notice(client_of: Any, tmp_path: Path) -> None:
    client = client_of(make_file(tmp_path / "odd.db", ODD))
    served = index_of(client)
    notices = " ".join(notices_of(client))
    assert set(served) == {"order details", "2nd-hand", "person", "people", "game", "anything"}
    assert "Table `journal` has no primary key and is not served." in notices
    assert "View `names` has no primary key and is not served." in notices
    assert "`stadium`, which is not served" in notices
    assert "Table `person` is served as `Person2`" in notices
    assert "Person2.password" in notices
    assert "to show such a column, write a model for its table" in notices
    assert "info=" not in notices


@pytest.mark.contract("issue 2")
def test_broken_foreign_keys_of_sqlite_refuse_changes_in_the_error_shape(client_of: Any, tmp_path: Path) -> None:
    client = client_of(
        make_file(
            tmp_path / "broken.db",
            (
                "CREATE TABLE dangling (id INTEGER PRIMARY KEY, x INTEGER REFERENCES nowhere(id))",
                "CREATE TABLE target (id INTEGER PRIMARY KEY, n INTEGER)",
                "CREATE TABLE wrong (id INTEGER PRIMARY KEY, x INTEGER REFERENCES target(n))",
            ),
        ),
        write=True,
    )
    assert any("leads to `nowhere`, which is not served" in notice for notice in notices_of(client))
    for path in ("/api/danglings", "/api/wrongs"):
        errors = error_of(client.post(path, json={"x": 1}), 409, "constraint_violation")
        assert "leads to a table or column that does not exist" in errors["message"]
        assert "nowhere" not in errors["message"]


@pytest.mark.contract("issue 2")
def test_names_that_are_not_ascii_are_encoded_in_the_list_of_resources(client_of: Any, tmp_path: Path) -> None:
    client = client_of(make_file(tmp_path / "words.db", ['CREATE TABLE "größe" (id INTEGER PRIMARY KEY)']))
    url = index_of(client)["größe"]["url"]
    assert url.isascii()
    assert client.get(url).status_code == 200


@pytest.mark.contract("issue 2")
def test_every_link_from_odd_tables_answers(client_of: Any, tmp_path: Path) -> None:
    client = client_of(make_file(tmp_path / "odd.db", ODD))
    waiting = ["/api"]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        response = client.get(path)
        assert response.status_code == 200, (path, response.get_data(as_text=True))
        waiting += set(links_in(response.get_json()["value"])) - seen
    assert {entry["url"] for entry in index_of(client).values()} < seen
    assert len(seen) > 10


def test_rows_with_odd_keys_are_found(client_of: Any, tmp_path: Path) -> None:
    client = client_of(make_file(tmp_path / "odd.db", ODD), write=True)
    rows = client.get("/api/order-details").get_json()["value"]
    assert [row["column_2nd_key"] for row in rows] == ["a/b c", "", "..", "%2F?#"]
    response = client.post("/api/order-details", json={"order_id": 5, "column_2nd_key": "ä/ö", "select": "new"})
    assert response.status_code == 201
    assert client.get(response.headers["Location"]).get_json()["value"]["select"] == "new"


def test_text_that_is_not_utf8_is_shown_as_far_as_it_can_be_read(client_of: Any, tmp_path: Path) -> None:
    client = client_of(make_file(tmp_path / "odd.db", ODD))
    assert client.get(f"{index_of(client)['person']['url']}/1").get_json()["value"]["name"] == "Ca\ufffd"


def test_secret_columns_are_neither_shown_nor_listed(client_of: Any, tmp_path: Path) -> None:
    client = client_of(make_file(tmp_path / "odd.db", ODD))
    assert "password" not in index_of(client)["person"]["fields"]
    assert "geheim" not in client.get(index_of(client)["person"]["url"]).get_data(as_text=True)


@pytest.mark.parametrize(
    "options,tables",
    [
        ({"include": ["author"]}, {"author"}),
        ({"include": ["A*", "b?ok"]}, {"author", "book"}),
        ({"exclude": ["bo*"]}, {"author"}),
        ({"include": ["*"], "exclude": ["author"]}, {"book"}),
    ],
)
def test_include_and_exclude_choose_tables(client_of: Any, library: str, options: Any, tables: set[str]) -> None:
    client = client_of(library, **options)
    assert set(index_of(client)) == tables
    if "author" not in tables:
        assert error_of(client.get("/api/authors"), 404, "unknown_path")


@pytest.mark.parametrize("prefix,root", [("/data/v1/", "/data/v1"), ("v2", "/v2"), ("/", "")])
def test_prefix_moves_everything(client_of: Any, library: str, prefix: str, root: str) -> None:
    client = client_of(library, prefix=prefix)
    assert index_of(client, root or "/")["book"]["url"] == f"{root}/books"
    assert client.get(f"{root}/").status_code == 200
    assert client.get(f"{root}/books/1").get_json()["value"]["author"] == f"{root}/authors/1"


def test_root_leads_to_the_list_of_resources(client_of: Any, library: str) -> None:
    response = client_of(library).get("/", follow_redirects=True)
    assert (response.request.path, response.status_code) == ("/api", 200)


def test_list_of_resources_tells_what_can_be_asked(client_of: Any, library: str) -> None:
    response = client_of(library, write=True).get("/api/").get_json()
    assert response["total_count"] == 2
    assert response["value"][1] == {
        "name": "Book",
        "table": "book",
        "url": "/api/books",
        "methods": ["DELETE", "GET", "PATCH", "POST", "PUT"],
        "fields": ["id", "title", "author_id"],
        "relations": ["author"],
    }


def test_list_of_resources_cannot_be_written(client_of: Any, library: str) -> None:
    assert error_of(client_of(library, write=True).post("/api", json={}), 405, "method_not_allowed")


@pytest.mark.parametrize("write", [False, True])
def test_file_is_opened_with_the_right_to_write_only_when_asked(client_of: Any, library: str, write: bool) -> None:
    engine = state_of(client_of(library, write=write).application).database.engine
    with engine.connect() as connection:
        if write:
            connection.exec_driver_sql("DELETE FROM book")
        else:
            with pytest.raises(sa.exc.OperationalError, match="readonly"):
                connection.exec_driver_sql("DELETE FROM book")


def test_database_in_write_ahead_mode_is_read_while_another_program_writes(client_of: Any, library: str) -> None:
    with closing(sqlite3.connect(library.removeprefix("sqlite:///"), isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        client = client_of(library)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO author VALUES (3, 'Eli')")
        assert len(client.get("/api/authors").get_json()["value"]) == 2
        writer.execute("COMMIT")
        assert len(client.get("/api/authors").get_json()["value"]) == 3


@pytest.mark.parametrize("name", ["my books.db", "50%25 #1.db", "bücher.db"])
def test_file_name_may_hold_any_character(client_of: Any, tmp_path: Path, name: str) -> None:
    make_file(tmp_path / name, LIBRARY)
    url = sa.URL.create("sqlite", database=str(tmp_path / name)).render_as_string()
    assert len(index_of(client_of(url))) == 2


def test_parameters_of_the_file_are_kept(client_of: Any, library: str) -> None:
    client = client_of(f"{library}?uri=true&immutable=1&timeout=3")
    assert len(client.get("/api/books").get_json()["value"]) == 2


# --- servers ----------------------------------------------------------------------------------------------------------

NO_SERVER = pytest.param("", marks=pytest.mark.skip(reason="FLARCHITECT_TEST_DATABASES names no server"))
on_server = pytest.mark.parametrize("kind", [kind for kind in SERVERS if kind in ASKED_FOR] or [NO_SERVER])


@pytest.fixture
def server_library(kind: str) -> Iterator[str]:
    from flarchitect_core.testing import temporary_database

    with temporary_database(SERVERS[kind]) as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            for statement in LIBRARY:
                connection.exec_driver_sql(statement)
        engine.dispose()
        yield url


@pytest.mark.contract("issue 2")
@on_server
def test_server_database_is_served_over_http(server_library: str, kind: str) -> None:
    with running(server_library) as server:
        assert {entry["table"] for entry in server.value("/api")} == {"author", "book"}
        assert server.value("/api/books/1")["title"] == "Low Tide"
        assert server.value("/api/authors/1/books")[1]["title"] == "High Tide"
        assert server.ask("/api/books/1", "DELETE")[0] == 405


@on_server
def test_server_itself_refuses_changes_unless_write_is_given(client_of: Any, server_library: str, kind: str) -> None:
    engine = state_of(client_of(server_library).application).database.engine
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.only"):
        connection.exec_driver_sql("DELETE FROM book")
    client = client_of(server_library, write=True)
    assert client.delete("/api/books/2").status_code == 200


@on_server
def test_url_without_a_driver_takes_an_installed_one(client_of: Any, server_library: str, kind: str) -> None:
    plain = sa.make_url(server_library).set(drivername=kind).render_as_string(hide_password=False)
    assert client_of(plain).get("/api/books/1").status_code == 200


@on_server
def test_wrong_password_is_refused_without_repeating_it(server_library: str, kind: str) -> None:
    url = sa.make_url(server_library).set(username="flarchitect_nobody", password="correcthorse")
    result = refused(url.render_as_string(hide_password=False), code=1)
    assert "refuses the user `flarchitect_nobody`. Correct user and password" in result
    assert "correcthorse" not in result


@on_server
def test_missing_database_is_named(server_library: str, kind: str) -> None:
    url = sa.make_url(server_library).set(database="flarchitect_not_there")
    assert "has no database `flarchitect_not_there`" in refused(url.render_as_string(hide_password=False), code=1)


@on_server
def test_table_that_may_not_be_read_is_403_and_named_at_the_start(
    client_of: Any, server_library: str, kind: str, guest_of: Any
) -> None:
    granted = ["GRANT SELECT ON author TO", "GRANT INSERT ON book TO"]
    client = client_of(guest_of(server_library, granted))
    assert client.get("/api/authors/1").status_code == 200
    errors = error_of(client.get("/api/books"), 403, "database_permission")
    assert "does not let this server read what Book needs. Grant its user the right" in errors["message"]
    if kind == "postgresql":
        notices = [notice for notice in notices_of(client) if "may not be read" in notice]
        assert len(notices) == 1
        assert notices[0].startswith("Table `book` may not be read")


@on_server
def test_table_that_may_not_be_changed_is_named_when_changes_are_asked_for(
    client_of: Any, server_library: str, kind: str, guest_of: Any
) -> None:
    granted = ["GRANT SELECT ON author TO", "GRANT SELECT, INSERT ON book TO"]
    client = client_of(guest_of(server_library, granted), write=True)
    error_of(client.post("/api/authors", json={"id": 9, "name": "Liv"}), 403, "database_permission")
    if kind == "postgresql":
        notices = [notice for notice in notices_of(client) if "may not be changed" in notice]
        assert len(notices) == 1
        assert notices[0].startswith("Table `author` may not be changed")


@on_server
def test_missing_schema_is_named(server_library: str, kind: str) -> None:
    assert "has no schema `flarchitect_not_there`" in refused(server_library, "--schema", "flarchitect_not_there")


# --- what is refused --------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["serve", *arguments, "--port", "0"])


def refused(*arguments: str, code: int = 2) -> str:
    """Run a command that must be refused, and give its one line."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("flarchitect: ")
    return line


@pytest.mark.contract("issue 2")
@pytest.mark.parametrize(
    "url,code,sentence",
    [
        ("", 2, "not a database URL. Write it as in sqlite:///shop.db"),
        ("shop.db", 2, "Write sqlite:///shop.db for a SQLite file."),
        ("sqlite:/shop.db", 2, "Write sqlite:////shop.db"),
        ("sqlite://shop.db", 2, "three slashes before the path. Write sqlite:///shop.db"),
        ("sqlite://", 2, "an empty database in memory. Name a file"),
        ("sqlite:///:memory:", 2, "an empty database in memory. Name a file"),
        ("postgres://localhost/shop", 2, "knows no database `postgres`. Did you mean postgresql://?"),
        ("https://example.com/shop", 2, "knows no database `https`. Install the package"),
        ("postgresql+pycopg://localhost/shop", 2, "PostgreSQL has no driver `pycopg`. Write postgresql+psycopg://"),
        ("postgresql+asyncpg://localhost/shop", 2, "`asyncpg` is an asynchronous driver"),
        ("postgresql+psycopg://localhost:port/shop", 2, "The port in the database URL is not a number."),
        ("mysql+pymysql://localhost", 2, "The URL names no database."),
        ("sqlite:///missing.db", 1, "missing.db. Correct the path"),
        ("sqlite:///library.db?bogus=1", 2, "(bogus). Remove them, or add uri=true"),
        ("postgresql+psycopg://127.0.0.1/shop?bogus=1", 1, "the parameters after `?` in the URL (bogus). Correct"),
        ("mysql+pymysql://127.0.0.1/shop?bogus=1", 1, "the parameters after `?` in the URL (bogus). Correct"),
        ("postgresql+psycopg://a:b@host.invalid/shop", 1, "The host `host.invalid` cannot be found."),
        ("mysql+pymysql://a:b@host.invalid/shop", 1, "The host `host.invalid` cannot be found."),
        ("postgresql+psycopg://a:b/c@host.invalid/shop", 1, "In a password, @ is written %40 and / is written %2F"),
    ],
)  # fmt: skip
def test_wrong_url_is_one_sentence_with_the_fix(
    url: str, code: int, sentence: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(url, code=code)
    assert [path.name for path in tmp_path.iterdir()] == ["library.db"]


@pytest.mark.contract("issue 2")
@pytest.mark.parametrize(
    "url,module,install",
    [
        ("postgresql://localhost/shop", "psycopg", 'pip install "psycopg[binary]"'),
        ("postgresql+psycopg://localhost/shop", "psycopg", 'pip install "psycopg[binary]"'),
        ("mysql+pymysql://localhost/shop", "pymysql", "pip install PyMySQL"),
        ("mysql+mysqldb://localhost/shop", "MySQLdb", "pip install mysqlclient"),
        ("postgresql+psycopg2://localhost/shop", "psycopg2", "pip install psycopg2-binary"),
        ("oracle+oracledb://localhost/shop", "oracledb", "pip install oracledb"),
    ],
)
def test_missing_driver_is_named_as_pip_knows_it(
    url: str, module: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python's own way to say that a module is not there.
    for name in (module, "psycopg2" if module == "psycopg" else module):
        monkeypatch.setitem(sys.modules, name, None)
    line = refused(url, code=1)
    assert "is not installed" in line
    assert f"Run `{install}`." in line


@pytest.mark.contract("issue 2")
@pytest.mark.parametrize("scheme,product", [("postgresql+psycopg", "PostgreSQL"), ("mysql+pymysql", "MySQL")])
def test_unreachable_server_is_one_sentence(scheme: str, product: str) -> None:
    with closing(socket.socket()) as taken:
        # Taken, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        line = refused(f"{scheme}://user:secret@127.0.0.1:{port}/shop", code=1)
    assert f"{product} at 127.0.0.1:{port} does not answer. Start the server" in line


@pytest.mark.contract("issue 2")
@pytest.mark.parametrize("scheme,product", [("postgresql+psycopg", "PostgreSQL"), ("mysql+pymysql", "MySQL")])
def test_server_that_says_nothing_is_given_up_within_seconds(scheme: str, product: str) -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        started = time.monotonic()
        line = refused(f"{scheme}://user:secret@127.0.0.1:{port}/shop", code=1)
    assert time.monotonic() - started < 10
    assert f"{product} at 127.0.0.1:{port} does not answer." in line


@pytest.mark.parametrize(
    "content,sentence",
    [
        (b"this is a letter and no database at all", "is not a SQLite database"),
        (b"", "The database has no tables."),
    ],
)
def test_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "letter.db").write_bytes(content)
    assert sentence in refused(f"sqlite:///{tmp_path / 'letter.db'}", code=1)
    assert (tmp_path / "letter.db").read_bytes() == content


def test_folder_is_no_database(tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder." in refused(f"sqlite:///{tmp_path}", code=1)


def test_three_slashes_before_an_absolute_path_are_noticed(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    short = library.replace("sqlite:////", "sqlite:///")
    assert f"An absolute path takes four slashes: {library}" in refused(short, code=1)


@pytest.mark.parametrize("parameters", ["mode=ro", "immutable=1"])
def test_url_that_forbids_to_write_contradicts_write(library: str, parameters: str) -> None:
    assert "--write says the opposite. Leave out one." in refused(f"{library}?uri=true&{parameters}", "--write")


def test_locked_database_is_named(library: str) -> None:
    with closing(sqlite3.connect(library.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "is locked. Close the program that writes to it." in refused(f"{library}?timeout=0.05", code=1)


def test_database_without_a_table_to_serve_says_why(tmp_path: Path) -> None:
    url = make_file(tmp_path / "journal.db", ["CREATE TABLE journal (line TEXT)"])
    line = refused(url, code=1)
    assert "No table can be served. Table `journal` has no primary key and is not served." in line


@pytest.mark.parametrize(
    "options,sentence",
    [
        (["--include", "bok"], "`bok` fits no table or view of the database. Did you mean `book`?"),
        (["--exclude", "x*"], "`x*` fits no table or view of the database."),
        (["--include", "bok", "--exclude", "autor"], "Did you mean `author`?"),
        (["--include", "book", "--exclude", "b*"], "Nothing is left to serve after --include and --exclude."),
        (["--schema", "sales"], "The database has no schema `sales`. Its schemas are main."),
        (["--prefix", "/a b"], "The prefix `/a b` is not a plain path."),
        (["--prefix", "/<int:x>"], "is not a plain path."),
        (["--host", "host.invalid"], "The host `host.invalid` cannot be found. Use --host 127.0.0.1"),
        (["--host", "192.0.2.1"], "`192.0.2.1` is not an address of this machine."),
    ],
)
def test_wrong_option_is_one_sentence_with_the_fix(library: str, options: list[str], sentence: str) -> None:
    assert sentence in refused(library, *options)


def test_taken_port_is_one_sentence(library: str) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", library, "--port", str(port)])
    assert result.exit_code == 1
    assert result.stderr == (
        f"flarchitect: Port {port} on 127.0.0.1 is taken. Stop what uses it, or choose another, "
        f"such as --port {port + 1}.\n"
    )


def test_port_without_permission_is_one_sentence(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Guarded(socket.socket):
        def bind(self, address: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    # The user who runs the tests may take every port.
    monkeypatch.setattr(socket, "socket", Guarded)
    result = CliRunner().invoke(main, ["serve", library, "--port", "80"])
    assert result.exit_code == 1
    assert "No permission to listen on port 80. Choose one from 1024 on" in result.stderr


def test_missing_waitress_is_one_sentence(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "waitress", None)
    line = refused(library, code=1)
    assert 'Run `pip install "flarchitect-rest[serve]"`' in line
    assert "--dev" in line


def test_file_without_permission_to_write_cannot_be_served_for_writing(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The user who runs the tests may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert "Leave --write out to read." in refused(library, "--write", code=1)


def test_version_is_printed() -> None:
    for arguments in (["--version"], ["serve", "--version"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0
        assert re.fullmatch(r"flarchitect \d+\.\d+\.\d+\S*\n", result.output)
