"""Own the check that list operations share: a page of all books, ordered by key."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from truth import BOOKS, Truth

from .comparing import expect_page
from .operation import Answer, Request


def checks_page(*, number: int, size: int) -> Callable[[Request, Callable[[], Answer], Truth], None]:
    """Make the check for one page of books in key order.

    Args:
        number: Page, 1-based.
        size: Rows per page.
    """
    statement = select(BOOKS).order_by(BOOKS.c.id).limit(size).offset((number - 1) * size)

    def check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
        expect_page(send(), truth.rows(statement), truth.count())

    return check
