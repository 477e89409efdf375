"""The expression tree of a query: what clients ask for, checked and typed, before any SQL."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flarchitect_core.query.view import View

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation
    from flarchitect_core.query.counting import CountKind
    from flarchitect_core.query.grouping import Grouping

__all__ = ["CollectionQuery", "Condition", "Filter", "Group", "OrderKey", "Path", "Related", "conditions_of", "merged"]

Path = tuple["Relation", ...]
"""Relations that lead from the rows of a query to others, in their order; empty for the rows themselves."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a field.

    Attributes:
        operator: Name of an operator in `query.compile.OPERATORS`.
        value: Value in the column's own type; a list for `in` and `nin`, a pair for `between`, `None` for a NULL test.
    """

    field: Field
    operator: str
    value: Any

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the condition, without its value."""
        return self.field.attribute, self.operator, self.value is None


@dataclass(frozen=True, slots=True)
class Group:
    """Filters taken together: all of them must hold, any of them, or not all of them."""

    kind: Literal["and", "or", "not"]
    members: tuple[Filter, ...]

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the group, without its values."""
        return (self.kind, *(member.shape for member in self.members))


@dataclass(frozen=True, slots=True)
class Related:
    """Among the rows that a relation leads to is one for which all members hold; any row, without members."""

    relation: Relation
    members: tuple[Filter, ...] = ()

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the test, without its values."""
        return ("related", self.relation.name, *(member.shape for member in self.members))


Filter = Condition | Group | Related


def merged(filters: Iterable[Filter]) -> tuple[Filter, ...]:
    """Bring together what filters that must all hold say of one relation, so that one related row must meet it all."""
    found: list[Filter] = []
    members: dict[Relation, list[Filter]] = {}
    for each in filters:
        if not isinstance(each, Related):
            found.append(each)
            continue
        if each.relation not in members:
            members[each.relation] = []
            found.append(each)
        members[each.relation] += each.members
    return tuple(
        Related(each.relation, merged(members[each.relation])) if isinstance(each, Related) else each for each in found
    )


def conditions_of(filters: Sequence[Filter]) -> Iterator[Condition]:
    """Give the conditions of filters from left to right, which is the order of their bind parameters."""
    for each in filters:
        if isinstance(each, Condition):
            yield each
        else:
            yield from conditions_of(each.members)


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One sort key.

    Attributes:
        path: Relations that lead to the field.
        nulls: Where rows without a value stand; `None` leaves it to the database.
    """

    field: Field
    descending: bool
    path: Path = ()
    nulls: Literal["first", "last"] | None = None

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the key."""
        return (*(relation.name for relation in self.path), self.field.attribute, self.descending, self.nulls)


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """A page of rows to read.

    Attributes:
        where: All of these must hold.
        order: Sort keys as asked; the primary key is appended when the statement is built.
        page: 1-based.
        limit: Rows per page.
        words: Each of them must be in one of the columns that the resource is searched by.
        cursor: Where the page begins, empty for the first one; `None` for pages by number.
        count: How exactly the rows are counted.
        count_limit: How far they are counted where that need not be exact.
        grouping: What is asked about groups of the rows; the pages are then of groups, in its order.
    """

    view: View
    where: tuple[Filter, ...] = ()
    order: tuple[OrderKey, ...] = ()
    page: int = 1
    limit: int = 20
    words: tuple[str, ...] = ()
    cursor: str | None = None
    count: CountKind = "exact"
    count_limit: int = 1000
    grouping: Grouping | None = None

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.limit
