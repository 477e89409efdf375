"""The OpenAPI document, against bytes of the same size that were written before."""

from __future__ import annotations

import json
from collections.abc import Callable

from truth import Truth

from .operation import Answer, Operation, Request, WrongAnswerError


def _request(number: int) -> Request:
    return Request("GET", "/docs/apispec.json")


def _check(request: Request, send: Callable[[], Answer], truth: Truth) -> None:
    answer = send()
    if answer.status != 200 or answer.content_type != "application/json":
        raise WrongAnswerError(f"{answer.status} {answer.content_type} instead of 200 application/json")
    if "/api/books" not in json.loads(answer.body)["paths"]:
        raise WrongAnswerError("the document does not describe the books")


OPERATION = Operation(
    name="document",
    meaning="the OpenAPI document; the baseline answers with bytes that were written before",
    request=_request,
    check=_check,
    peers=frozenset({"baseline", "flarchitect"}),
)
