"""The least work that gives the answers: bare WSGI, one driver connection, fixed SQL, orjson.

It validates nothing and knows only the benchmark's requests. Nobody can be faster by much; the distance to it is
what a framework costs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LIST = """SELECT id, title, isbn, price, published, pages, in_print, author_id
    FROM books ORDER BY id LIMIT ? OFFSET ?"""
_LIST_COUNT = "SELECT count(*) FROM books"
_FILTER = """SELECT id, title, isbn, price, published, pages, in_print, author_id
    FROM books WHERE price >= ? ORDER BY published DESC, id LIMIT ? OFFSET ?"""
_FILTER_COUNT = "SELECT count(*) FROM books WHERE price >= ?"
_ONE = "SELECT id, title, isbn, price, published, pages, in_print, author_id FROM books WHERE id = ?"
_AUTHORS = "SELECT id, name, country, born FROM authors ORDER BY id LIMIT ?"
_AUTHORS_COUNT = "SELECT count(*) FROM authors"
_THEIR_BOOKS = """SELECT id, title, isbn, price, published, pages, in_print, author_id
    FROM books WHERE author_id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT = """INSERT INTO books (title, isbn, price, published, pages, in_print, author_id) VALUES (?, ?, ?, ?, ?, ?, ?)
    RETURNING id, title, isbn, price, published, pages, in_print, author_id"""
_UPDATE = """UPDATE books SET title = ?, price = ? WHERE id = ?
    RETURNING id, title, isbn, price, published, pages, in_print, author_id"""
_INSERTED = ("title", "isbn", "price", "published", "pages", "in_print", "author_id")
_UPDATED = ("title", "price")
_STATUS = {200: "200 OK", 201: "201 Created", 404: "404 Not Found"}
_Row = tuple[Any, ...]
_Query = Callable[[str, tuple[Any, ...]], list[_Row]]


def create_app(url: str) -> WSGIApplication:
    """Build the application on one database.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL.
    """
    query = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, content = _answer(query, environ)
        body = orjson.dumps(content)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(_STATUS[status], headers)
        return [body]

    return application


def _sqlite(url: str) -> _Query:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, cached_statements=64)

    def query(statement: str, values: tuple[Any, ...] = ()) -> list[_Row]:
        return connection.execute(statement, values).fetchall()

    return query


def _postgresql(url: str) -> _Query:
    # Loaded by name: a run on SQLite needs no driver.
    connection = import_module("psycopg").connect(f"postgresql://{url.partition('://')[2]}", autocommit=True)
    cursor = connection.cursor()

    def query(statement: str, values: tuple[Any, ...] = ()) -> list[_Row]:
        rows: list[_Row] = cursor.execute(statement.replace("?", "%s"), values).fetchall()
        return rows

    return query


def _answer(query: _Query, environ: WSGIEnvironment) -> tuple[int, dict[str, Any]]:
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if path == "/api/books":
        return _create(query, environ) if method == "POST" else _books(query, environ["QUERY_STRING"])
    if path == "/api/authors":
        return _authors(query, environ["QUERY_STRING"])
    key = int(path.removeprefix("/api/books/"))
    return _change(query, key, environ) if method == "PATCH" else _one(query, key)


def _books(query: _Query, text: str) -> tuple[int, dict[str, Any]]:
    arguments = dict(parse_qsl(text))
    size = int(arguments["limit"])
    page = (size, (int(arguments.get("page", 1)) - 1) * size)
    if "price__ge" in arguments:
        least = int(arguments["price__ge"])
        rows = query(_FILTER, (least, *page))
        ((total,),) = query(_FILTER_COUNT, (least,))
    else:
        rows = query(_LIST, page)
        ((total,),) = query(_LIST_COUNT, ())
    return 200, {"value": [_book(row) for row in rows], "total_count": total}


def _one(query: _Query, key: int) -> tuple[int, dict[str, Any]]:
    return _single(query(_ONE, (key,)), 200)


def _authors(query: _Query, text: str) -> tuple[int, dict[str, Any]]:
    size = int(dict(parse_qsl(text))["limit"])
    authors = {
        row[0]: {"id": row[0], "name": row[1], "country": row[2], "born": row[3], "books": []}
        for row in query(_AUTHORS, (size,))
    }
    for row in query(_THEIR_BOOKS, tuple(authors)):
        authors[row[7]]["books"].append(_book(row))
    ((total,),) = query(_AUTHORS_COUNT, ())
    return 200, {"value": list(authors.values()), "total_count": total}


def _create(query: _Query, environ: WSGIEnvironment) -> tuple[int, dict[str, Any]]:
    sent = orjson.loads(environ["wsgi.input"].read())
    return _single(query(_INSERT, tuple([sent[name] for name in _INSERTED])), 201)


def _change(query: _Query, key: int, environ: WSGIEnvironment) -> tuple[int, dict[str, Any]]:
    sent = orjson.loads(environ["wsgi.input"].read())
    return _single(query(_UPDATE, (*[sent[name] for name in _UPDATED], key)), 200)


def _single(rows: list[_Row], status: int) -> tuple[int, dict[str, Any]]:
    return (status, {"value": _book(rows[0]), "total_count": 1}) if rows else (404, {"value": None})


def _book(row: _Row) -> dict[str, Any]:
    return {
        "id": row[0],
        "title": row[1],
        "isbn": row[2],
        "price": f"{row[3]:.2f}",
        "published": row[4],
        "pages": row[5],
        "in_print": bool(row[6]),
        "author_id": row[7],
    }
