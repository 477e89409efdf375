"""Running the statements of one operation, with what the operation may see put into each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from flarchitect_core import options
from flarchitect_core.model.criteria import marks_on, of_subclass, restricted_to
from flarchitect_core.operations.failures import read_failure
from flarchitect_core.operations.judging import Judge

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ExecutableOption

    from flarchitect_core.model.dumping import Record
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.query.view import View
    from flarchitect_core.state import ApplicationState

__all__ = ["SessionExecutor"]


class SessionExecutor:
    """Runs selects in the sessions of the current request."""

    __slots__ = ("_clauses", "_conditions", "_operation", "_state", "judge", "root")

    def __init__(self, state: ApplicationState, operation: Operation) -> None:
        self._state = state
        self._operation = operation
        self._clauses: dict[type, sa.ColumnElement[bool] | None] = {}
        self._conditions: dict[type, list[ExecutableOption]] = {}
        self.root = operation.root
        self.judge = Judge(state, operation)

    def inline_rows_max(self, model: type) -> int:
        """Give `API_INLINE_ROWS_MAX` of a model."""
        return self._state.settings.get(options.INLINE_ROWS_MAX, model=model)

    def execute(
        self,
        resources: Sequence[Resource],
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        instances: bool = False,
    ) -> Sequence[Any]:
        """Run a select and give all rows.

        Args:
            resources: Every resource that the statement mentions; it runs on the database of the first one.
            instances: Whether the select gives instances, which only a session makes.

        Raises:
            ApiError: What the failure means for the caller. The session is rolled back and can be used again.
        """
        restricted = self.restricted(resources, statement)
        try:
            return self._state.database.read(resources[0].model, restricted, parameters, instances=instances)
        except (SQLAlchemyError, OverflowError) as error:
            raise read_failure(error, resources[0].model, parameters) from error

    def restricted(self, resources: Sequence[Resource], statement: sa.Select[Any]) -> sa.Select[Any]:
        """Put the conditions of filter callbacks and policies into a statement; without any, it is given as it is."""
        found = [option for resource in resources for option in self._conditions_of(resource)]
        return statement.options(*found) if found else statement

    def show(self, resource: Resource, key: tuple[Any, ...], view: View) -> View:
        """Let the rest of the operation see one row, whatever a filter callback or its mark says of it.

        What a policy says of it holds all the same.

        Returns:
            The view by which to read the row.
        """
        model = resource.model
        conditions = [*self._clauses_on(resource), *marks_on(resource, view.deleted_asked_by)]
        if conditions:
            is_row = [getattr(model, item.attribute) == value for item, value in zip(resource.key, key, strict=True)]
            shown = sa.or_(sa.and_(*conditions), sa.and_(*is_row))
            self._conditions[model] = [restricted_to(model, each) for each in (shown, *self.judge.visible(resource))]
        return replace(view, spared=model)

    def dumped(self, resource: Resource, records: list[Record]) -> list[Record]:
        """Give the records of a resource as its dump callback leaves them."""
        operation = self._operation
        return self._state.hooks[resource.model].dumped(records, operation.method, many=operation.many)

    def hides_rows(self, resources: Sequence[Resource]) -> bool:
        """Say whether filter callbacks, or policies here or in the database, hide rows of any of these resources."""
        return self._state.database.has_claims or any(self._conditions_of(resource) for resource in resources)

    def shown(self, resource: Resource, rows: Sequence[Any]) -> None:
        """Let the policy of a resource see the instances at the ends of rows that are about to be shown.

        Raises:
            ForbiddenError: It refuses one of them.
        """
        if resource.judges_reads:
            self.judge.may_read(resource, (row[-1] for row in rows))

    def begin_snapshot(self, resource: Resource, *, instances: bool = False) -> bool:
        """Let everything that is read from now on be of one moment, as far as the database gives that.

        Returns:
            Whether further selects can run while `stream` still gives rows.
        """
        try:
            return self._state.database.begin_snapshot(resource.model, instances=instances)
        except SQLAlchemyError as error:
            raise read_failure(error, resource.model, {}) from error

    def stream(
        self,
        resources: Sequence[Resource],
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        size: int,
        instances: bool = False,
    ) -> Iterator[Sequence[Any]]:
        """Run a select and give its rows in chunks of `size`, fetched when they are asked for.

        Raises:
            ApiError: What the failure means for the caller.
        """
        database, model = self._state.database, resources[0].model
        restricted = self.restricted(resources, statement)
        try:
            yield from database.stream(model, restricted, parameters, size=size, instances=instances)
        except (SQLAlchemyError, OverflowError) as error:
            raise read_failure(error, model, parameters) from error

    def _conditions_of(self, resource: Resource) -> list[ExecutableOption]:
        model = resource.model
        if model not in self._conditions:
            clauses = (*self._clauses_on(resource), *self.judge.visible(resource))
            self._conditions[model] = [restricted_to(model, clause) for clause in clauses]
        return self._conditions[model]

    def _clauses_on(self, resource: Resource) -> list[sa.ColumnElement[bool]]:
        """Give the conditions of filter callbacks on the rows of a resource, those of subclasses too."""
        own = self._clause_of(resource)
        clauses = [] if own is None else [own]
        for subclass in resource.subclasses:
            clause = self._clause_of(subclass)
            # A callback that parent and subclass share says the same twice.
            if clause is not None and not (own is not None and clause.compare(own)):
                clauses.append(of_subclass(subclass, resource, clause))
        return clauses

    def _clause_of(self, resource: Resource) -> sa.ColumnElement[bool] | None:
        operation, model = self._operation, resource.model
        if model not in self._clauses:
            # Asked once in a request: a callback may look at the clock, and all statements must agree.
            # Nothing hangs on a model that is not published.
            hooks = self._state.hooks.get(model)
            self._clauses[model] = None if hooks is None else hooks.condition(operation.parameters, operation.method)
        return self._clauses[model]
