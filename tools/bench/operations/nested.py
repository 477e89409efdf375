"""Twenty authors with all their books, about two thousand rows in one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataset import AUTHORS as AUTHOR_COUNT
from sqlalchemy import select
from truth import AUTHORS, BOOKS, Truth

from .comparing import expect_page, expect_rows
from .operation import Answer, Operation, Request, WrongAnswerError

_REQUEST = Request("GET", "/api/authors", "limit=20&dump=json")
_PAGE = select(AUTHORS).order_by(AUTHORS.c.id).limit(20)


def _check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
    authors = expect_page(send(), truth.rows(_PAGE), AUTHOR_COUNT)
    for author in authors:
        books = truth.rows(select(BOOKS).where(BOOKS.c.author_id == author["id"]).order_by(BOOKS.c.id))
        expect_rows(_by_key(author), books)


def _by_key(author: dict[str, Any]) -> list[Any]:
    """Sort the books of an answer: the relationship declares no order, so any order is right."""
    try:
        return sorted(author["books"], key=lambda book: int(book["id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WrongAnswerError(f"author {author['id']} has no list of books: {error!r}") from error


OPERATION = Operation(
    name="nested",
    meaning="20 authors by key with all their books (about 2,000), with the total",
    request=lambda number: _REQUEST,
    check=_check,
)
