"""The hand-written application that everything is compared with: Flask, SQLAlchemy ORM and marshmallow.

It is written as a careful developer would: one session per request, bounded pages, validated bodies, the exact
count without a subquery, relations loaded with one statement.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from flask import Flask, Response, abort, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema, ValidationError, fields, validate
from models import Author, Book
from sqlalchemy import ColumnElement, Select, create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload, sessionmaker

_MAX_SIZE = 100
_BOOK_ORDERS: dict[str, ColumnElement[Any]] = {
    "id": Book.id.asc(),
    "-id": Book.id.desc(),
    "published": Book.published.asc(),
    "-published": Book.published.desc(),
}


class BookSchema(Schema):
    """All columns of a book, in and out."""

    id = fields.Integer(dump_only=True)
    title = fields.String(required=True, validate=validate.Length(max=200))
    isbn = fields.String(required=True, validate=validate.Length(max=13))
    price = fields.Decimal(required=True, places=2, as_string=True)
    published = fields.Date(required=True)
    pages = fields.Integer(required=True)
    in_print = fields.Boolean(required=True)
    author_id = fields.Integer(required=True)


class AuthorSchema(Schema):
    """All columns of an author, with the books."""

    id = fields.Integer(dump_only=True)
    name = fields.String(required=True, validate=validate.Length(max=120))
    country = fields.String(required=True, validate=validate.Length(max=60))
    born = fields.Date(required=True)
    books = fields.List(fields.Nested(BookSchema), dump_only=True)


_book = BookSchema()
_books = BookSchema(many=True)
_book_changes = BookSchema(partial=True)
_authors = AuthorSchema(many=True, exclude=("books",))
_authors_with_books = AuthorSchema(many=True)


def create_app(url: str) -> Flask:
    """Build the application on one database.

    Args:
        url: SQLAlchemy URL.
    """
    app = Flask("baseline")
    app.secret_key = secrets.token_urlsafe(48)  # as every application in production has one, and Flask works with it
    app.json.sort_keys = False  # type: ignore[attr-defined]
    sessions = sessionmaker(create_engine(url), expire_on_commit=False)
    _add_reads(app, sessions)
    _add_document(app)
    _add_writes(app, sessions)
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(IntegrityError, _conflict)
    return app


def _add_document(app: Flask) -> None:
    # As large as that of flarchitect for these models, and as a developer would serve it who writes it by hand.
    described = {"openapi": "3.1.1", "info": {"description": "Books. " * 12_800}, "paths": {"/api/books": {}}}
    written = json.dumps(described).encode()

    @app.get("/docs/apispec.json")
    def document() -> ResponseReturnValue:
        return Response(written, content_type="application/json")


def _add_reads(app: Flask, sessions: sessionmaker[Session]) -> None:
    @app.get("/api/books")
    def list_books() -> ResponseReturnValue:
        statement = select(Book)
        count = select(func.count()).select_from(Book)
        cheapest = request.args.get("price__ge")
        if cheapest is not None:
            criterion = Book.price >= _book.fields["price"].deserialize(cheapest)
            statement, count = statement.where(criterion), count.where(criterion)
        order = _BOOK_ORDERS.get(request.args.get("order_by", "id"))
        if order is None:
            abort(400)
        with sessions() as session:
            books = session.scalars(_paged(statement.order_by(order, Book.id))).all()
            return {"value": _books.dump(books), "total_count": session.scalar(count)}

    @app.get("/api/books/<int:key>")
    def get_book(key: int) -> ResponseReturnValue:
        with sessions() as session:
            return {"value": _book.dump(session.get(Book, key) or abort(404)), "total_count": 1}

    @app.get("/api/authors")
    def list_authors() -> ResponseReturnValue:
        statement, schema = select(Author).order_by(Author.id), _authors
        if request.args.get("dump") == "json":
            statement, schema = statement.options(selectinload(Author.books)), _authors_with_books
        with sessions() as session:
            authors = session.scalars(_paged(statement)).all()
            total = session.scalar(select(func.count()).select_from(Author))
            return {"value": schema.dump(authors), "total_count": total}


def _add_writes(app: Flask, sessions: sessionmaker[Session]) -> None:
    @app.post("/api/books")
    def create_book() -> ResponseReturnValue:
        book = Book(**_book.load(request.get_json()))
        with sessions() as session:
            session.add(book)
            session.flush()
            body = {"value": _book.dump(book), "total_count": 1}
            session.commit()
        return body, 201, {"Location": f"/api/books/{book.id}"}

    @app.patch("/api/books/<int:key>")
    def change_book(key: int) -> ResponseReturnValue:
        changes = _book_changes.load(request.get_json())
        with sessions() as session:
            book = session.get(Book, key) or abort(404)
            for name, value in changes.items():
                setattr(book, name, value)
            session.flush()
            body = {"value": _book.dump(book), "total_count": 1}
            session.commit()
        return body


def _paged(statement: Select[Any]) -> Select[Any]:
    """Apply the request's `limit` and `page`, both bounded."""
    size = min(max(request.args.get("limit", 20, type=int), 1), _MAX_SIZE)
    number = max(request.args.get("page", 1, type=int), 1)
    return statement.limit(size).offset((number - 1) * size)


def _invalid(error: ValidationError) -> ResponseReturnValue:
    return {"value": None, "errors": error.messages}, 400


def _conflict(error: IntegrityError) -> ResponseReturnValue:
    return {"value": None, "errors": "The row contradicts another one."}, 409
