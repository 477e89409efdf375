"""The header `Vary` (RFC 9110, 12.5.5)."""

from __future__ import annotations

from flask import Response

__all__ = ["add_vary"]


def add_vary(response: Response, *names: str) -> None:
    """Say that an answer depends on further request headers, in one field line, each of them once."""
    given = [name.strip() for line in response.headers.getlist("Vary") for name in line.split(",")]
    known = {name.lower() for name in given}
    more = [name for name in names if name.lower() not in known]
    if more:
        response.headers["Vary"] = ", ".join((*given, *more))
