"""Own the comparison of an answer with the rows it should show.

An answer may show more than the columns (links, for example); it may not show less or anything else.
"""

from __future__ import annotations

import json
from typing import Any

from truth import JsonRow

from .operation import Answer, WrongAnswerError


def payload(answer: Answer, status: int) -> dict[str, Any]:
    """Decode an answer of the expected status.

    Returns:
        The envelope, which has at least `value`.

    Raises:
        WrongAnswerError: Other status, not JSON, or no envelope.
    """
    if answer.status != status:
        body = _short(answer.body.decode(errors="replace"))
        raise WrongAnswerError(f"status {answer.status} instead of {status}: {body}")
    if answer.content_type.split(";")[0].strip() != "application/json":
        raise WrongAnswerError(f"content type {answer.content_type!r} instead of application/json")
    try:
        envelope = json.loads(answer.body)
    except ValueError as error:
        raise WrongAnswerError(f"not JSON: {error}") from error
    if not isinstance(envelope, dict) or "value" not in envelope:
        raise WrongAnswerError(f"no envelope with a value: {_short(envelope)}")
    return envelope


def expect_page(answer: Answer, rows: list[JsonRow], total: int) -> list[dict[str, Any]]:
    """Compare a list answer with its rows, in order, and with the number of rows before paging.

    Returns:
        The rows as the answer shows them.
    """
    envelope = payload(answer, 200)
    if envelope.get("total_count") != total:
        raise WrongAnswerError(f"total_count {_short(envelope.get('total_count'))} instead of {total}")
    return expect_rows(envelope["value"], rows)


def expect_rows(found: object, rows: list[JsonRow]) -> list[dict[str, Any]]:
    """Compare a list with the rows it should show, in order."""
    if not isinstance(found, list):
        raise WrongAnswerError(f"not a list: {_short(found)}")
    if len(found) != len(rows):
        raise WrongAnswerError(f"{len(found)} rows instead of {len(rows)}")
    return [expect_row(item, row) for item, row in zip(found, rows, strict=True)]


def expect_row(found: object, row: JsonRow) -> dict[str, Any]:
    """Compare one object with the row it should show: every column, value and JSON type."""
    if not isinstance(found, dict):
        raise WrongAnswerError(f"not an object: {_short(found)}")
    for name, value in row.items():
        if name not in found:
            raise WrongAnswerError(f"row {row['id']} has no {name!r}")
        # True == 1 in Python, but not in JSON.
        if found[name] != value or type(found[name]) is not type(value):
            raise WrongAnswerError(f"row {row['id']}: {name} is {_short(found[name])} instead of {value!r}")
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
