"""The links of a many-to-many relation as rows of the model that is mapped to its secondary table.

SQLAlchemy writes secondary tables by statements of its own, around the model that is mapped to one and around all that
is said of its rows: policies, tenants, marks of deleted rows, callbacks. Where any of these may hide rows, a link is
therefore made as any other row of the model, and removed as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.util import ClauseAdapter

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.events import Change
from flarchitect_core.operations.cascade import CascadeRules, hold_for_delete
from flarchitect_core.operations.instances import InstanceMaker
from flarchitect_core.operations.operation import Operation
from flarchitect_core.operations.refusals import refusing
from flarchitect_core.operations.removal import delete_or_mark

if TYPE_CHECKING:
    from flarchitect_core.events import Action
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.executor import SessionExecutor
    from flarchitect_core.operations.nested.relations import NestedRelation
    from flarchitect_core.state import ApplicationState

__all__ = ["LinkRows"]


class LinkRows:
    """The rows that link those of one relation; made once at start-up.

    Attributes:
        resource: The model that is mapped to the secondary table; it may be unpublished.
    """

    def __init__(self, nested: NestedRelation, resource: Resource, state: ApplicationState) -> None:
        self.resource = resource
        self._nested = nested
        self._hooks = state.hooks.get(resource.model)
        self._registry = state.registry
        self._settings = state.settings
        self._tenants = state.tenants
        self._maker = InstanceMaker(resource)

    @property
    def is_published(self) -> bool:
        """Whether clients and listeners know of these rows."""
        return self._registry.get(self.resource.model) is not None

    def select(self, source: Any, key: Sequence[Any]) -> sa.Select[Any]:
        """Make the select of the related rows, each with the row that links it and the key of what it is linked to.

        Args:
            source: Alias of the model that the relation starts from.
            key: Its key.
        """
        relation = self._nested.relation
        relationship: Any = relation.source.facts.mapper.relationships[relation.fact.name]
        row: Any = aliased(self.resource.model)
        to_row = ClauseAdapter(sa.inspect(row).selectable)
        from_source = ClauseAdapter(sa.inspect(source).selectable).traverse(relationship.primaryjoin)
        # Not by joins: SQLAlchemy does not adapt what restricts a model to an alias that is joined by a condition.
        is_linked: list[Any] = [to_row.traverse(each) for each in (from_source, relationship.secondaryjoin)]
        entities: list[Any] = [relation.target.model, row, *key]
        return sa.select(*entities).where(*is_linked)

    def remove(self, session: Session, executor: SessionExecutor, rows: Sequence[Any]) -> Iterator[Change]:
        """Delete rows, or mark them; that the request may delete them as they are was checked before.

        Raises:
            ForbiddenError: A hook refuses one of them.
        """
        hold_for_delete(session, rows, self._settings, CascadeRules(session, self._registry, executor))
        for row in rows:
            executor.judge.may_write(self.resource, "delete", row)
            yield from self.changes("deleted", [row])
            removed = row if self._hooks is None else self._hooks.removing(row)
            # A row of a subclass is marked as the subclass says.
            delete_or_mark(session, removed, (self._registry.get(type(removed)) or self.resource).soft_delete)

    def make(self, asked: Operation, executor: SessionExecutor, source: Any, target: Any) -> Any:
        """Make the row that links two rows, whose keys are known.

        Raises:
            ForbiddenError: It would be of another tenant, or a hook refuses it.
            ValidationError: The model does not take it.
        """
        mark = self.resource.soft_delete
        values: dict[str, Any] = {} if mark is None else {mark.fact.name: mark.active}
        for instance, pairs in ((source, self._nested.link_to_source), (target, self._nested.link_to_target)):
            values.update({ours: getattr(instance, theirs) for ours, theirs in pairs.items()})
        if self._tenants is not None:
            values = self._tenants.filled(self.resource, values, get_current_user())
        if self._hooks is not None and self._hooks.wants_setup("POST"):
            operation = Operation(self.resource, "POST", parameters=asked.parameters, root=asked.root)
            values = self._hooks.set_up(operation, values)["deserialized_data"]
        with refusing(partial(self._maker.refused_names, values)):
            row = self._maker.make(values)
        row = row if self._hooks is None else self._hooks.adding(row)
        executor.judge.may_write(self.resource, "create", row, values)
        return row

    def changes(self, action: Action, rows: Sequence[Any]) -> list[Change]:
        """Give what listeners are told."""
        return [Change(self.resource, action, self.resource.key_of(row)) for row in rows] if self.is_published else []
