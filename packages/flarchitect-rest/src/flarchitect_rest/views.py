"""One request to a generated route: parse, operate, answer. What the operations mean is decided in core."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote

from flask import Response, request

from flarchitect_core import options
from flarchitect_core.errors import QueryError
from flarchitect_core.http.body import read_object
from flarchitect_core.model.resource import PATH_SAFE, Relation, Resource
from flarchitect_core.operations.executor import SessionExecutor
from flarchitect_core.operations.read import list_rows, parent_not_found, read_related_row, read_row, read_written_row
from flarchitect_core.operations.write import Writer, Written, unit_of_work
from flarchitect_core.query.compile import Scope
from flarchitect_core.query.expressions import CollectionQuery
from flarchitect_core.query.include import View
from flarchitect_core.query.paging import page_links
from flarchitect_core.query.parse import parse_collection, parse_view
from flarchitect_core.state import ApplicationState

__all__ = ["RelationViews", "ResourceViews"]

_PARAMETERS_MAX = 500

Parameters = list[tuple[str, str]]


def _parameters() -> Parameters:
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

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self._settings = state.settings
        self._envelope = state.envelope

    def _executor(self) -> SessionExecutor:
        return SessionExecutor(self._state, request.root_path.rstrip("/"))

    def _answer_page(self, resource: Resource, scope: Scope | None = None) -> Response:
        parameters = _parameters()
        query = parse_collection(resource, parameters, self._settings)
        page = list_rows(resource, query, self._executor(), scope)
        next_url, previous_url = self._links(parameters, query, page.total)
        return self._envelope.response(
            page.records, total_count=page.total, next_url=next_url, previous_url=previous_url
        )

    @staticmethod
    def _links(parameters: Parameters, query: CollectionQuery, total: int) -> tuple[str | None, str | None]:
        if query.page == 1 and total <= query.limit:
            return None, None
        # `request.base_url` is an IRI and has to be turned back: that costs more than the rest of the links.
        path = quote(request.root_path + request.path, safe=PATH_SAFE)
        # A `Host` that no host can have reads as an empty one.
        url = f"{request.scheme}://{request.host}{path}" if request.host else path
        return page_links(url, parameters, query, total)


class ResourceViews(_Views):
    """The views of one resource; path variables are its key."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        super().__init__(state)
        self._resource = resource

    @cached_property
    def _writer(self) -> Writer:
        # Its schemas cost more than the rest of a resource, and many resources are never written to.
        return Writer(self._resource, self._state)

    def list(self) -> Response:
        """Answer with a page of rows."""
        return self._answer_page(self._resource)

    def get(self, **variables: Any) -> Response:
        """Answer with one row."""
        view = self._view("GET")
        record = read_row(self._resource, self._resource.key_values(variables), view, self._executor())
        return self._envelope.response(record)

    def create(self) -> Response:
        """Create a row: 201 with `Location`."""
        view, body = self._view("POST"), read_object(request, self._settings)
        with unit_of_work(self._state, self._resource) as session:
            return self._written(self._writer.create(session, body), view)

    def replace(self, **variables: Any) -> Response:
        """Replace a row: 200, or 201 when it was not there and the client may choose its key."""
        view, body = self._view("PUT"), read_object(request, self._settings)
        key = self._resource.key_values(variables)
        with unit_of_work(self._state, self._resource) as session:
            return self._written(self._writer.replace(session, key, body), view)

    def update(self, **variables: Any) -> Response:
        """Change the named columns of a row."""
        view, body = self._view("PATCH"), read_object(request, self._settings)
        key = self._resource.key_values(variables)
        with unit_of_work(self._state, self._resource) as session:
            return self._written(self._writer.update(session, key, body), view)

    def delete(self, **variables: Any) -> Response:
        """Delete a row: 200 with a null value."""
        parse_view(self._resource, _parameters(), self._settings, "DELETE", accepted=())
        with unit_of_work(self._state, self._resource, deleting=True) as session:
            self._writer.delete(session, self._resource.key_values(variables))
            return self._envelope.response(None)

    def _view(self, method: str) -> View:
        return parse_view(self._resource, _parameters(), self._settings, method)

    def _written(self, written: Written, view: View) -> Response:
        """Answer with the row as it now is, read in the transaction that wrote it."""
        resource, executor = self._resource, self._executor()
        record = read_written_row(resource, written.key, view, executor)
        if not written.created:
            return self._envelope.response(record)
        location = f"{executor.root}{resource.link_path}/{resource.key_path(written.key)}"
        status = self._settings.get(options.CREATED_STATUS)
        return self._envelope.response(record, status=status, headers={"Location": location})


class RelationViews(_Views):
    """The views of one relation; path variables are the key of the parent."""

    def __init__(self, relation: Relation, state: ApplicationState) -> None:
        super().__init__(state)
        self._relation = relation

    def list(self, **variables: Any) -> Response:
        """Answer with a page of the rows that the parent leads to."""
        key = self._relation.source.key_values(variables)
        if key is None:
            raise parent_not_found(self._relation)
        return self._answer_page(self._relation.target, Scope(self._relation, key))

    def get(self, **variables: Any) -> Response:
        """Answer with the row that the parent leads to."""
        target = self._relation.target
        view = parse_view(target, _parameters(), self._settings, "GET")
        key = self._relation.source.key_values(variables)
        record = read_related_row(self._relation, key, view, self._executor())
        return self._envelope.response(record)
