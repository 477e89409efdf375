"""Views in the formats that they have: what suits nobody is refused before anything is done for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from flarchitect_core import options
from flarchitect_core.errors import ApiError
from flarchitect_core.http.negotiation import CSV, NDJSON, Format, best_format, record_formats, require_format
from flarchitect_core.model.resource import Resource
from flarchitect_core.settings import Settings

__all__ = ["in_collection_formats", "in_record_formats"]

EXPORT_FORMATS = (CSV, NDJSON)

View = Callable[..., ResponseReturnValue]


def in_record_formats(view: View, settings: Settings) -> View:
    """Give the view that first refuses, with 406, clients who take none of the formats of the envelope."""

    def negotiated(**variables: Any) -> ResponseReturnValue:
        require_format(request.environ.get("HTTP_ACCEPT"), record_formats(settings))
        return view(**variables)

    return negotiated


def in_collection_formats(page: View, export: View, resource: Resource, settings: Settings) -> View:
    """Give the view that answers with an export to clients who prefer one, and with a page to all others.

    Args:
        page: Answers in the envelope.
        export: The same rows as an export; takes the format besides the path variables.
    """

    def negotiated(**variables: Any) -> ResponseReturnValue:
        accept = request.environ.get("HTTP_ACCEPT")
        offered = tuple(record_formats(settings))
        if settings.get(options.ALLOW_EXPORT, model=resource.model):
            offered += EXPORT_FORMATS
        elif best_format(accept, offered) is None and best_format(accept, EXPORT_FORMATS) is not None:
            raise _not_allowed(resource)
        chosen = require_format(accept, offered)
        return export(chosen, **variables) if _is_export(chosen) else page(**variables)

    return negotiated


def _is_export(chosen: Format) -> bool:
    return chosen in EXPORT_FORMATS


def _not_allowed(resource: Resource) -> ApiError:
    return ApiError(
        f"{resource.name} rows are not given as an export: API_ALLOW_EXPORT is off. Ask for application/json, page by "
        f"page.",
        status=406,
        reason="export_not_allowed",
    )
