"""The first 20 books with the exact total."""

from __future__ import annotations

from .operation import Operation, Request
from .pages import checks_page

_REQUEST = Request("GET", "/api/books", "limit=20")

OPERATION = Operation(
    name="list20",
    meaning="first 20 books by key, with the total",
    request=lambda number: _REQUEST,
    check=checks_page(number=1, size=20),
)
