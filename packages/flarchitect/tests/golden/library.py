"""A small library whose document is kept beside it.

    flask --app packages/flarchitect/tests/golden/library.py openapi export --format yaml \\
        -o packages/flarchitect/tests/golden/library.yaml

writes it anew where it is meant to change; the difference is what users will see.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from typing import Any

import marshmallow as ma
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_auth.part import AuthPart
from flarchitect_core.architect import Architect
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(80)}


class Kind(enum.Enum):
    NOVEL = "novel"
    POEM = "poem"


class Author(Base):
    """Whoever writes books."""

    __tablename__ = "authors"

    class Meta:
        tag = "Authors"
        tag_group = "Library"
        role_map = {"DELETE": "librarian"}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(info={"description": "As on the cover.", "example": "Mira Holt"})
    password_hash: Mapped[str | None]
    books: Mapped[list[Book]] = relationship(back_populates="author")

    def checks(self, password: str) -> bool:
        return self.password_hash == password


class Book(Base):
    __tablename__ = "books"

    class Meta:
        tag = "Books"
        tag_group = "Library"
        rate_limit = "60 per minute"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    kind: Mapped[Kind | None]
    price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(8, 2), default=decimal.Decimal(0))
    printed: Mapped[dt.datetime | None]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")


class LoanSchema(ma.Schema):
    book_id = ma.fields.Integer(required=True)
    days = ma.fields.Integer(load_default=14, validate=ma.validate.Range(1, 28))


app = Flask("library")
app.config.update(
    SECRET_KEY="u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
    ACCESS_SECRET_KEY="kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d",
    REFRESH_SECRET_KEY="pR3-refresh-8sGu2Ea6oK0iD5xN7bV1wQ4",
    API_TITLE="Library",
    API_VERSION="1.0",
    API_DESCRIPTION="Books, and who wrote them.",
    API_BASE_MODEL=Base,
    API_DATABASE_URI="sqlite://",
    API_AUTHENTICATE_METHOD=["jwt", "basic"],
    API_USER_MODEL=Author,
    API_USER_LOOKUP_FIELD="name",
    API_CREDENTIAL_CHECK_METHOD="checks",
    API_AUTH_REQUIREMENTS={"GET": False},
)
architect = Architect(app, parts=[RestPart(), AuthPart(), DocsPart()])


@app.post("/loans")
@architect.schema_constructor(input_schema=LoanSchema, output_schema=LoanSchema, tag="Loans", error_responses=[404])
def lend(deserialized_data: dict[str, Any]) -> dict[str, Any]:
    """Lend a book.

    The reader has to be known.
    """
    return deserialized_data
