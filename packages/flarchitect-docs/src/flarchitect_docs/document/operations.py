"""Endpoints as operations of OpenAPI."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flarchitect_core import options as core
from flarchitect_core.access.roles import RoleRequirement
from flarchitect_core.catalogue.access import Access, access_of
from flarchitect_core.catalogue.shapes import RecordShape
from flarchitect_core.views.deprecation import deprecation_headers, deprecation_headers_of
from flarchitect_core.views.details import answer_types
from flarchitect_docs import options
from flarchitect_docs.document.envelope import phrase
from flarchitect_docs.document.examples import example_of
from flarchitect_docs.document.links import Links
from flarchitect_docs.document.paths import openapi_path, path_parameters
from flarchitect_docs.document.record_examples import body_example, shown_record
from flarchitect_docs.document.samples import Samples

if TYPE_CHECKING:
    from flarchitect_core.catalogue.endpoint import Endpoint, EndpointDetails, SharedParameters
    from flarchitect_core.catalogue.shapes import Answer, Body, Content
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.components import Components
    from flarchitect_docs.document.tags import Tags
    from flarchitect_docs.document.texts import Texts

__all__ = ["Operations"]

_RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_ERROR_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    415: ("Accept",),
    429: (*_RATE_HEADERS, "Retry-After"),
    503: ("Retry-After",),
}
_JSON = "application/json"
# Where `flask run` serves.
_SERVER = "http://127.0.0.1:5000"


class Operations:
    """Describes the endpoints of one application."""

    def __init__(
        self,
        state: ApplicationState,
        components: Components,
        texts: Texts,
        tags: Tags,
        ids: Mapping[Endpoint, str],
        schemes: Mapping[str, Any],
    ) -> None:
        self._state = state
        self._components = components
        self._texts = texts
        self._tags = tags
        self._ids = ids
        self._schemes = schemes
        self._links = Links(ids, components.envelopes.name("value"))
        self._types = answer_types(state)
        self._shared: dict[Hashable, Sequence[dict[str, Any]]] = {}
        get = state.settings.get
        servers = get(options.SERVER_URLS) or ({"url": _SERVER},)
        self._samples = (
            Samples(servers[0]["url"], schemes, lambda: components.schemas) if get(options.DOCS_CODE_SAMPLES) else None
        )

    def of(self, endpoint: Endpoint) -> dict[str, Any]:
        """Describe one operation."""
        details = endpoint.details()
        access = access_of(self._state, endpoint.asked, endpoint.method)
        operation: dict[str, Any] = {"operationId": self._ids[endpoint], "tags": [self._tags.of(endpoint)]}
        for name, text in (
            ("summary", self._texts.summary(endpoint)),
            ("description", self._texts.description(endpoint)),
        ):
            if text:
                operation[name] = text
        if "Deprecation" in self._notices(endpoint):
            operation["deprecated"] = True
        parameters = [*self._path_parameters(endpoint, details), *self._parameters(endpoint, details, access)]
        if parameters:
            operation["parameters"] = parameters
        if details.body is not None:
            operation["requestBody"] = self._body(endpoint, details.body)
        operation["responses"] = self._responses(endpoint, details, access)
        operation.update(self._security(endpoint, access))
        if self._samples is not None:
            operation["x-codeSamples"] = self._samples.of(endpoint.method, openapi_path(endpoint.rule), operation)
        return operation

    def _notices(self, endpoint: Endpoint) -> Collection[str]:
        """Give the headers that tell clients to leave it."""
        if endpoint.view is not None:
            return deprecation_headers(endpoint.view.info.deprecated, endpoint.view.info.sunset).keys()
        if endpoint.resource is None:
            return ()
        return deprecation_headers_of(self._state.settings, endpoint.resource.model, endpoint.method).keys()

    # --- what is taken ------------------------------------------------------------------------------------------------

    def _path_parameters(self, endpoint: Endpoint, details: EndpointDetails) -> Iterator[dict[str, Any]]:
        known = {each.name: each for each in details.parameters if each.location == "path"}
        for name, schema in path_parameters(endpoint.rule):
            described: dict[str, Any] = {"name": name, "in": "path", "required": True}
            if name in known:
                yield {**described, "description": known[name].sentence, "schema": dict(known[name].schema)}
            else:
                yield {**described, "schema": schema}

    def _parameters(self, endpoint: Endpoint, details: EndpointDetails, access: Access) -> Iterator[dict[str, Any]]:
        if details.shared is not None:
            yield from map(dict, self._shared_parameters(details.shared))
        for parameter in (*details.parameters, *access.parameters):
            if parameter.location != "path":
                yield self._components.parameter(parameter)
        if endpoint.view is not None:
            for given in endpoint.view.info.query_params:
                yield {"in": "query", "schema": {"type": "string"}, **given}

    def _shared_parameters(self, shared: SharedParameters) -> Sequence[dict[str, Any]]:
        """Give the references to parameters that several operations have, described once."""
        if shared.key not in self._shared:
            self._shared[shared.key] = [self._components.parameter(each) for each in shared.describe()]
        return self._shared[shared.key]

    def _body(self, endpoint: Endpoint, body: Body) -> dict[str, Any]:
        shape = body.shape
        schema = single = self._components.of_shape(shape)
        if body.takes_lists:
            item = single
            if endpoint.kind == "update_many" and isinstance(shape, RecordShape):
                item = self._components.item_of_record(shape)
            items = {"type": "array", "items": item, "minItems": 1}
            schema = {"anyOf": [single, {**items, "maxItems": body.most} if body.most else items]}
        content: dict[str, Any] = {media_type: {"schema": schema} for media_type in body.media_types}
        examples = endpoint.view.info.request_examples if endpoint.view is not None else None
        if examples:
            content[next(iter(content))]["examples"] = _named(examples)
        elif _JSON in content:
            example = body_example(shape, single, self._components.schemas)
            if example is not None:
                content[_JSON]["example"] = example
        if body.part_types:
            parts = {name: {"contentType": ", ".join(types)} for name, types in body.part_types.items()}
            for each in content.values():
                each["encoding"] = parts
        return {"required": body.required, "content": content}

    # --- what is answered ---------------------------------------------------------------------------------------------

    def _responses(self, endpoint: Endpoint, details: EndpointDetails, access: Access) -> dict[str, Any]:
        responses: dict[str, Any] = {}
        for answer in details.answers:
            responses[str(answer.status)] = self._answer(endpoint, answer, details)
        for status in sorted(set(self._errors(details, access))):
            responses.setdefault(str(status), self._error(endpoint, status, details, access))
        return dict(sorted(responses.items()))

    def _answer(self, endpoint: Endpoint, answer: Answer, details: EndpointDetails) -> dict[str, Any]:
        described: dict[str, Any] = {"description": answer.sentence}
        names = [*answer.headers, *(_RATE_HEADERS if details.rate else ()), *self._notices(endpoint)]
        if names:
            described["headers"] = {name: self._components.header(name) for name in names}
        if answer.contents:
            described["content"] = self._contents(endpoint, answer)
        links = self._links.of(endpoint, answer.status)
        if links:
            described["links"] = links
        return described

    def _contents(self, endpoint: Endpoint, answer: Answer) -> dict[str, Any]:
        by_type: dict[str, list[dict[str, Any]]] = {}
        for content in answer.contents:
            for media_type in content.media_types:
                is_text = content.is_stream or (content.shape is None and not content.is_enveloped)
                schema = {"type": "string"} if is_text else self._components.enveloped(content)
                by_type.setdefault(media_type, []).append(schema)
        described: dict[str, Any] = {}
        for media_type, schemas in by_type.items():
            schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            described[media_type] = {"schema": schema}
        for content in answer.contents:
            if content.is_stream:
                item = self._components.event(content)
                described.update((media_type, {**described[media_type], **item}) for media_type in content.media_types)
        if _JSON in described:
            described[_JSON].update(self._examples(endpoint, answer.contents[0], answer.status))
        return described

    def _examples(self, endpoint: Endpoint, content: Content, status: int) -> dict[str, Any]:
        envelopes, is_wrapped = self._components.envelopes, content.is_enveloped and self._components.wraps
        said = endpoint.view.info.response_examples if endpoint.view is not None else None
        if said:
            return {
                "examples": _named(
                    {
                        name: envelopes.example(value, status=status) if is_wrapped else value
                        for name, value in said.items()
                    }
                )
            }
        if content.shape is None or content.reports:
            return {}
        value = shown_record(example_of(self._components.value(content), self._components.schemas), content.shape)
        return {"example": envelopes.example(value, status=status) if is_wrapped else value}

    def _errors(self, details: EndpointDetails, access: Access) -> Iterator[int]:
        yield from details.errors
        if not access.is_open:
            yield from (401, 403)
        if details.rate:
            yield from (429, 503)

    def _error(self, endpoint: Endpoint, status: int, details: EndpointDetails, access: Access) -> dict[str, Any]:
        links = self._links_said(endpoint, status)
        limit = details.rate if status == 429 else None
        roles = _named_roles(access) if status == 403 else []
        if not (links or limit or roles):
            return self._components.error_response(status, lambda: self._error_object(status))
        described = self._error_object(status)
        if limit:
            described["description"] += f". The limit is {limit}."
        for each in roles:
            described["description"] += f". {_told(each)}"
        return {**described, **({"links": links} if links else {})}

    def _error_object(self, status: int) -> dict[str, Any]:
        described: dict[str, Any] = {"description": phrase(status)}
        headers = _ERROR_HEADERS.get(status)
        if headers:
            described["headers"] = {name: self._components.header(name) for name in headers}
        described["content"] = self._components.error_contents(status, self._types)
        return described

    def _links_said(self, endpoint: Endpoint, status: int) -> Any:
        model = None if endpoint.resource is None else endpoint.resource.model
        said = self._state.settings.get(core.LINKS, model=model, method=endpoint.method) or {}
        return said.get(status) or said.get(str(status))

    # --- who may ask --------------------------------------------------------------------------------------------------

    def _security(self, endpoint: Endpoint, access: Access) -> dict[str, Any]:
        info = None if endpoint.view is None else endpoint.view.info
        described: dict[str, Any] = {}
        if info is not None and info.security is not None:
            described["security"] = [dict(each) for each in info.security]
        elif self._schemes:
            described["security"] = self._alternatives(access)
        required = [{"roles": list(each.names), "any_of": each.any_of} for each in _named_roles(access)]
        if required:
            # Several are a PUT that the role map does not name: it needs what PATCH needs and what POST needs.
            described["x-required-roles"] = required[0] if len(required) == 1 else required
        return described

    def _alternatives(self, access: Access) -> list[dict[str, list[str]]]:
        alternatives: list[dict[str, list[str]]] = []
        if access.is_required is not False:
            alternatives = [{name: []} for name in access.schemes if name in self._schemes]
        if access.is_required is None:
            alternatives.append({})
        return alternatives


def _named_roles(access: Access) -> list[RoleRequirement]:
    return [each for each in access.roles if each.names]


def _told(roles: RoleRequirement) -> str:
    word = "accepted" if roles.any_of else "required"
    return f"Roles {word}: {', '.join(roles.names)}."


def _named(examples: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in examples.items()}
