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


# In these the server passes over blank names, as in `fields=id,`: a tolerance that the document does not promise.
LISTS_OF_NAMES = frozenset({"fields", "join", "order_by", "orderby", "groupby"})


def _is_tolerated(name: str, value: Any, parameter: Any) -> bool:
    """Say whether a wrong list may be taken: it is written like the empty list that is allowed, or has blank names."""
    if parameter is None or parameter.validation_schema.get("type") != "array":
        return False
    parts = value if isinstance(value, list) else str(value).split(",")
    blank = ["" if part is None else str(part).strip() for part in parts].count("")
    return blank > 0 if name in LISTS_OF_NAMES else value in ("", [""])


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out wrong requests that differ from right ones only in blank parts of lists."""
    if case.meta is None or case.meta.generation.mode.is_positive:
        return True
    find = case.operation.query.get
    return not any(_is_tolerated(name, value, find(name)) for name, value in (case.query or {}).items())
