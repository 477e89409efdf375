"""One committed update of two columns."""

from __future__ import annotations

import json
from collections.abc import Callable

from truth import Truth

from .comparing import expect_row, payload
from .operation import Answer, Operation, Request, WrongAnswerError
from .spread import spread_key


def _request(number: int) -> Request:
    # Below 90, so that the row leaves the filter operation's range or stays out of it, alike for all peers.
    body = {"title": f"A changed title, number {number}", "price": f"{number % 9_000 / 100:.2f}"}
    return Request("PATCH", f"/api/books/{spread_key(number)}", body=json.dumps(body).encode())


def _check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
    key = int(request.path.rpartition("/")[2])
    before = truth.book(key)
    found = payload(send(), 200)["value"]
    after = truth.book(key)
    if before is None or after is None:
        raise WrongAnswerError(f"the database has no row for {request.path}")
    expect_row(after, {**before, **json.loads(request.body)})
    expect_row(found, after)


OPERATION = Operation(
    name="patch",
    meaning="update two columns of one book, committed, another row each time",
    request=_request,
    check=_check,
    writes=True,
)
