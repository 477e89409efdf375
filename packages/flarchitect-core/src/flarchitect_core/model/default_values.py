"""What a replacement sets where its body is silent: the defaults of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core.model.inspect import ColumnFact

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field

__all__ = ["default_value"]


class _DefaultContext:
    """What the callable default of a column gets on a replacement, in place of the context of an INSERT."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.current_parameters = parameters

    def get_current_parameters(self, isolate_multiinsert_params: bool = True) -> Mapping[str, Any]:
        """Give the values of the row so far, by column key."""
        return self.current_parameters


def default_value(item: Field, parameters: Mapping[str, Any]) -> tuple[bool, Any]:
    """Give what a PUT without this field sets: `(True, value)`, or `(False, None)` when the mapper decides.

    A Python default is called or taken, a SQL default is given as SQL, and a nullable column without either is NULL.
    What the mapper sets on every update is left to it.

    Args:
        item: The field.
        parameters: Values of the row so far, by column key, for defaults that look at them.
    """
    fact = item.fact
    if not isinstance(fact, ColumnFact) or fact.column is None or _is_set_on_update(fact.column):
        return False, None
    default, server_default = fact.column.default, fact.column.server_default
    if default is not None:
        written = getattr(default, "arg", None)
        if default.is_callable and written is not None:
            return True, written(_DefaultContext(parameters))
        return written is not None, written
    if fact.factory is not None:
        return True, fact.factory()
    if server_default is not None:
        written = getattr(server_default, "arg", None)
        if isinstance(written, str):
            # The same literal as in the table's definition, for the database to convert as it does there.
            return True, sa.literal(written, sa.String(), literal_execute=True)
        return written is not None, written
    # Of a JSON column, None would be the value null. Who listens to what is set, as mutable types do, takes no SQL.
    is_json = isinstance(fact.type, sa.JSON) and not fact.attribute.dispatch.set
    return fact.nullable, sa.null() if is_json else None


def _is_set_on_update(column: sa.Column[Any]) -> bool:
    return column.onupdate is not None or column.server_onupdate is not None
