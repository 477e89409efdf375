"""What a hand-written view takes and answers, as it was said where it was decorated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flarchitect_core import options
from flarchitect_core.catalogue.endpoint import EndpointDetails
from flarchitect_core.catalogue.shapes import Answer, Body, Content, SchemaShape
from flarchitect_core.http.body import body_types
from flarchitect_core.http.negotiation import record_formats
from flarchitect_core.views.bodies import WITHOUT_BODY, schema_instance

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState
    from flarchitect_core.views.managed import ManagedView

__all__ = ["answer_types", "view_details"]


def answer_types(state: ApplicationState) -> tuple[str, ...]:
    """List the media types that answers in the envelope have."""
    types = [each.mimetype for each in record_formats(state.settings)]
    if state.settings.get(options.XML_AS_TEXT):
        types = ["text/xml" if each == "application/xml" else each for each in types]
    return tuple(types)


def view_details(state: ApplicationState, view: ManagedView, method: str) -> EndpointDetails:
    """Describe one method of a view."""
    info = view.info
    shape = None if info.output_schema is None else SchemaShape(info.output_schema)
    many = info.many if info.multiple is None else info.multiple
    answer = Answer(200, "OK", [Content(answer_types(state), shape, many=many)])
    return EndpointDetails(
        body=_body(state, view, method),
        answers=[answer],
        errors=tuple(_errors(state, view, method)),
        rate=next((rate for part in state.parts if (rate := part.describe_rate(state, view, method))), None),
    )


def _body(state: ApplicationState, view: ManagedView, method: str) -> Body | None:
    schema = view.info.input_schema
    if schema is None or method in WITHOUT_BODY:
        return None
    is_partial = method == "PATCH"
    # No body at all counts as an empty object.
    required = not is_partial and any(field.required for field in schema_instance(schema).load_fields.values())
    return Body(body_types(state.settings), SchemaShape(schema, is_partial=is_partial), required=required)


def _errors(state: ApplicationState, view: ManagedView, method: str) -> Iterator[int]:
    """Give the statuses of the rules of docs 3.7, and those that were named."""
    info = view.info
    has_body = _body(state, view, method) is not None
    if has_body:
        yield from (400, 413, 415)
    elif method == "GET" and info.many and info.model is not None:
        yield 400
    if method in ("POST", "PUT", "PATCH") and info.model is not None:
        yield 422
    if info.error_responses is not None:
        yield from info.error_responses
        return
    if method != "POST" and not info.many:
        yield 404
    if method == "DELETE":
        yield 409
    yield 500
