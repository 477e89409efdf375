"""Reading and writing rows from an application's own code, with the checks of the generated routes but without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from flarchitect_core.events import tell
from flarchitect_core.operations.cascade import dependents_of
from flarchitect_core.operations.executor import SessionExecutor
from flarchitect_core.operations.failures import read_failure, write_failure
from flarchitect_core.operations.operation import Operation
from flarchitect_core.operations.read import fetch_page, fetch_row
from flarchitect_core.query.parse import parse_collection
from flarchitect_core.query.view import View
from flarchitect_core.state import ApplicationState, current_face, state_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["CrudService", "recursive_delete"]

Values = Mapping[str, Any]


class CrudService:
    """Reads and writes the rows of one published model in a session that the caller owns.

    Names, checks, callbacks and events are those of the generated routes. Each write is committed.

    Args:
        model: Published model.
        session: Session; nobody closes it here.

    Raises:
        ValueError: The current application does not publish the model.
    """

    def __init__(self, model: type, session: Session) -> None:
        state = current_face(state_of())
        resource = state.registry.get(model)
        if resource is None or model not in state.services:
            raise ValueError(
                f"{model.__name__} is not published by {state.app.name!r}. Give it an inner class Meta, and use "
                f"CrudService once the routes are generated."
            )
        self._state: ApplicationState = state
        self._resource: Resource = resource
        self._session = session
        self._service = state.services[model]

    def get_query(self, parameters: Values | None = None, id: Any = None) -> dict[str, Any]:
        """Read instances: one by its key, or a page of them.

        Args:
            parameters: What stands in the query of a URL, such as `{"year__ge": 2000, "order_by": "-year"}`; a value
                may be a list.
            id: Key of the one row; a tuple of a composite key.

        Returns:
            `query`, the instances or the one; `total_count`; `limit` and `page`.

        Raises:
            ApiError: There is no such row, or a parameter is wrong.
        """
        if id is not None:
            operation = self._operation("GET", id)
            view = View(instances=True, relations=False)
            executor = self._executor(operation)
            found = fetch_row(self._resource, operation.key, view, executor)
            executor.shown(self._resource, found.rows)
            return {"query": found.instances()[0], "total_count": 1, "limit": None, "page": None}
        pairs = [
            (name, str(value))
            for name, given in (parameters or {}).items()
            for value in (given if isinstance(given, (list, tuple)) else [given])
        ]
        operation = Operation(self._resource, "GET", many=True, parameters=_by_name(pairs))
        query = parse_collection(self._resource, pairs, self._state.settings)
        view = View(instances=True, relations=False, include_deleted=query.view.include_deleted)
        query = replace(query, view=view)
        executor = self._executor(operation)
        fetched = fetch_page(self._resource, query, executor, self._state.cursors)
        executor.shown(self._resource, fetched.rows)
        total = fetched.extent.total
        return {"query": fetched.instances(), "total_count": total, "limit": query.limit, "page": query.page}

    def add_object(self, data: Values) -> Any:
        """Add a row, and give its instance.

        Raises:
            ApiError: The data does not fit, or the database refuses it.
        """
        return self._write(self._operation("POST"), data)

    def update_object(self, id: Any, data: Values) -> Any:
        """Change the columns that the data names, and give the instance.

        Raises:
            ApiError: There is no such row, the data does not fit, or the database refuses it.
        """
        return self._write(self._operation("PATCH", id), data)

    def delete_object(self, id: Any, *, cascade: bool = False) -> None:
        """Delete a row, or mark it as deleted.

        Args:
            cascade: Remove dependent rows too.

        Raises:
            ApiError: There is no such row, or others refer to it.
        """
        operation = self._operation("DELETE", id)
        with self._committing(operation):
            self._service.delete(self._session, operation, cascade=cascade)

    def _write(self, operation: Operation, data: Values) -> Any:
        with self._committing(operation):
            values = self._service.check(operation, data)
            key = self._service.write(self._session, operation, values).written.key
        return self._session.get(self._resource.model, key, populate_existing=True)

    @contextmanager
    def _committing(self, operation: Operation) -> Iterator[None]:
        try:
            yield
            self._session.commit()
        except (SQLAlchemyError, OverflowError) as error:
            self._session.rollback()
            raise write_failure(error, self._resource, deleting=operation.method == "DELETE") from error
        except BaseException:
            self._session.rollback()
            raise
        tell(self._state.listeners, operation.changes)

    def _operation(self, method: str, id: Any = None) -> Operation:
        key = None if id is None else id if isinstance(id, tuple) else (id,)
        return Operation(self._resource, method, key=key)

    def _executor(self, operation: Operation) -> SessionExecutor:
        return _ExecutorIn(self._session, self._state, operation)


class _ExecutorIn(SessionExecutor):
    """Runs selects in one session."""

    __slots__ = ("_session",)

    def __init__(self, session: Session, state: ApplicationState, operation: Operation) -> None:
        super().__init__(state, operation)
        self._session = session

    def execute(
        self,
        resources: Sequence[Resource],
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        instances: bool = False,
    ) -> Sequence[Any]:
        """Run a select and give all rows."""
        try:
            return self._session.execute(self.restricted(resources, statement), parameters).all()
        except (SQLAlchemyError, OverflowError) as error:
            raise read_failure(error, resources[0].model, parameters) from error


def _by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def recursive_delete(session: Session, instance: Any) -> list[Any]:
    """Delete a row with everything that hangs on it, and give what else was deleted; nothing is committed.

    Raises:
        ConflictError: A model forbids it, or there are too many rows.
    """
    dependents = dependents_of(session, [instance], state_of().settings)
    for each in (*reversed(dependents), instance):
        session.delete(each)
    session.flush()
    return dependents
