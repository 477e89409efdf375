"""The list of resources at the prefix of a served database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from flarchitect_core.access.asked import Asked
from flarchitect_core.catalogue.endpoint import Endpoint, EndpointDetails
from flarchitect_core.catalogue.shapes import Answer, Content, JsonShape
from flarchitect_core.model.resource import Resource
from flarchitect_core.state import ApplicationState
from flarchitect_core.views.details import answer_types

__all__ = ["add_index"]


def add_index(state: ApplicationState) -> None:
    """Answer the prefix with every resource, and lead there from `/`.

    Each entry has `name`, `table`, `url`, `methods` (sorted), `fields` and `relations` (lists of names).
    """
    prefix = state.registry.prefix
    resources = list(state.registry)

    def index() -> Response:
        root = request.root_path.rstrip("/")
        entries = [_entry(resource, root) for resource in resources]
        return state.envelope.response(entries, total_count=len(entries))

    def to_index() -> WerkzeugResponse:
        return redirect(f"{request.root_path.rstrip('/')}{prefix}")

    state.app.add_url_rule(prefix or "/", "index", index, strict_slashes=False)
    state.endpoints.append(_endpoint(state, prefix or "/"))
    if prefix:
        state.app.add_url_rule("/", "to_index", to_index)


def _endpoint(state: ApplicationState, path: str) -> Endpoint:
    """Describe the list for documents."""
    texts = {"type": "array", "items": {"type": "string"}}
    text = {"type": "string"}
    members = {"name": text, "table": text, "url": text, "methods": texts, "fields": texts, "relations": texts}
    entry = JsonShape({"type": "object", "properties": members})
    answer = Answer(200, "Every resource.", [Content(answer_types(state), entry, many=True)])
    details = EndpointDetails(answers=[answer], errors=[406, 500])
    return Endpoint(path, "GET", "index", "view", Asked("GET"), lambda: details, summary="What is served", tag="Index")


def _entry(resource: Resource, root: str) -> dict[str, Any]:
    table: Any = sa.inspect(resource.model).local_table
    return {
        "name": resource.name,
        "table": getattr(table, "fullname", None),
        "url": f"{root}{resource.link_path}",
        "methods": sorted(resource.methods),
        "fields": [field.name for field in resource.fields.values() if "GET" not in field.hidden_in],
        "relations": list(resource.relations),
    }
