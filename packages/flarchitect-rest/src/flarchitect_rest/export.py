"""Exports: all rows of a collection as CSV or NDJSON, sent while they are read (rest 4.5).

An export holds the request open, with its database connection, until the last row is sent or the client goes away.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, current_app, got_request_exception, request

from flarchitect_core import options
from flarchitect_core.errors import ApiError, QueryError
from flarchitect_core.http.encoding import encode_json
from flarchitect_core.http.negotiation import NDJSON, Format
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.http.streaming import within_request
from flarchitect_core.model.dumping import Record
from flarchitect_core.model.resource import Relation, Resource
from flarchitect_core.operations.export import Export
from flarchitect_core.operations.operation import Operation
from flarchitect_core.operations.read import parent_not_found
from flarchitect_core.query.parse import parse_collection
from flarchitect_core.state import ApplicationState
from flarchitect_rest.views import Parameters, by_name, query_parameters

__all__ = ["ExportViews"]

# A spreadsheet takes text that begins like this for a formula; a plain number is none.
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,30}\Z", re.ASCII)


class ExportViews:
    """The exports of one resource."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._state = state

    def rows(self, chosen: Format) -> Response:
        """Answer with all rows that match."""
        return self._answer(chosen)

    def related(self, relation: Relation, chosen: Format, **variables: Any) -> Response:
        """Answer with all rows that a parent leads to."""
        key = relation.source.key_values(variables)
        if key is None:
            raise parent_not_found(relation)
        return self._answer(chosen, relation, key)

    def _answer(self, chosen: Format, relation: Relation | None = None, key: tuple[Any, ...] | None = None) -> Response:
        resource, settings = self._resource, self._state.settings
        most = settings.get(options.EXPORT_ROWS_MAX, model=resource.model)
        parameters, limit = _without_paging(query_parameters(), most)
        query = parse_collection(resource, parameters, settings)
        operation = Operation(
            resource,
            "GET",
            many=True,
            key=key,
            relation=relation,
            parameters=by_name(parameters),
            root=request.root_path.rstrip("/"),
            include_deleted=query.view.include_deleted,
        )
        export = self._state.services[resource.model].export(operation, query, limit=limit, most=most)
        lines = _ndjson(export) if chosen is NDJSON else _csv(export)
        # The server never reads, and so never ends, the body of an answer to HEAD.
        body = iter(()) if request.method == "HEAD" else within_request(lines)
        response = Response(body, mimetype=chosen.mimetype)
        response.headers.set("Content-Disposition", "attachment", filename=f"{resource.segment}.{chosen.name}")
        response.headers.add("Vary", "Accept")
        return response


def _without_paging(parameters: Parameters, most: int) -> tuple[Parameters, int | None]:
    """Take `limit` out of the parameters, because an export has limits of its own, and refuse pages."""
    for name, _ in parameters:
        if name in ("page", "cursor"):
            raise QueryError(f"An export has all rows and no pages. Leave `{name}` out.", reason=f"invalid_{name}")
    given = [value for name, value in parameters if name == "limit"]
    if len(given) > 1:
        raise QueryError("The parameter 'limit' is given twice. Send it once.", reason="duplicate_parameter")
    if not given:
        return parameters, None
    if not _DIGITS.match(given[0]) or int(given[0]) < 1:
        raise QueryError(f"Invalid limit value: {given[0][:100]}. It must be 1 or more.", reason="invalid_limit")
    if int(given[0]) > most:
        raise QueryError(f"Limit exceeds maximum value of {most}", reason="limit_exceeds_maximum")
    return [pair for pair in parameters if pair[0] != "limit"], int(given[0])


def _ndjson(export: Export) -> Iterator[bytes]:
    """Write one record a line; a failure is the last line, in the one error shape."""
    try:
        for records in export.chunks:
            yield b"".join(encode_json(record) + b"\n" for record in records)
    except Exception as error:
        _tell(error)
        yield encode_json({"errors": _described(error)}) + b"\n"
        raise


def _csv(export: Export) -> Iterator[bytes]:
    """Write RFC 4180 with a header; a failure breaks the connection, because no row could tell of it."""
    text = io.StringIO()
    writer = csv.writer(text)
    names: Sequence[str] = export.names
    is_begun = False
    try:
        for records in export.chunks:
            if not is_begun:
                # What a hook adds to the records is known by the first one only.
                names = list(records[0]) if records else names
                writer.writerow(map(_safe, names))
                is_begun = True
            writer.writerows(_cells(names, records))
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    except Exception as error:
        _tell(error)
        raise


def _cells(names: Sequence[str], records: Iterable[Record]) -> Iterator[list[Any]]:
    for record in records:
        yield [_cell(record.get(name)) for name in names]


def _cell(value: Any) -> Any:
    """Write a value as JSON writes it, text without quotes and null as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _safe(value)
    if type(value) is int:
        return value
    written = encode_json(value).decode("utf-8")
    return written[1:-1] if written.startswith('"') else written


def _safe(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def _tell(error: Exception) -> None:
    """Tell of a failure that no error handler sees any more, as Flask tells of others."""
    got_request_exception.send(current_app._get_current_object(), exception=error)  # type: ignore[attr-defined]  # noqa: SLF001


def _described(error: Exception) -> dict[str, Any]:
    known = error if isinstance(error, ApiError) else None
    described = known or ApiError("Something went wrong on our side.", reason="unexpected_error", status=500)
    scope = current_request()
    return {**described.to_dict(), **({"request_id": scope.identity.request_id} if scope is not None else {})}
