"""The expensive books, newest first; rows of one day are ordered by key."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sqlalchemy import select
from truth import BOOKS, Truth

from .comparing import expect_page
from .operation import Answer, Operation, Request

_REQUEST = Request("GET", "/api/books", "price__ge=90&order_by=-published&limit=20")
_EXPENSIVE = BOOKS.c.price >= Decimal(90)
_NEWEST = select(BOOKS).where(_EXPENSIVE).order_by(BOOKS.c.published.desc(), BOOKS.c.id).limit(20)


def _check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
    expect_page(send(), truth.rows(_NEWEST), truth.count(_EXPENSIVE))


OPERATION = Operation(
    name="filter",
    meaning="price at least 90, newest first, 20 rows, with the total (about 10,000 match)",
    request=lambda number: _REQUEST,
    check=_check,
)
