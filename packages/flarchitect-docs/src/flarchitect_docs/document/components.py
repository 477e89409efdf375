"""What operations share: schemas, parameters, headers and the answers of errors; each is written when it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import marshmallow as ma
from apispec.ext.marshmallow.common import make_schema_key

from flarchitect_core import options as core
from flarchitect_core.catalogue.nested import Rules, root_object
from flarchitect_core.catalogue.shapes import RecordShape, SchemaShape
from flarchitect_core.http.negotiation import PROBLEM
from flarchitect_core.model.json_types import NOTHING, JsonSchema
from flarchitect_core.model.schemas import AutoSchema, output_schema_of, schema_of
from flarchitect_core.views.bodies import schema_instance
from flarchitect_core.views.pydantic_schemas import PydanticSchema
from flarchitect_docs import options
from flarchitect_docs.document.envelope import EnvelopeSchemas, phrase
from flarchitect_docs.document.models import ModelSchemas
from flarchitect_docs.document.names import SchemaNames, component_key
from flarchitect_docs.document.nested import NestedSchemas
from flarchitect_docs.document.properties import Properties
from flarchitect_docs.document.texts import docstring_of

if TYPE_CHECKING:
    from flarchitect_core.catalogue.shapes import Content, Parameter, Shape
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.converter import SchemaConverter
    from flarchitect_docs.spec import CustomSpec

__all__ = ["HEADERS", "Components"]

_METHODS: Mapping[str, Rules] = {"create": "POST", "replace": "PUT", "update": "PATCH"}
_UPDATE = "What is left out stays as it is. An empty object changes nothing, and the answer is the row."
_SUFFIXES = {"create": ("Create",), "replace": ("Replace",), "update": ("Update",), "answer": ()}

HEADERS: Mapping[str, tuple[JsonSchema, str]] = {
    "Location": ({"type": "string", "format": "uri-reference"}, "Where the new row is."),
    "Link": ({"type": "string"}, "Other pages (RFC 8288)."),
    "X-Total-Count-Kind": ({"type": "string", "enum": ["capped", "estimated"]}, "How exact `total_count` is."),
    "ETag": ({"type": "string"}, "State of what is shown, for conditions on later requests."),
    "Preference-Applied": ({"type": "string"}, "The preference that was followed (RFC 7240)."),
    "Idempotency-Replayed": ({"type": "string", "enum": ["true"]}, "The answer is that of an earlier request."),
    "WWW-Authenticate": ({"type": "string"}, "What would be accepted."),
    "Retry-After": ({"type": "integer", "format": "int32"}, "Seconds after which it may work."),
    "X-RateLimit-Limit": ({"type": "integer", "format": "int32"}, "Requests in each window."),
    "X-RateLimit-Remaining": ({"type": "integer", "format": "int32"}, "Requests that remain in this one."),
    "X-RateLimit-Reset": ({"type": "integer", "format": "int32"}, "When it ends, in seconds since 1970."),
    "Accept": ({"type": "string"}, "Content types that are taken."),
    "Deprecation": ({"type": "string"}, "Since when it should not be used any more (RFC 9745)."),
    "Sunset": ({"type": "string"}, "When it will be gone (RFC 8594)."),
}


class Components:
    """The components of one document."""

    def __init__(
        self, spec: CustomSpec, converter: SchemaConverter, state: ApplicationState, names: SchemaNames
    ) -> None:
        self._spec = spec
        self._state = state
        self._names = names
        self._converter = converter
        converter.describe = lambda schema: self.of_schema(SchemaShape(schema))
        self._properties = Properties(converter, state.settings, self._answer_reference)
        self._nested = NestedSchemas(self, state, names)
        self._models = ModelSchemas(spec.components.schemas, names)
        self.envelopes = EnvelopeSchemas(state)
        self._parameters: dict[str, Parameter] = {}
        self._errors: dict[int, str] = {}
        self._pending: list[tuple[str, Callable[[], JsonSchema]]] = []
        self._is_making = False

    @property
    def schemas(self) -> Mapping[str, JsonSchema]:
        """The schemas so far, by name."""
        schemas: Mapping[str, JsonSchema] = self._spec.components.schemas
        return schemas

    # --- schemas ------------------------------------------------------------------------------------------------------

    def schema(self, name: str, make: Callable[[], JsonSchema]) -> JsonSchema:
        """Give the reference to a schema, which is made when it is first asked for."""
        if name not in self._spec.components.schemas:
            self._spec.components.schemas[name] = {}
            self._pending.append((name, make))
            self._make_pending()
        return {"$ref": f"#/components/schemas/{name}"}

    def _make_pending(self) -> None:
        """Make what was asked for, one after the other: models lead to each other in long chains, and in circles."""
        if self._is_making:
            return
        self._is_making = True
        while self._pending:
            name, make = self._pending.pop()
            self._spec.components.schemas[name] = make()
        self._is_making = False

    def of_shape(self, shape: Shape) -> JsonSchema:
        """Describe what a body or a value is."""
        if isinstance(shape, RecordShape):
            return self.of_record(shape)
        if isinstance(shape, SchemaShape):
            return self.of_schema(shape)
        return dict(shape.schema)

    def of_record(self, shape: RecordShape) -> JsonSchema:
        """Describe a record as an answer shows it, or as a body gives it."""
        resource = shape.resource
        name = self._names.of_resource(resource, *_SUFFIXES[shape.use])
        return self.schema(name, lambda: self._record(shape))

    def item_of_record(self, shape: RecordShape) -> JsonSchema:
        """Describe a change of one row in a list of changes: it names its row."""
        resource = shape.resource
        name = self._names.of_resource(resource, "UpdateItem")

        def make() -> JsonSchema:
            key = {item.name: self.key_property(item) for item in resource.key}
            changed = self._record(shape)
            told = "What is left out stays as it is, but for the key, which names the row."
            properties = {**key, **changed["properties"]}
            return {**changed, "description": told, "properties": properties, "required": [*key]}

        return self.schema(name, make)

    def _answer_reference(self, resource: Resource) -> JsonSchema:
        return self.of_record(RecordShape(resource, "answer"))

    def _record(self, shape: RecordShape) -> JsonSchema:
        resource = shape.resource
        if shape.use == "answer":
            fields = output_schema_of(resource, "GET").dump_fields
            return self._object(fields, resource, is_body=False, told=docstring_of(resource.model))
        method = _METHODS[shape.use]
        # The URL names the row, and a body that repeats its key says nothing.
        named = set() if method == "POST" else {item.attribute for item in resource.key}
        described = self.body_of(resource, method, named)
        if method == "PATCH":
            described["description"] = _UPDATE
        whole = root_object(self._state, resource, method)
        return described if whole is None else self._nested.in_object(described, whole)

    def body_of(self, resource: Resource, rules: Rules, left_out: Collection[str]) -> JsonSchema:
        """Describe what an object in a body has of its own, relationships aside.

        Args:
            rules: Method whose rules it follows.
            left_out: Attributes that it does not need to name.
        """
        fields = schema_of(resource, rules).load_fields
        taken = {name: field for name, field in fields.items() if (field.attribute or name) not in left_out}
        described = self._object(taken, resource, is_body=True)
        optional = {item.name for item in resource.fields.values() if "GET" in item.hidden_in}
        if rules == "PATCH":
            described.pop("required", None)
        elif rules == "PUT" and "required" in described:
            # What answers do not show is kept when it is left out.
            described["required"] = [name for name in described["required"] if name not in optional]
        if not described.get("required"):
            described.pop("required", None)
        if self._state.settings.get(core.UNKNOWN_FIELDS, model=resource.model) != "ignore":
            described["additionalProperties"] = False
        return described

    def key_property(self, item: Field) -> JsonSchema:
        """Describe a part of a key in a body that names its row."""
        return self._properties.of_field(item.codec, "body")

    def _object(
        self, fields: Mapping[str, ma.fields.Field[Any]], resource: Resource, *, is_body: bool, told: str = ""
    ) -> JsonSchema:
        properties: dict[str, JsonSchema] = {}
        required: list[str] = []
        for attribute, field in fields.items():
            name = field.data_key or attribute
            item = resource.field_of_attribute(field.attribute or attribute)
            described = self._properties.of_field(field, "body" if is_body else "answer", item)
            if item is not None and "$ref" not in described:
                if is_body and "GET" in item.hidden_in:
                    described["writeOnly"] = True
                    described.pop("example", None)
                elif not is_body and "POST" in item.locked_in and "PATCH" in item.locked_in:
                    described["readOnly"] = True
            properties[name] = described
            if is_body and field.required:
                required.append(name)
        shown: JsonSchema = {"type": "object", **({"description": told} if told else {}), "properties": properties}
        if required:
            shown["required"] = required
        return shown

    def of_schema(self, shape: SchemaShape) -> JsonSchema:
        """Describe what the schema of a hand-written view takes or gives."""
        schema = schema_instance(shape.schema)
        if isinstance(schema, PydanticSchema):
            return self._models.of(type(schema), is_body=shape.is_body, is_partial=shape.is_partial)
        words = ("Update",) if shape.is_partial else ()
        _, *modifiers = make_schema_key(schema)
        key = (*modifiers, schema.unknown, getattr(schema, "depth", None))
        name = self._names.of_class(type(schema), *words, key=key)
        reference = self.schema(name, lambda: self._of_schema(schema, is_partial=shape.is_partial))
        return {"type": "array", "items": reference} if schema.many else reference

    def _of_schema(self, schema: ma.Schema, *, is_partial: bool) -> JsonSchema:
        if isinstance(schema, AutoSchema):
            return self._of_auto_schema(schema, is_partial=is_partial)
        described = self._by_apispec(schema)
        if is_partial:
            described.pop("required", None)
        self._add_defaults(schema, described)
        return described

    def _by_apispec(self, schema: ma.Schema) -> JsonSchema:
        described: JsonSchema = self._converter.schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if schema.unknown != ma.EXCLUDE:
            # Not every release says so.
            described.setdefault("additionalProperties", schema.unknown == ma.INCLUDE)
        return described

    def _of_auto_schema(self, schema: AutoSchema, *, is_partial: bool) -> JsonSchema:
        model = type(schema).opts.model
        resource = None if model is None else self._state.registry.get(model)
        if resource is None:
            return self._by_apispec(schema)
        described = self._object(schema.fields, resource, is_body=schema.direction is False)
        if is_partial:
            described.pop("required", None)
        return described

    def _add_defaults(self, schema: ma.Schema, described: JsonSchema) -> None:
        for name, field in schema.fields.items():
            member = described["properties"].get(field.data_key or name)
            if member is not None and "example" not in member:
                member.update(self._properties.example_of_plain(field, member))

    def enveloped(self, content: Content) -> JsonSchema:
        """Describe an answer: its value in the envelope."""
        value = self.value(content)
        if not (content.is_enveloped and self.wraps):
            return value
        common = self.schema(self._names.of_ours("Envelope"), self.envelopes.envelope)
        member = self.envelopes.name("value")

        def make() -> JsonSchema:
            own: JsonSchema = {"type": "object", "properties": {member: value}}
            if self._state.settings.get(core.FINAL_CALLBACK) is None:
                own["required"] = [member]  # again, as generators of clients take each part by itself
            return {"allOf": [common, own]}

        name = self._envelope_name(content)
        return make() if name is None else self.schema(name, make)

    @property
    def wraps(self) -> bool:
        """Whether answers are described with their envelope."""
        return bool(self._state.settings.get(options.DOCS_ENVELOPE))

    def value(self, content: Content) -> JsonSchema:
        """Describe what stands in the envelope."""
        value = {} if content.shape is None else self.of_shape(content.shape)
        if content.reports:
            report = {
                "type": "object",
                "properties": {
                    "index": {"type": "integer"},
                    "status": {"type": "integer"},
                    "value": value,
                    "errors": self.errors_reference(),
                },
                "required": ["index", "status"],
            }
            return {"type": "array", "items": report}
        is_list = content.many and value.get("type") != "array"
        return {"type": "array", "items": value} if is_list else value

    def event(self, content: Content) -> JsonSchema:
        """Describe the events of a stream, in the word that OpenAPI 3.2 has for it."""
        data: JsonSchema = {"type": "string"}
        if content.shape is not None:
            data |= {"contentMediaType": "application/json", "contentSchema": self.value(content)}
        members = {"event": {"type": "string"}, "id": {"type": "string"}, "retry": {"type": "integer", "minimum": 0}}
        return {"x-itemSchema": {"type": "object", "properties": {"data": data, **members}, "required": ["data"]}}

    def _envelope_name(self, content: Content) -> str | None:
        shape = content.shape
        word = "ReportEnvelope" if content.reports else "ListEnvelope" if content.many else "Envelope"
        if isinstance(shape, RecordShape):
            return self._names.of_resource(shape.resource, word)
        if isinstance(shape, SchemaShape):
            reference = self.of_shape(shape)
            named = reference.get("items", reference)["$ref"].rpartition("/")[2]
            return self._names.around(named, "ListEnvelope" if "items" in reference else word)
        return None

    # --- errors -------------------------------------------------------------------------------------------------------

    def errors_reference(self) -> JsonSchema:
        """Give the reference to the object that tells of an error."""
        return self.schema(self._names.of_ours("Error"), self.envelopes.errors)

    def error_contents(self, status: int, media_types: tuple[str, ...]) -> dict[str, Any]:
        """Describe the body of an error in each format that it may have."""
        problem = self.schema(self._names.of_ours("Problem"), self.envelopes.problem)
        contents: dict[str, Any] = {}
        if self._state.settings.get(core.ERROR_FORMAT) != "problem":
            enveloped = self.schema(self._names.of_ours("ErrorEnvelope"), self._error_envelope)
            example = self.envelopes.error_example(status)
            for media_type in media_types:
                contents[media_type] = {"schema": enveloped}
                if media_type == "application/json":
                    contents[media_type]["example"] = example
        contents[PROBLEM.mimetype] = {"schema": problem, "example": self.envelopes.problem_example(status)}
        return contents

    def _error_envelope(self) -> JsonSchema:
        common = self.schema(self._names.of_ours("Envelope"), self.envelopes.envelope)
        errors, value = self.envelopes.name("errors"), self.envelopes.name("value")
        members = {errors: self.errors_reference(), value: NOTHING}
        described: JsonSchema = {"type": "object", "properties": members}
        if self._state.settings.get(core.FINAL_CALLBACK) is None:
            described["required"] = [errors]
        else:
            described = {"type": "object"}
        return {"allOf": [common, described]}

    def error_response(self, status: int, make: Callable[[], dict[str, Any]]) -> JsonSchema:
        """Give the reference to the answer of an error that all operations share."""
        reference = self._errors.get(status)
        if reference is None:
            name = component_key(phrase(status).replace(" ", ""))
            self._spec.components.responses.setdefault(name, make())
            reference = self._errors[status] = f"#/components/responses/{name}"
        return {"$ref": reference}

    # --- parameters and headers ---------------------------------------------------------------------------------------

    def parameter(self, parameter: Parameter) -> JsonSchema:
        """Give the reference to a parameter."""
        name = component_key(parameter.name)
        if parameter.resource is not None:
            name = f"{component_key(parameter.resource)}.{name}"
        key, number = name, 1
        while (known := self._parameters.get(key)) is not None and known != parameter:
            number += 1
            key = f"{name}.{number}"
        if key not in self._parameters:
            self._parameters[key] = parameter
            self._spec.components.parameters[key] = _parameter_object(parameter)
        return {"$ref": f"#/components/parameters/{key}"}

    def header(self, name: str) -> JsonSchema:
        """Give the reference to a header of answers."""
        if name not in self._spec.components.headers:
            schema, sentence = HEADERS[name]
            self._spec.components.headers[name] = {"description": sentence, "schema": schema}
        return {"$ref": f"#/components/headers/{name}"}


def _parameter_object(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {"name": parameter.name, "in": parameter.location}
    if parameter.sentence:
        described["description"] = parameter.sentence
    if parameter.required:
        described["required"] = True
    if parameter.is_list:
        described.update(style="form", explode=False)
    described["schema"] = dict(parameter.schema)
    if parameter.example is not None:
        described["example"] = parameter.example
    return described
