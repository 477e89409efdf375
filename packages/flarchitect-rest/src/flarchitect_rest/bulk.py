"""Many rows by one request: lists in bodies, and PATCH and DELETE with a filter, on the URL of a collection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Response, request

from flarchitect_core import options
from flarchitect_core.errors import ApiError, BadRequestError, QueryError
from flarchitect_core.http.body import read_body
from flarchitect_core.model.resource import Resource
from flarchitect_core.operations.bulk import Outcome
from flarchitect_core.query.parse import parse_boolean, parse_collection, parse_view
from flarchitect_core.settings import Settings
from flarchitect_rest.views import Parameters, ResourceViews, query_parameters

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from flarchitect_core.operations.operation import Operation


__all__ = ["BulkViews", "allows_bulk"]

_NUMBER = re.compile(r"[0-9]{1,30}\Z", re.ASCII)
# They say which page of rows is shown, and must not decide which rows are written.
_PAGING = frozenset({"limit", "page", "order_by", "orderby"})


def allows_bulk(resource: Resource, method: str, settings: Settings) -> bool:
    """Say whether one request of this method may write many rows."""
    return method in resource.methods and settings.get(options.ALLOW_BULK, model=resource.model, method=method)


class BulkViews:
    """The views of one collection that write many rows."""

    def __init__(self, views: ResourceViews, resource: Resource, settings: Settings) -> None:
        self._views = views
        self._resource = resource
        self._settings = settings
        self._bulk = views.service.bulk

    def create(self) -> Response:
        """Create a row for each object of a list; one for an object, as without bulk."""
        body = read_body(request, self._settings)
        if isinstance(body, dict):
            return self._views.create()
        bodies = self._bounded(body, "POST")
        parameters, atomic = self._atomic(query_parameters())
        view = parse_view(self._resource, parameters, self._settings, "POST")
        operation = self._operation("POST", parameters)
        return self._views.written(
            operation,
            lambda session: self._answer(
                operation, self._bulk.create(session, operation, bodies, view, atomic=atomic), atomic=atomic
            ),
        )

    def update(self) -> Response:
        """Change the row of each object of a list, or, by one object, all rows that the filter finds."""
        body = read_body(request, self._settings)
        if isinstance(body, dict):
            return self._update_matching(body)
        bodies = self._bounded(body, "PATCH")
        parameters, atomic = self._atomic(query_parameters())
        view = parse_view(self._resource, parameters, self._settings, "PATCH")
        operation = self._operation("PATCH", parameters, include_deleted=view.include_deleted)
        self._refuse_conditions("PATCH")
        return self._views.written(
            operation,
            lambda session: self._answer(
                operation, self._bulk.update(session, operation, bodies, view, atomic=atomic), atomic=atomic
            ),
        )

    def delete(self) -> Response:
        """Delete all rows that the filter finds."""
        parameters = query_parameters()
        cascade = self._cascades(parameters)
        rest = [pair for pair in parameters if pair[0] != "cascade_delete"]
        rest, most = self._max_affected(rest, "DELETE")
        query = self._query(rest, "DELETE")
        operation = self._operation("DELETE", parameters, include_deleted=query.view.include_deleted)
        self._refuse_conditions("DELETE")

        def answer(session: Session) -> Response:
            number = self._bulk.delete_matching(session, operation, query, most=most, cascade=cascade)
            return self._views.shown(operation, None, total_count=number)

        return self._views.written(operation, answer)

    def _update_matching(self, body: dict[str, Any]) -> Response:
        parameters, most = self._max_affected(query_parameters(), "PATCH")
        query = self._query(parameters, "PATCH")
        operation = self._operation("PATCH", parameters, include_deleted=query.view.include_deleted)
        self._refuse_conditions("PATCH")

        def answer(session: Session) -> Response:
            records = self._bulk.update_matching(session, operation, query, body, most=most)
            return self._views.shown(operation, records, total_count=len(records))

        return self._views.written(operation, answer)

    # --- parameters ---------------------------------------------------------------------------------------------------

    def _operation(self, method: str, parameters: Parameters, **members: Any) -> Operation:
        return self._views.operation(method, parameters, many=True, **members)

    def _query(self, parameters: Parameters, method: str) -> Any:
        paging = next((name for name, _ in parameters if name in _PAGING), None)
        if paging is not None:
            raise QueryError(
                f"{paging} has no meaning here: all rows that match are written. Leave it out.",
                reason="unknown_parameter",
            )
        if not self._settings.get(options.ALLOW_FILTERS, model=self._resource.model, method=method):
            raise QueryError(
                f"{method} on a collection needs a filter, and filters are off for {self._resource.name}.",
                reason="filter_required",
            )
        return parse_collection(self._resource, parameters, self._settings, method=method, strict=True)

    def _max_affected(self, parameters: Parameters, method: str) -> tuple[Parameters, int]:
        """Take `max_affected` out of the parameters."""
        given = [value for name, value in parameters if name == "max_affected"]
        most = self._rows_max(method)
        if len(given) != 1 or not _NUMBER.match(given[0]) or not 1 <= int(given[0]) <= most:
            raise QueryError(
                f"max_affected must be given once, as a number from 1 to {most}: how many rows may be written at most.",
                reason="invalid_max_affected",
                details={"maximum": most},
            )
        return [pair for pair in parameters if pair[0] != "max_affected"], int(given[0])

    @staticmethod
    def _atomic(parameters: Parameters) -> tuple[Parameters, bool]:
        """Take `atomic` out of the parameters."""
        given = [value for name, value in parameters if name == "atomic"]
        if len(given) > 1:
            raise QueryError("The parameter 'atomic' is given twice. Send it once.", reason="duplicate_parameter")
        return [pair for pair in parameters if pair[0] != "atomic"], parse_boolean(given[0]) if given else True

    def _cascades(self, parameters: Iterable[tuple[str, str]]) -> bool:
        given = [value for name, value in parameters if name == "cascade_delete"]
        allowed = self._settings.get(options.ALLOW_CASCADE_DELETE, model=self._resource.model)
        return bool(given) and allowed and parse_boolean(given[-1])

    def _bounded(self, bodies: list[Any], method: str) -> list[Any]:
        most = self._rows_max(method)
        if not bodies:
            raise BadRequestError("The list in the body is empty.", reason="empty_list")
        if len(bodies) > most:
            raise BadRequestError(
                f"The list in the body has {len(bodies)} items; at most {most} are taken at once.",
                reason="too_many_items",
                details={"maximum": most},
            )
        return bodies

    def _rows_max(self, method: str) -> int:
        return self._settings.get(options.BULK_ROWS_MAX, model=self._resource.model, method=method)

    def _refuse_conditions(self, method: str) -> None:
        """Refuse a write of many rows where the state of each row has to be named, or is: one header cannot."""
        if self._settings.get(options.REQUIRE_IF_MATCH, model=self._resource.model, method=method):
            raise ApiError(
                f"{self._resource.name} rows are changed and deleted with If-Match only, so one by one.",
                status=428,
                reason="precondition_required",
            )
        given = request.headers.get("If-Match")
        if given is not None and given.strip() != "*":
            raise ApiError(
                "If-Match names the state of one row. Change the rows one by one, or leave it out.",
                status=412,
                reason="precondition_failed",
            )

    # --- answers ------------------------------------------------------------------------------------------------------

    def _answer(self, operation: Operation, outcomes: list[Outcome], *, atomic: bool) -> Response:
        if atomic:
            created = all(outcome.status == 201 for outcome in outcomes)
            status = self._settings.get(options.CREATED_STATUS) if created else 200
            records = [outcome.value for outcome in outcomes]
            return self._views.shown(operation, records, status=status, total_count=len(records))
        items = [
            _described(position, outcome, shows=operation.wants_value) for position, outcome in enumerate(outcomes)
        ]
        return self._views.shown(operation, items, status=207, total_count=len(items))


def _described(position: int, outcome: Outcome, *, shows: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"index": position, "status": outcome.status}
    if outcome.error is not None:
        item["errors"] = outcome.error.to_dict()
    elif shows:
        item["value"] = outcome.value
    return item
