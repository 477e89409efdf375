"""The keys of models, for code that writes routes of its own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from flarchitect_core.model.inspect import inspect_model
from flarchitect_core.model.keys import url_converter
from flarchitect_core.model.type_table import field_for_type

__all__ = ["SQLALCHEMY_TO_FLASK_CONVERTER", "get_foreign_key_to_parent", "get_pk", "get_primary_key_info", "get_url_pk"]

SQLALCHEMY_TO_FLASK_CONVERTER: dict[type[sa.types.TypeEngine[Any]], str] = {
    kind: url_converter(field_for_type(kind()))
    for kind in (sa.Integer, sa.BigInteger, sa.SmallInteger, sa.String, sa.Text, sa.Unicode, sa.Uuid, sa.Date)
}


def get_pk(model: type) -> Any:
    """Give the attribute of the primary key.

    Raises:
        ValueError: The key has several columns.
    """
    return getattr(model, get_primary_key_info(model)[0])


def get_primary_key_info(model: type) -> tuple[str, str]:
    """Give the attribute name of the primary key and its URL converter, such as `("id", "int(signed=True)")`.

    Raises:
        ValueError: The key has several columns; `get_url_pk` writes the rule of such a key.
    """
    parts = _key(model)
    if len(parts) > 1:
        names = ", ".join(name for name, _ in parts)
        raise ValueError(f"The key of {model.__name__} has several columns ({names}). Use get_url_pk for its URL rule.")
    return parts[0]


def get_url_pk(model: type) -> str:
    """Write the key as the end of a URL rule, `<int(signed=True):id>`, with a segment for each of its columns.

    A key that is written as text has the converter of the generated routes, which they register.
    """
    return "/".join(f"<{converter}:{name}>" for name, converter in _key(model))


def _key(model: type) -> list[tuple[str, str]]:
    return [(fact.name, url_converter(field_for_type(fact.type))) for fact in inspect_model(model).key]


def get_foreign_key_to_parent(child: type, parent: type) -> str | None:
    """Name the attribute of a child that holds the key of its parent, `None` when there is none.

    Of several, the first one in the order of the table.
    """
    mapper: sa.orm.Mapper[Any] = sa.inspect(child)
    tables: set[Any] = set(sa.inspect(parent).tables)
    for column in mapper.columns:
        if any(key.column.table in tables for key in column.foreign_keys):
            return str(mapper.get_property_by_column(column).key)
    return None
