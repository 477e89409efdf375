"""The documentation of a database that is served without code: what a newcomer sees of it is true and can be tried."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from flarchitect_core.state import state_of
from flarchitect_rest.serve import create_app
from flarchitect_rest.serve.greeting import greeting
from flarchitect_rest.serve.listener import Address

TABLES = """
CREATE TABLE Artist (ArtistId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE Album (AlbumId INTEGER NOT NULL PRIMARY KEY, Title NVARCHAR(160) NOT NULL, ArtistId INTEGER NOT NULL,
  FOREIGN KEY (ArtistId) REFERENCES Artist (ArtistId));
CREATE TABLE Customer (CustomerId INTEGER NOT NULL PRIMARY KEY, Phone NVARCHAR(24) NOT NULL,
  Email NVARCHAR(60) NOT NULL, PostalCode NVARCHAR(10), Born DATETIME, Spent NUMERIC(10,2) NOT NULL);
INSERT INTO Artist VALUES (1, 'AC/DC');
INSERT INTO Album VALUES (1, 'Let There Be Rock', 1);
INSERT INTO Customer VALUES (1, '+44 20 7946 0000', 'ida@example.org', NULL, NULL, 3);
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., FlaskClient]]:
    path = tmp_path / "music.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    clients: list[FlaskClient] = []

    def start(**options: Any) -> FlaskClient:
        clients.append(create_app(f"sqlite:///{path}", **options).test_client())
        return clients[-1]

    yield start
    for client in clients:
        engine = state_of(client.application).database.engine
        assert engine is not None
        engine.dispose()


def document_of(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/docs/apispec.json").get_json()
    return document


@pytest.mark.contract("docs 3.3")
def test_each_table_is_a_tag(serve: Callable[..., FlaskClient]) -> None:
    document = document_of(serve())
    assert {"name": "Album", "description": "Table `Album`."} in document["tags"]
    assert document["paths"]["/api/albums"]["get"]["tags"] == ["Album"]
    assert document["x-tagGroups"][0] == {"name": "Resources", "tags": ["Album", "Artist", "Customer", "Index"]}


@pytest.mark.contract("docs D-4")
def test_every_route_is_described_and_answers(serve: Callable[..., FlaskClient]) -> None:
    client = serve()
    for path, item in document_of(client)["paths"].items():
        for variable in ("ArtistId", "AlbumId", "CustomerId"):
            path = path.replace(f"{{{variable}}}", "1")
        assert client.get(path).status_code == 200, path
        assert set(item) == {"get"}
    assert "/api" in document_of(client)["paths"]


@pytest.mark.contract("docs 3.6")
def test_the_examples_of_bodies_can_be_sent(serve: Callable[..., FlaskClient]) -> None:
    client = serve(write=True)
    for path, item in document_of(client)["paths"].items():
        for method in ("post", "put", "patch"):
            if method in item:
                example = item[method]["requestBody"]["content"]["application/json"]["example"]
                for variable in ("ArtistId", "AlbumId", "CustomerId"):
                    path = path.replace(f"{{{variable}}}", "1")
                answer = client.open(path, method=method, json=example)
                assert answer.status_code in (200, 201), (method, path, example, answer.text)


def test_the_greeting_names_the_page(serve: Callable[..., FlaskClient]) -> None:
    client = serve()
    lines = list(greeting(state_of(client.application), Address("127.0.0.1", 5000, "127.0.0.1"), write=False))
    assert "In a browser: http://127.0.0.1:5000/docs" in lines
    assert client.get("/docs").status_code == 200
