"""Summaries and descriptions: what was said about an operation, else what follows from what it does (docs 3.9)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flarchitect_core import options as core
from flarchitect_docs import options
from flarchitect_docs.document.templates import text_or_file

if TYPE_CHECKING:
    from flarchitect_core.catalogue.endpoint import Endpoint
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.names import SchemaNames

__all__ = ["Texts", "docstring_of"]

_SUMMARIES = {
    "list": "List `{name}` records",
    "get": "Get one `{name}` by its key",
    "create": "Create one `{name}`",
    "replace": "Replace one `{name}`",
    "update": "Update one `{name}`",
    "delete": "Delete one `{name}`",
    "update_many": "Update many `{name}` records",
    "delete_many": "Delete many `{name}` records",
    "list_related": "List the `{name}` records of one `{parent}` ({relation})",
    "get_related": "Get the `{name}` of one `{parent}` ({relation})",
}


class Texts:
    """The texts of one application's operations."""

    def __init__(self, state: ApplicationState, names: SchemaNames) -> None:
        self._state = state
        self._names = names

    def summary(self, endpoint: Endpoint) -> str | None:
        """Give the title of an operation."""
        said = endpoint.summary or self._said(endpoint, core.GET_MANY_SUMMARY, core.GET_SINGLE_SUMMARY, core.SUMMARY)
        if said is not None or not self._state.settings.get(options.AUTO_NAME_ENDPOINTS):
            return said
        resource, relation = endpoint.resource, endpoint.relation
        if endpoint.kind not in _SUMMARIES or resource is None:
            return endpoint.name.rpartition(".")[2].replace("_", " ").strip().capitalize()
        parent = "" if relation is None else self._names.of_resource(relation.source)
        name = self._names.of_resource(resource)
        told = "" if relation is None else relation.name
        return _SUMMARIES[endpoint.kind].format(name=name, parent=parent, relation=told)

    def description(self, endpoint: Endpoint) -> str | None:
        """Give what is said about an operation besides."""
        view = endpoint.view
        if view is not None and view.info.description:
            return text_or_file(view.info.description, self._state)
        texts = (core.GET_MANY_DESCRIPTION, core.GET_SINGLE_DESCRIPTION, core.DESCRIPTION)
        said = self._said(endpoint, *texts)
        if said is not None:
            return text_or_file(said, self._state)
        return (docstring_of(view.function) if view is not None else "") or None

    def _said(self, endpoint: Endpoint, of_many: Any, of_one: Any, of_method: Any) -> str | None:
        """Find the text of the model, of a list or a row where the method has both."""
        resource, method = endpoint.resource, endpoint.method
        if resource is None or endpoint.relation is not None:
            return None
        get = self._state.settings.get
        if method == "GET":
            said = get(of_many if endpoint.asked.many else of_one, model=resource.model)
            if said is not None:
                return str(said)
        value = get(of_method, model=resource.model, method=method)
        if value == get(of_method):
            return None  # a text of the configuration that names no method is that of the whole document
        if isinstance(value, Mapping):
            value = value.get(method) or value.get(method.lower())
        elif value == get(of_method, model=resource.model):
            return None  # and one of `Meta` that names none is that of the model
        return value if isinstance(value, str) else None


def docstring_of(thing: object) -> str:
    """Give the docstring of a view or a model, without what follows a line of dashes; none for what it inherits."""
    written = getattr(thing, "__doc__", None)
    if not isinstance(written, str) or (isinstance(thing, type) and "__doc__" not in vars(thing)):
        return ""
    lines = inspect.cleandoc(written).splitlines()
    end = next((number for number, line in enumerate(lines) if line.strip() == "---"), len(lines))
    return "\n".join(lines[:end]).strip()
