"""Entity tags on the answers of one resource, and the conditions that requests put on its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from flarchitect_core import options
from flarchitect_core.http.conditional import check_read, entity_tag, list_tag, precondition_of, required
from flarchitect_core.http.negotiation import JSON
from flarchitect_core.http.responses import Answer
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.resource import Resource
from flarchitect_core.operations.operation import Operation
from flarchitect_core.state import ApplicationState

__all__ = ["Conditions"]


class Conditions:
    """Reads the conditions of requests for one resource, and tags its answers."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._settings = state.settings
        self._hooks = state.hooks[resource.model]
        self._model = resource.model
        self._own = frozenset(
            name
            for name, item in resource.fields.items()
            if isinstance(item.fact, ColumnFact) and item.fact.column is not None
        )
        self._relations = frozenset(resource.relations)
        self._hiding = frozenset(name for name, relation in resource.relations.items() if relation.target.is_restricted)

    @property
    def is_tagging(self) -> bool:
        """Whether answers carry tags."""
        get, model = self._settings.get, self._model
        return get(options.ETAGS, model=model) or get(options.REQUIRE_IF_MATCH, model=model, method="PATCH")

    def before_read(self, operation: Operation) -> None:
        """Let an operation find out the state of the row it reads."""
        operation.wants_tag = self.is_tagging

    def before_write(self, operation: Operation) -> None:
        """Put the conditions of the request on the row it writes.

        Raises:
            ApiError: 428, a condition is required.
        """
        operation.wants_tag = operation.method != "DELETE" and self.is_tagging
        if operation.method == "POST":
            return
        operation.precondition = precondition_of(request.headers)
        if self._settings.get(options.REQUIRE_IF_MATCH, model=self._model, method=operation.method):
            required(operation.precondition, creates=operation.method == "PUT")

    def tag(self, answer: Response, operation: Operation, record: Any) -> Response:
        """Tag the answer with one row; a read that has it already gets 304.

        Raises:
            ApiError: 412, the row that was read is in another state.
        """
        if operation.tag is None:
            return answer
        hooks, method = self._hooks, operation.method
        told = record
        if isinstance(record, Mapping) and hooks.dump_callback(method) is None and not hooks.wants_output(method):
            told = {name: value for name, value in record.items() if self._is_more(name, value)}
        return self._tagged(answer, entity_tag(operation.tag, told, answer.mimetype or JSON.mimetype))

    def _is_more(self, name: str, value: Any) -> bool:
        """Say whether a member of a record tells more than what is in the row."""
        if name not in self._relations:
            return name not in self._own
        # A link follows from the row, and so does that there is none, unless the row it leads to may be hidden.
        return not isinstance(value, str) and (value is not None or name in self._hiding)

    def tag_list(self, answer: Response) -> Response:
        """Tag an answer with several rows, weakly; a read that has it already gets 304."""
        if not self.is_tagging or not isinstance(answer, Answer) or answer.said is None:
            return answer
        return self._tagged(answer, list_tag(*answer.said, answer.mimetype or ""))

    @staticmethod
    def _tagged(answer: Response, tag: str) -> Response:
        answer.headers["ETag"] = tag
        if request.method in ("GET", "HEAD"):
            check_read(request.headers, tag)
            if "HTTP_IF_NONE_MATCH" in request.environ:
                answer.make_conditional(request)
        return answer
