"""One committed insert."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dataset import AUTHORS
from sqlalchemy import select
from truth import BOOKS, Truth

from .comparing import expect_row, payload
from .operation import Answer, Operation, Request, WrongAnswerError


def _new_book(number: int) -> dict[str, Any]:
    return {
        "title": f"A new book, number {number}",
        "isbn": f"979{number:010d}",
        "price": f"{number % 9_000 / 100:.2f}",
        "published": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "pages": 100 + number % 400,
        "in_print": number % 2 == 0,
        "author_id": number % AUTHORS + 1,
    }


def _request(number: int) -> Request:
    return Request("POST", "/api/books", body=json.dumps(_new_book(number)).encode())


def _check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
    sent = json.loads(request.body)
    before = truth.count()
    found = payload(send(), 201)["value"]
    rows = truth.rows(select(BOOKS).where(BOOKS.c.isbn == sent["isbn"]))
    if truth.count() != before + 1 or len(rows) != 1:
        raise WrongAnswerError("the row is not in the database after the answer")
    expect_row(rows[0], {"id": rows[0]["id"], **sent})
    expect_row(found, rows[0])


OPERATION = Operation(
    name="create", meaning="insert one book, committed", request=_request, check=_check, status=201, writes=True
)
