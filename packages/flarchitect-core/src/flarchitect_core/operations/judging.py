"""Whether a request may see and write rows, by the policies of their models.

Conditions are put into every statement that reads. What is written is judged twice, as rows are before it and as they
are after it, by one statement for all rows of a model; the second time inside the transaction, so that a refusal undoes
everything (auth S-19).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.access.policies import Intent, RowPolicy, forbidden
from flarchitect_core.access.rules import RowAction
from flarchitect_core.model.criteria import of_subclass
from flarchitect_core.query.many_keys import is_one_of, parts_of

if TYPE_CHECKING:
    from flarchitect_core.events import Change
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.state import ApplicationState

__all__ = ["Judge"]

Clause = sa.ColumnElement[bool]
Key = tuple[Any, ...]

_METHODS: dict[RowAction, str] = {"read": "GET", "create": "POST", "update": "PATCH", "delete": "DELETE"}
_WRITTEN: dict[str, RowAction] = {"created": "create", "updated": "update"}


class Judge:
    """Judges the rows of one operation."""

    __slots__ = ("_operation", "_policies", "_state", "_user")

    def __init__(self, state: ApplicationState, operation: Operation) -> None:
        self._state = state
        self._policies = state.policies
        self._operation = operation
        self._user = get_current_user() if self._policies else None

    @property
    def has_policies(self) -> bool:
        """Whether any model has one."""
        return bool(self._policies)

    # --- seeing -------------------------------------------------------------------------------------------------------

    def visible(self, resource: Resource) -> list[Clause]:
        """Give the conditions of the rows that the request may see, those of subclasses too."""
        if not self._policies:
            return []
        return self._joined(resource, lambda each, policy: policy.visible(self._intent(each, "read")))

    def may_read(self, resource: Resource, instances: Iterable[Any]) -> None:
        """Check rows that are about to be shown.

        Raises:
            ForbiddenError: One of them may not be.
        """
        for instance in instances:
            for each, policy in self._judging(resource, instance):
                if policy.judges_reads and not policy.may_read(instance, self._intent(each, "read")):
                    raise forbidden(resource.name, "read")

    # --- writing ------------------------------------------------------------------------------------------------------

    def may_write(self, resource: Resource, action: RowAction, instance: Any, data: Any = None) -> None:
        """Check one instance that is about to be written, or was just changed in memory.

        Raises:
            ForbiddenError: It may not be.
        """
        for each, policy in self._judging(resource, instance):
            if policy.judges_writes and not policy.may_write(action, instance, data, self._intent(each, action)):
                raise forbidden(resource.name, action)

    def require_possible(self, resource: Resource, action: RowAction) -> None:
        """Refuse a caller who may write no row at all, before a constraint could tell it what others have.

        Raises:
            ForbiddenError: There is no row that it might write.
        """
        if any(isinstance(clause, sa.False_) for clause in self._writable(resource, action)):
            raise forbidden(resource.name, action)

    def require(self, session: Session, resource: Resource, keys: Sequence[Key], action: RowAction) -> None:
        """Check rows, as they are now, that are about to be written.

        Raises:
            ForbiddenError: Not all of them may be.
        """
        if not self.permits(session, resource, keys, action):
            raise forbidden(resource.name, action)

    def permits(self, session: Session, resource: Resource, keys: Sequence[Key], action: RowAction) -> bool:
        """Say whether all of some rows, which the request can see, may be written as they are now."""
        return self._hold(session, resource, keys, self._writable(resource, action))

    def permits_unseen(self, session: Session, resource: Resource, keys: Sequence[Key], action: RowAction) -> bool:
        """Say whether all of some rows, which the request did not name, may be seen and written as they are now."""
        return self._hold(session, resource, keys, [*self._writable(resource, action), *self.visible(resource)])

    def require_written(self, session: Session, changes: Iterable[Change]) -> None:
        """Check rows that were written, as they are now.

        Raises:
            ForbiddenError: One of them may not be as it is now.
        """
        if not self._policies:
            return
        written: dict[tuple[Resource, RowAction], list[Key]] = {}
        for change in changes:
            if change.action in _WRITTEN:
                written.setdefault((change.resource, _WRITTEN[change.action]), []).append(change.key)
        for (resource, action), keys in written.items():
            clauses = self._writable(resource, action)
            if action == "update":
                # What is moved out of sight was somebody's, and is now somebody else's.
                clauses = [*clauses, *self.visible(resource)]
            if not self._hold(session, resource, list(dict.fromkeys(keys)), clauses):
                raise forbidden(resource.name, action)

    def _writable(self, resource: Resource, action: RowAction) -> list[Clause]:
        if not self._policies:
            return []
        return self._joined(resource, lambda each, policy: policy.writable(action, self._intent(each, action)))

    def _joined(self, resource: Resource, ask: Any) -> list[Clause]:
        own = self._asked(resource, ask)
        clauses = [] if own is None else [own]
        for subclass in resource.subclasses:
            clause = self._asked(subclass, ask)
            # A policy that parent and subclass share says the same twice.
            if clause is not None and not (own is not None and clause.compare(own)):
                clauses.append(of_subclass(subclass, resource, clause))
        return clauses

    def _asked(self, resource: Resource, ask: Any) -> Clause | None:
        policy: RowPolicy | None = self._policies.get(resource.model)
        clause: Clause | None = None if policy is None else ask(resource, policy)
        return clause

    def _judging(self, resource: Resource, instance: Any) -> Iterator[tuple[Resource, RowPolicy]]:
        """Give the policies about an instance: a row of a subclass is judged as the subclass says, too."""
        for each in (resource, *resource.subclasses):
            policy = self._policies.get(each.model)
            if policy is not None and isinstance(instance, each.model):
                yield each, policy

    @staticmethod
    def _hold(session: Session, resource: Resource, keys: Sequence[Key], clauses: Sequence[Clause]) -> bool:
        """Say whether conditions are true of all of some rows."""
        if not clauses or not keys:
            return True
        if any(isinstance(clause, sa.False_) for clause in clauses):
            return False
        columns = [item.fact.attribute for item in resource.key]
        statement: sa.Select[Any] = (
            sa.select(sa.func.count()).select_from(resource.model).where(is_one_of(columns), *clauses)
        )
        found: int = sum(session.execute(statement, some).scalar_one() for some in parts_of(keys))
        return found == len(keys)

    def _intent(self, resource: Resource, action: RowAction) -> Intent:
        """Give what is wanted of the rows of a resource: what was asked for, or what goes with it for other models."""
        operation = self._operation
        if resource.model is not operation.resource.model:
            return Intent(_METHODS[action], self._user, many=action == "read")
        relation = None if operation.relation is None else operation.relation.fact.name
        method = operation.method if action in ("read", _ACTIONS.get(operation.method)) else _METHODS[action]
        return Intent(method, self._user, operation.many, relation)


_ACTIONS: dict[str, RowAction] = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
