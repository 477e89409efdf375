"""What the generated routes take and answer, for the catalogue of the application."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flarchitect_core import options as core
from flarchitect_core.access.asked import Asked
from flarchitect_core.catalogue.endpoint import Endpoint, EndpointDetails, Kind, SharedParameters
from flarchitect_core.catalogue.shapes import Answer, Body, Content, JsonShape, Parameter, RecordShape
from flarchitect_core.http.body import body_types
from flarchitect_core.http.negotiation import CSV, NDJSON
from flarchitect_core.model.json_types import NOTHING
from flarchitect_core.operations.idempotency import METHODS as IDEMPOTENT_METHODS
from flarchitect_core.query.parameters import (
    cascade_parameters,
    collection_parameters,
    filter_parameters,
    switch_schema,
    url_type,
    view_parameters,
)
from flarchitect_core.views.details import answer_types
from flarchitect_rest.bulk import allows_bulk
from flarchitect_rest.limits import rates_of

if TYPE_CHECKING:
    from flarchitect_core.catalogue.shapes import RecordUse
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["endpoint_of"]

_KINDS: dict[tuple[str, bool], Kind] = {
    ("GET", True): "list",
    ("POST", True): "create",
    ("PATCH", True): "update_many",
    ("DELETE", True): "delete_many",
    ("GET", False): "get",
    ("PUT", False): "replace",
    ("PATCH", False): "update",
    ("DELETE", False): "delete",
}
_USES: dict[Kind, RecordUse] = {
    "create": "create",
    "replace": "replace",
    "update": "update",
    "update_many": "update",
}
_CREATED = "Created; without a body where `Prefer: return=minimal` asks for none."
_IF_MATCH = Parameter(
    "If-Match",
    "header",
    {"type": "string"},
    "Do it only while the row has one of these entity tags; `*` for any.",
    example="*",
)
_IF_NONE_MATCH = Parameter(
    "If-None-Match",
    "header",
    {"type": "string"},
    "Answer 304 when the row still has one of these entity tags.",
)
_CREATE_ONLY = Parameter(
    "If-None-Match",
    "header",
    {"type": "string"},
    "With `*`, create the row only when it is not there.",
    resource="creation",
)
_PREFER = Parameter(
    "Prefer",
    "header",
    {"type": "string"},
    "`return=minimal` for an answer without a body, `return=representation` for one (RFC 7240); others are ignored.",
    example="return=representation",
)
_IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
    "Chosen by the client, another one for each write: repeating the request with it repeats the answer only.",
)


def endpoint_of(
    state: ApplicationState,
    rule: str,
    name: str,
    method: str,
    asked: Asked,
    resource: Resource,
    relation: Relation | None,
) -> Endpoint:
    """Describe one method of a generated route.

    Args:
        name: Endpoint in Flask, with its blueprint.
        resource: What the route reads or writes, for a relation the rows it leads to.
    """
    if relation is not None:
        kind: Kind = "list_related" if relation.many else "get_related"
    else:
        kind = _KINDS[method, asked.many]
    details = partial(_details, state, kind, method, resource, relation)
    return Endpoint(rule, method, name, kind, asked, details, resource=resource, relation=relation)


def _details(
    state: ApplicationState, kind: Kind, method: str, resource: Resource, relation: Relation | None
) -> EndpointDetails:
    describer = _Describer(state, kind, method, resource)
    owner = resource if relation is None else relation.source
    has_key = relation is not None or kind in ("get", "replace", "update", "delete")
    rates = rates_of(state.settings, resource.model).get(method, ())
    return EndpointDetails(
        parameters=[*(describer.path_parameters(owner) if has_key else ()), *describer.parameters()],
        shared=describer.shared(),
        body=describer.body(),
        answers=list(describer.answers()),
        errors=sorted(set(describer.errors())),
        rate="; ".join(str(rate) for rate in rates) or None,
    )


class _Describer:
    """Describes one operation on one resource."""

    def __init__(self, state: ApplicationState, kind: Kind, method: str, resource: Resource) -> None:
        self._state = state
        self._kind = kind
        self._method = method
        self._resource = resource
        self._is_list = kind in ("list", "list_related")
        self._is_write = method != "GET"
        self._is_many = kind in ("update_many", "delete_many")
        self._types = answer_types(state)

    def _option(self, option: Any) -> Any:
        return self._state.settings.get(option, model=self._resource.model, method=self._method)

    def _is_long(self, resource: Resource) -> bool:
        return self._state.database.has_long_integers(resource.model)

    @property
    def _is_tagging(self) -> bool:
        get, model = self._state.settings.get, self._resource.model
        return bool(get(core.ETAGS, model=model) or get(core.REQUIRE_IF_MATCH, model=model, method="PATCH"))

    @property
    def _takes_lists(self) -> bool:
        return self._kind == "update_many" or (
            self._kind == "create" and allows_bulk(self._resource, "POST", self._state.settings)
        )

    # --- what is taken ------------------------------------------------------------------------------------------------

    def path_parameters(self, owner: Resource) -> Iterator[Parameter]:
        """Describe the variables of a URL, which are the key of a row."""
        # A row that a PUT creates must be one that the column can hold.
        is_new = self._kind == "replace" and self._resource.takes_client_keys
        for (name, _), item in zip(owner.variables(), owner.key, strict=True):
            schema = url_type(item.codec, is_long=not is_new and self._is_long(owner))
            if schema == {"type": "string"} or "maxLength" in schema:
                schema = {**schema, "minLength": 1, "pattern": "^[^/]+$"}
            yield Parameter(name, "path", schema, f"Key of the {owner.name}.", required=True)

    def shared(self) -> SharedParameters | None:
        """Give the parameters of a list, which are the same on every route that leads to it."""
        resource, settings = self._resource, self._state.settings
        if not self._is_list:
            return None
        describe = partial(collection_parameters, resource, settings, is_long=self._is_long(resource))
        return SharedParameters(("collection", resource.model), describe)

    def parameters(self) -> Iterator[Parameter]:
        resource, settings = self._resource, self._state.settings
        if self._is_many:
            yield from filter_parameters(resource, settings, self._method, is_long=self._is_long(resource))
            most = {"type": "integer", "minimum": 1, "maximum": self._option(core.BULK_ROWS_MAX)}
            # A list in the body names its rows itself.
            yield Parameter(
                "max_affected",
                "query",
                most,
                "How many rows may be written at most; more are a 409, and nothing is written.",
                required=self._kind == "delete_many",
                resource=resource.name,
            )
        if self._kind in ("delete", "delete_many"):
            yield from cascade_parameters(resource, settings)
        elif not (self._is_list or self._is_many):
            yield from view_parameters(resource, settings, self._method)
        if self._takes_lists:
            sentence = "Write all items of a list or none; with `false`, those that can be written."
            yield Parameter("atomic", "query", switch_schema(True), sentence)
        yield from self._headers()

    def _headers(self) -> Iterator[Parameter]:
        if self._is_write:
            yield _PREFER
        if self._kind in ("replace", "update", "delete"):
            yield _IF_MATCH
        if self._kind == "replace":
            yield _CREATE_ONLY
        if self._is_tagging and not self._is_write:
            yield _IF_NONE_MATCH
        if self._option(core.IDEMPOTENCY) and self._method in IDEMPOTENT_METHODS:
            yield _IDEMPOTENCY_KEY

    def body(self) -> Body | None:
        use = _USES.get(self._kind)
        if use is None:
            return None
        types = body_types(self._state.settings)
        if self._method != "PATCH":
            types = [each for each in types if each != "application/merge-patch+json"]
        shape = RecordShape(self._resource, use)
        most = self._option(core.BULK_ROWS_MAX) if self._takes_lists else None
        return Body(types, shape, takes_lists=self._takes_lists, most=most)

    # --- what is answered ---------------------------------------------------------------------------------------------

    def answers(self) -> Iterator[Answer]:
        record = RecordShape(self._resource, "answer")
        nothing = JsonShape(NOTHING)
        if self._kind in ("delete", "delete_many"):
            yield self._answer(200, "Deleted.", [Content(self._types, nothing)])
        elif self._is_list:
            contents = [Content(self._types, record, many=True)]
            if self._option(core.ALLOW_EXPORT):
                contents.append(Content([CSV.mimetype, NDJSON.mimetype], None, is_enveloped=False))
            yield self._answer(200, "A page of rows.", contents)
        elif self._kind == "create":
            yield self._answer(self._option(core.CREATED_STATUS), _CREATED, self._records(record))
        elif self._kind == "update_many":
            yield self._answer(200, "Changed.", [Content(self._types, record, many=True)])
        else:
            yield self._answer(200, "OK", [Content(self._types, record)])
        if self._kind == "replace" and self._resource.takes_client_keys:
            yield self._answer(self._option(core.CREATED_STATUS), _CREATED, [Content(self._types, record)])
        if self._takes_lists:
            yield self._answer(207, "What became of each item.", [Content(self._types, record, reports=True)])
        if self._is_write:
            yield self._answer(204, "Done, as `Prefer: return=minimal` asks without a body.", ())
        if self._is_tagging and not self._is_write:
            yield Answer(304, "The client has the answer already.", headers=("ETag",))

    def _records(self, record: RecordShape) -> Sequence[Content]:
        contents = [Content(self._types, record)]
        if self._takes_lists:
            contents.append(Content(self._types, record, many=True))
        return contents

    def _answer(self, status: int, sentence: str, contents: Sequence[Content]) -> Answer:
        return Answer(status, sentence, contents, tuple(self._answer_headers(status)))

    def _answer_headers(self, status: int) -> Iterator[str]:
        if status == 201:
            yield "Location"
        if self._is_list:
            yield from ("Link", "X-Total-Count-Kind")
        if self._is_tagging and not self._is_many and self._method != "DELETE" and status != 207:
            yield "ETag"
        if self._is_write:
            yield "Preference-Applied"
        if self._option(core.IDEMPOTENCY) and self._method in IDEMPOTENT_METHODS:
            yield "Idempotency-Replayed"

    def errors(self) -> Iterator[int]:
        yield from (400, 406, 500, 503)
        if self._kind not in ("list", "create", "update_many", "delete_many"):
            yield 404
        if not self._is_write:
            if self._is_tagging:
                yield 412
            return
        yield from (409, 412, 422)
        if self._kind in _USES:
            yield from (413, 415)
        if self._option(core.REQUIRE_IF_MATCH):
            yield 428
        # What a hook or the database refuses.
        yield 403
