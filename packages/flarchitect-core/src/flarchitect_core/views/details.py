"""What a hand-written view takes and answers, as it was said where it was decorated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flarchitect_core import options
from flarchitect_core.catalogue.endpoint import EndpointDetails
from flarchitect_core.catalogue.shapes import Answer, Body, Content, SchemaShape
from flarchitect_core.http.body import FORM, body_types
from flarchitect_core.http.negotiation import record_formats
from flarchitect_core.views.bodies import WITHOUT_BODY, part_types, schema_instance, takes_files
from flarchitect_core.views.sse import EVENT_STREAM

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
    content = Content(answer_types(state), shape, many=many)
    if info.stream:
        content = Content([EVENT_STREAM], shape, is_enveloped=False, is_stream=True)
    answer = Answer(200, "OK", [content])
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
    used, is_partial = schema_instance(schema), method == "PATCH"
    # No body at all counts as an empty object.
    required = not is_partial and any(field.required for field in used.load_fields.values())
    shape = SchemaShape(schema, is_partial=is_partial, is_body=True)
    if not takes_files(used):
        return Body(body_types(state.settings), shape, required=required)
    return Body([FORM], shape, required=required, part_types=part_types(used))


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
