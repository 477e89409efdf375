"""Own the two tables every peer serves: authors and books."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Declarative base shared by all peers, free of any framework."""


class Author(Base):
    """Somebody who wrote about a hundred books."""

    __tablename__ = "authors"

    class Meta:
        """Publish the model where a peer reads `Meta`; the others do not look at it."""

        tag = "Author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    country: Mapped[str] = mapped_column(String(60))
    born: Mapped[date]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    """One of the 100,000 rows; the indices are those a shop would have."""

    __tablename__ = "books"

    class Meta:
        """Publish the model where a peer reads `Meta`; the others do not look at it."""

        tag = "Book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    isbn: Mapped[str] = mapped_column(String(13), unique=True, index=True)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2), index=True)
    published: Mapped[date] = mapped_column(index=True)
    pages: Mapped[int]
    in_print: Mapped[bool]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), index=True)
    author: Mapped[Author] = relationship(back_populates="books")
