"""One book by key, another one each time."""

from __future__ import annotations

from collections.abc import Callable

from truth import Truth

from .comparing import expect_row, payload
from .operation import Answer, Operation, Request, WrongAnswerError
from .spread import spread_key


def _request(number: int) -> Request:
    return Request("GET", f"/api/books/{spread_key(number)}")


def _check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
    row = truth.book(int(request.path.rpartition("/")[2]))
    if row is None:
        raise WrongAnswerError(f"the database has no row for {request.path}")
    expect_row(payload(send(), 200)["value"], row)


OPERATION = Operation(name="one", meaning="one book by key, keys spread over the table", request=_request, check=_check)
