"""How many rows the ORM would load to delete one row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipProperty, Session, aliased

from flarchitect_core.errors import ConflictError
from flarchitect_core.query.compile import key_conditions, key_parameters

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["DependentRows"]


class DependentRows:
    """Counts the rows below a row of one resource, as far as it takes; the statement is made once.

    The ORM loads the rows of a to-many relationship to delete them, or to clear what refers to the row, unless
    `passive_deletes` leaves that to the database. A few are no matter, a hundred thousand would fill the memory.

    Args:
        most: Rows that one relationship may lead to.
    """

    def __init__(self, resource: Resource, most: int) -> None:
        self._resource = resource
        self._most = most
        relationships = list(_loaded_with_a_delete(resource.facts.mapper))
        self._targets: list[Mapper[Any]] = [relationship.mapper for relationship in relationships]
        self._counts = sa.select(*(self._count(relationship) for relationship in relationships))

    def check(self, session: Session, key: tuple[Any, ...]) -> None:
        """Refuse to delete a row with too many rows below it.

        Raises:
            ConflictError: There are more rows than may be loaded.
        """
        mapper = self._resource.facts.mapper
        bind = session.get_bind(mapper)
        # What lies in another database cannot be counted together with the row.
        if not self._targets or any(session.get_bind(target) is not bind for target in self._targets):
            return
        counts = session.execute(self._counts, key_parameters(key), bind_arguments={"mapper": mapper}).one()
        if max(counts) > self._most:
            raise ConflictError(
                f"Error deleting object: more than {self._most} rows belong to this {self._resource.name}. "
                f"Delete or change some of them first.",
                reason="cascade_too_large",
                details={"maximum": self._most},
            )

    def _count(self, relationship: RelationshipProperty[Any]) -> sa.ScalarSelect[Any]:
        source: Any = aliased(relationship.parent.class_)
        rows = (
            sa.select(sa.literal_column("1").label("one"))
            .select_from(source)
            .join(getattr(source, relationship.key))
            .where(*key_conditions(self._resource, source))
            .limit(self._most + 1)
            .subquery()
        )
        return sa.select(sa.func.count()).select_from(rows).scalar_subquery()


def _loaded_with_a_delete(mapper: Mapper[Any]) -> Iterator[RelationshipProperty[Any]]:
    """Give the relationships of a mapper, and of the subclasses whose rows it gives."""
    found = {
        id(relationship): relationship
        for described in mapper.self_and_descendants
        for relationship in described.relationships
    }
    for relationship in found.values():
        if relationship.uselist and not (relationship.viewonly or relationship.passive_deletes):
            yield relationship
