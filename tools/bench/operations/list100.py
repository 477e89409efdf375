"""The first 100 books with the exact total."""

from __future__ import annotations

from .operation import Operation, Request
from .pages import checks_page

_REQUEST = Request("GET", "/api/books", "limit=100")

OPERATION = Operation(
    name="list100",
    meaning="first 100 books by key, with the total",
    request=lambda number: _REQUEST,
    check=checks_page(number=1, size=100),
)
