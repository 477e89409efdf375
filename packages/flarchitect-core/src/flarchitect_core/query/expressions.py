"""The expression tree of a query: what clients ask for, checked and typed, before any SQL."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flarchitect_core.query.include import View

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field

__all__ = ["AnyOf", "CollectionQuery", "Condition", "OrderKey"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a field.

    Attributes:
        operator: Name of an operator in `query.compile.OPERATORS`.
        value: Value in the column's own type; a list for `in` and `nin`; `None` for a NULL test.
    """

    field: Field
    operator: str
    value: Any

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the condition, without its value."""
        return self.field.attribute, self.operator, self.value is None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions of which one must hold."""

    conditions: tuple[Condition, ...]

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the group, without its values."""
        return ("or", *(condition.shape for condition in self.conditions))


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One sort key."""

    field: Field
    descending: bool

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the key."""
        return self.field.attribute, self.descending


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """A page of rows to read.

    Attributes:
        where: All of these must hold.
        order: Sort keys as asked; the primary key is appended when the statement is built.
        page: 1-based.
        limit: Rows per page.
    """

    view: View
    where: tuple[Condition | AnyOf, ...] = ()
    order: tuple[OrderKey, ...] = ()
    page: int = 1
    limit: int = 20

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.limit
