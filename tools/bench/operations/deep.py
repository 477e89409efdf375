"""A page far from the beginning, by offset."""

from __future__ import annotations

from .operation import Operation, Request
from .pages import checks_page

_REQUEST = Request("GET", "/api/books", "limit=20&page=4000")

OPERATION = Operation(
    name="deep",
    meaning="page 4,000 of 20 books, with the total",
    request=lambda number: _REQUEST,
    check=checks_page(number=4000, size=20),
)
