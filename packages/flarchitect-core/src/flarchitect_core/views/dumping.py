"""The answer of a hand-written view, dumped by a marshmallow schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import marshmallow as ma
from flask import request

from flarchitect_core import options
from flarchitect_core.query.names import no_column
from flarchitect_core.settings import Settings

__all__ = ["dump_value", "selected", "serialise_output_with_mallow"]

_PAGE_MEMBERS = ("total_count", "next_url", "previous_url")
_SINGLE = (str, bytes, Mapping)


def dump_value(schema: ma.Schema, value: Any, *, many: bool) -> Any:
    """Dump a value: a list of records where the view gives many or the value is a list, else one record or null."""
    is_list = isinstance(value, (list, tuple, set, frozenset))
    if not (many or is_list):
        return None if value is None else schema.dump(value, many=False)
    if value is None:
        return []
    entries = list(value) if isinstance(value, Iterable) and not isinstance(value, _SINGLE) else [value]
    return schema.dump(entries, many=True)


def selected(schema: ma.Schema, dumped: Any, settings: Settings, model: type | None) -> Any:
    """Leave of what was dumped only the keys that the parameter `fields` of the current request names.

    Raises:
        QueryError: The schema has no such key.
    """
    given = ",".join(request.args.getlist("fields"))
    if not given.strip(", ") or not settings.get(options.ALLOW_SELECT_FIELDS, model=model):
        return dumped
    keys = {name: name if field.data_key is None else field.data_key for name, field in schema.dump_fields.items()}
    known = {**keys, **{key: key for key in keys.values()}}
    wanted = set()
    for name in (part.strip() for part in given.split(",")):
        if name and name not in known:
            raise no_column(name, keys.values())
        wanted.add(known.get(name))
    records = dumped if isinstance(dumped, list) else [dumped]
    left = [{key: record[key] for key in record if key in wanted} if record else record for record in records]
    return left if isinstance(dumped, list) else left[0]


def serialise_output_with_mallow(schema: ma.Schema | type[ma.Schema], data: Any) -> Any:
    """Dump what a view gives, with what there is to say about the page.

    Args:
        schema: Schema of one record.
        data: A record, a list of records, or a dictionary with `query` and the members of a page.

    Returns:
        A dictionary with `query`, `total_count`, `next_url` and `previous_url`; or `({"errors": [...]}, 422)` when the
        schema refuses the data. A view can return both.
    """
    page = data if isinstance(data, Mapping) and "query" in data else {"query": data}
    used = schema() if isinstance(schema, type) else schema
    value = page["query"]
    try:
        dumped = dump_value(used, value, many=used.many)
    except ma.ValidationError as error:
        return {"errors": _flat(error.messages)}, 422
    count = len(dumped) if isinstance(dumped, list) else 1
    return {"query": dumped, "total_count": count, "next_url": None, "previous_url": None} | {
        name: page[name] for name in _PAGE_MEMBERS if page.get(name) is not None
    }


def _flat(messages: Any, path: str = "") -> list[str]:
    """Write nested messages as sentences, each with the path of its field."""
    if isinstance(messages, Mapping):
        below = f"{path}." if path else ""
        return [line for name, told in messages.items() for line in _flat(told, f"{below}{name}")]
    if isinstance(messages, list):
        return [line for told in messages for line in _flat(told, path)]
    return [f"{path}: {messages}" if path else str(messages)]
