"""What schemathesis cannot know: formats of the OpenAPI registry, and values that only the server can make."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st


def _written(value: Any) -> str:
    text: str = value.replace(microsecond=0).isoformat()
    return text


schemathesis.openapi.format("date-time-local", st.datetimes().map(_written))
schemathesis.openapi.format("time-local", st.times().map(_written))


@schemathesis.hook
def before_call(context: Any, case: Any, **arguments: Any) -> None:
    """Begin pages by cursor at the first one: others are signed, and exclude `page`."""
    query = case.query or {}
    if "cursor" in query and case.meta is not None and case.meta.generation.mode.is_positive:
        query.pop("page", None)
        query["cursor"] = ""


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out a wrong list with nothing but an empty text, which a URL writes like the empty list that is allowed."""
    if case.meta is None or case.meta.generation.mode.is_positive:
        return True
    empty = [name for name, value in (case.query or {}).items() if value in ("", [""])]
    parameters = [case.operation.query.get(name) for name in empty]
    return not any(parameter and parameter.validation_schema.get("type") == "array" for parameter in parameters)
