"""One request to a generated route: parse, operate, answer. What the operations mean is decided in core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote

from flask import Response, request
from sqlalchemy.orm import Session

from flarchitect_core import options
from flarchitect_core.errors import QueryError
from flarchitect_core.http.body import MERGE_PATCH, read_object
from flarchitect_core.http.preferences import APPLIED, preferred_return
from flarchitect_core.model.resource import PATH_SAFE, Relation, Resource
from flarchitect_core.operations.operation import Operation
from flarchitect_core.operations.service import Saved
from flarchitect_core.query.expressions import CollectionQuery
from flarchitect_core.query.paging import Extent, PageLinks, page_headers, page_links
from flarchitect_core.query.parse import parse_cascade, parse_collection, parse_view
from flarchitect_core.query.view import View
from flarchitect_core.state import ApplicationState
from flarchitect_rest.conditions import Conditions
from flarchitect_rest.repetition import once

__all__ = ["Parameters", "RelationViews", "ResourceViews", "by_name", "query_parameters"]

_PARAMETERS_MAX = 500

Parameters = list[tuple[str, str]]


def query_parameters() -> Parameters:
    """Read the query of the request as pairs in their order, which `request.args` does not keep."""
    raw = request.query_string
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_PARAMETERS_MAX, errors="strict")
    except UnicodeDecodeError as error:
        raise QueryError("The query is not UTF-8, percent-encoded.", reason="invalid_text") from error
    except ValueError as error:
        raise QueryError(f"More than {_PARAMETERS_MAX} query parameters.", reason="too_many_parameters") from error


class _Views:
    """What the views of resources and relations share."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._settings = state.settings
        self._envelope = state.envelope
        self.service = self._service = state.services[resource.model]
        self._conditions = Conditions(resource, state)

    def operation(self, method: str, parameters: Parameters, **members: Any) -> Operation:
        """Describe what the request asks for."""
        return Operation(
            self._resource, method, parameters=by_name(parameters), root=request.root_path.rstrip("/"), **members
        )

    def _answer_page(self, **members: Any) -> Response:
        parameters = query_parameters()
        query = parse_collection(self._resource, parameters, self._settings)
        links = partial(self._links, parameters, query)
        operation = self.operation("GET", parameters, many=True, page_links=links, **members)
        page = self._service.list(operation, query)
        found = links(page.extent)
        answer = self._envelope.response(
            page.records,
            total_count=page.extent.total,
            next_url=found.next,
            previous_url=found.previous,
            headers=page_headers(found, page.extent),
        )
        return self._conditions.tag_list(answer)

    def _answer_row(self, operation: Operation, view: View) -> Response:
        self._conditions.before_read(operation)
        record = self._service.get(operation, view)
        return self._conditions.tag(self._envelope.response(record), operation, record)

    @staticmethod
    def _links(parameters: Parameters, query: CollectionQuery, extent: Extent) -> PageLinks:
        # `request.base_url` is an IRI and has to be turned back: that costs more than the rest of the links.
        path = quote(request.root_path + request.path, safe=PATH_SAFE)
        # A `Host` that no host can have reads as an empty one.
        url = f"{request.scheme}://{request.host}{path}" if request.host else path
        return page_links(url, parameters, query, extent)


class ResourceViews(_Views):
    """The views of one resource; path variables are its key."""

    def list(self) -> Response:
        """Answer with a page of rows."""
        return self._answer_page()

    def get(self, **variables: Any) -> Response:
        """Answer with one row."""
        return self._answer_row(*self._asked("GET", variables))

    def create(self) -> Response:
        """Create a row: 201 with `Location`."""
        operation, view = self._asked("POST")
        body = read_object(request, self._settings)
        return self.written(
            operation, lambda session: self._answer(operation, self._service.create(session, operation, body, view))
        )

    def replace(self, **variables: Any) -> Response:
        """Replace a row: 200, or 201 when it was not there and the client may choose its key."""
        operation, view = self._asked("PUT", variables)
        body = read_object(request, self._settings)
        return self.written(
            operation, lambda session: self._answer(operation, self._service.replace(session, operation, body, view))
        )

    def update(self, **variables: Any) -> Response:
        """Change the named columns of a row."""
        operation, view = self._asked("PATCH", variables)
        body = read_object(request, self._settings)
        return self.written(
            operation, lambda session: self._answer(operation, self._service.update(session, operation, body, view))
        )

    def delete(self, **variables: Any) -> Response:
        """Delete a row: 200 with a null value."""
        parameters = query_parameters()
        cascade = parse_cascade(self._resource, parameters, self._settings)
        operation = self.operation("DELETE", parameters, key=self._resource.key_values(variables))
        return self.written(
            operation,
            lambda session: self.shown(operation, self._service.delete(session, operation, cascade=cascade)),
        )

    def _asked(self, method: str, variables: Mapping[str, Any] | None = None) -> tuple[Operation, View]:
        parameters = query_parameters()
        view = parse_view(self._resource, parameters, self._settings, method)
        key = None if variables is None else self._resource.key_values(variables)
        return self.operation(method, parameters, key=key, include_deleted=view.include_deleted), view

    def written(self, operation: Operation, answer: Callable[[Session], Response]) -> Response:
        """Write in one transaction, and only once for one `Idempotency-Key`."""
        operation.wants_value = preferred_return(request.environ.get("HTTP_PREFER")) != "minimal"
        operation.merges = operation.method == "PATCH" and request.mimetype == MERGE_PATCH
        if not operation.many:
            self._conditions.before_write(operation)
        with self._service.transaction(operation) as session:
            return once(self._service.idempotency, session, lambda: answer(session))

    def shown(self, operation: Operation, value: Any, *, status: int = 200, **members: Any) -> Response:
        """Answer to a write with as much as the client would like to see.

        Args:
            members: As for the envelope, `headers` among them.
        """
        preferred = preferred_return(request.environ.get("HTTP_PREFER"))
        headers = dict(members.pop("headers", ()))
        if preferred is not None:
            headers[APPLIED] = f"return={preferred}"
        if operation.wants_value or status == 207:
            return self._envelope.response(value, status=status, headers=headers, **members)
        empty = Response(status=201 if status == 201 else 204, headers=headers)
        empty.headers.pop("Content-Type", None)
        return empty

    def _answer(self, operation: Operation, saved: Saved) -> Response:
        if not saved.created:
            return self._conditions.tag(self.shown(operation, saved.value), operation, saved.value)
        location = f"{operation.root}{self._resource.link_path}/{self._resource.key_path(saved.key)}"
        status = self._settings.get(options.CREATED_STATUS)
        answer = self.shown(operation, saved.value, status=status, headers={"Location": location})
        return self._conditions.tag(answer, operation, saved.value)


class RelationViews(_Views):
    """The views of one relation; path variables are the key of the parent."""

    def __init__(self, relation: Relation, state: ApplicationState) -> None:
        super().__init__(relation.target, state)
        self._relation = relation

    def list(self, **variables: Any) -> Response:
        """Answer with a page of the rows that the parent leads to."""
        return self._answer_page(relation=self._relation, key=self._relation.source.key_values(variables))

    def get(self, **variables: Any) -> Response:
        """Answer with the row that the parent leads to."""
        parameters = query_parameters()
        view = parse_view(self._resource, parameters, self._settings, "GET")
        key = self._relation.source.key_values(variables)
        operation = self.operation(
            "GET", parameters, key=key, relation=self._relation, include_deleted=view.include_deleted
        )
        return self._answer_row(operation, view)


def by_name(parameters: Parameters) -> dict[str, list[str]]:
    """Give the parameters as hooks see them: each name with all of its values."""
    values: dict[str, list[str]] = {}
    for name, value in parameters:
        values.setdefault(name, []).append(value)
    return values
