"""pydantic models as schemas of hand-written views.

Nothing here imports pydantic before somebody gives a model of it: whoever has none need not have pydantic.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any, ClassVar, Literal, TypeGuard

import marshmallow as ma

from flarchitect_core.views.files import FileField

__all__ = ["PydanticSchema", "is_pydantic_model", "pydantic_schema"]

JsonSchema = dict[str, Any]
Mode = Literal["validation", "serialization"]

_UNKNOWN: Mapping[str | None, str] = {"ignore": ma.EXCLUDE, "allow": ma.INCLUDE}
# What every schema says of these two, in the words of all others.
_MESSAGES: Mapping[str, str] = {"missing": "Missing data for required field.", "extra_forbidden": "Unknown field."}


def is_pydantic_model(kind: object) -> TypeGuard[Any]:
    """Say whether something is a model class of pydantic."""
    return isinstance(kind, type) and hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate")


class PydanticSchema(ma.Schema):
    """Base of the marshmallow schemas that stand for pydantic models: the model reads and writes, they tell of it.

    Bodies become instances of the model. Of a PATCH, which may leave out every field, `model_fields_set` has those that
    were given.
    """

    names: ClassVar[frozenset[str]]
    model: ClassVar[Any]
    partial_model: ClassVar[Any]

    def load(self, data: Any, *, many: bool | None = None, partial: Any = None, unknown: Any = None) -> Any:
        """Give the instance that a body is.

        Raises:
            marshmallow.ValidationError: The model refuses it; the messages are those of pydantic by field.
        """
        surplus = [key for key in data if key not in self.names]
        messages: dict[str, Any] = {}
        if surplus and unknown != ma.INCLUDE:
            data = {key: value for key, value in data.items() if key in self.names}
            if unknown != ma.EXCLUDE:
                messages = {key: ["Unknown field."] for key in surplus}
        made = None
        try:
            made = (self.partial_model if partial else self.model).model_validate(data)
        except import_module("pydantic").ValidationError as error:
            messages = {**_messages(error.errors(include_url=False, include_input=False)), **messages}
        if messages:
            raise ma.ValidationError(messages)
        return made

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Give the JSON values of an instance, or of anything that has what the model needs."""
        if self.many if many is None else many:
            return [self.dump(each, many=False) for each in obj]
        instance = obj if isinstance(obj, self.model) else self.model.model_validate(obj, from_attributes=True)
        return instance.model_dump(mode="json", by_alias=True)

    @classmethod
    def json_schema(cls, mode: Mode, ref_template: str) -> JsonSchema:
        """Give the JSON Schema of the model (2020-12), with other models in `$defs`."""
        described: JsonSchema = cls.model.model_json_schema(mode=mode, ref_template=ref_template)
        return described


@cache
def pydantic_schema(model: Any) -> type[PydanticSchema]:
    """Make the schema that stands for a model.

    Raises:
        TypeError: The model is of something that is no object, or that JSON does not have.
    """
    taken, shown = _properties(model, "validation"), _properties(model, "serialization")
    base: type[PydanticSchema] = type(
        f"{model.__name__}Base",
        (PydanticSchema,),
        {
            "model": model,
            "partial_model": _partial(model),
            "names": frozenset({*taken, *_other_names(model)}),
            "Meta": type("Meta", (), {"unknown": _UNKNOWN.get(model.model_config.get("extra"), ma.RAISE)}),
        },
    )
    # The names of fields are free, also those that a schema has for itself.
    fields = {
        name: make(data_key=name, dump_only=name not in taken, load_only=name not in shown)
        for name, make in {**shown, **taken}.items()
    }
    members = {**fields, "__module__": model.__module__, "__doc__": model.__doc__}
    return type(f"{model.__name__}Schema", (base,), members)


def _properties(model: Any, mode: Mode) -> dict[str, Callable[..., ma.fields.Field[Any]]]:
    """List what bodies or answers have, by the name in the document, each with what makes its field."""
    try:
        described = model.model_json_schema(mode=mode)
    except import_module("pydantic").errors.PydanticUserError as error:
        raise TypeError(f"{model.__name__} has no JSON Schema: {error.message}") from error
    definitions = described.get("$defs", {})
    described = _resolved(described, definitions)
    if described.get("type") != "object":
        raise TypeError(f"{model.__name__} is no model of an object.")
    required = described.get("required", ())
    return {
        name: partial(_field, schema, definitions, required=name in required)
        for name, schema in described.get("properties", {}).items()
    }


def _other_names(model: Any) -> Iterator[str]:
    """List the names by which bodies may give a field besides that of the document."""
    by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    for name, info in model.model_fields.items():
        if by_name:
            yield name
        for choice in getattr(info.validation_alias, "choices", ()):
            yield choice if isinstance(choice, str) else choice.path[0]
        if hasattr(info.validation_alias, "path"):
            yield info.validation_alias.path[0]


def _resolved(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> JsonSchema:
    return definitions.get(schema["$ref"].rpartition("/")[2], {}) if "$ref" in schema else schema


def _partial(model: Any) -> Any:
    """Make the model for PATCH: every field may be missing."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if info.is_required():
            optional = copy.copy(info)
            optional.default = None
            fields[name] = (info.annotation, optional)
    return import_module("pydantic").create_model(model.__name__, __base__=model, __module__=model.__module__, **fields)


def _field(schema: JsonSchema, definitions: Mapping[str, JsonSchema], **arguments: Any) -> ma.fields.Field[Any]:
    """Make the field that tells how a property stands in a form: as a file, as several parts, or as JSON."""
    kinds = [each for each in (schema, *schema.get("anyOf", ())) if each.get("type") != "null"]
    for kind in kinds:
        found = _resolved(kind, definitions)
        if found.get("type") == "array":
            return ma.fields.List(_field(found.get("items", {}), definitions), **arguments)
        if "contentMediaType" in found and found.get("format") == "binary":
            return FileField(**{name: value for name, value in arguments.items() if name != "load_only"})
        if found.get("type") == "object":
            return ma.fields.Dict(**arguments)
    return ma.fields.Raw(**arguments)


def _messages(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the errors of pydantic below the fields they are about, as marshmallow has them."""
    found: dict[str, Any] = {}
    for error in errors:
        *above, last = [str(part) for part in error["loc"]] or ["_schema"]
        place: dict[str, Any] = found
        for part in above:
            below: Any = place.setdefault(part, {})
            if isinstance(below, list):
                # Of a value as a whole, and of what stands in it.
                below = place[part] = {"_schema": below}
            place = below
        told: Any = place.setdefault(last, [])
        if isinstance(told, dict):
            told = told.setdefault("_schema", [])
        told.append(_message(error))
    return found


def _message(error: Mapping[str, Any]) -> str:
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, Exception):
        return str(raised)
    return _MESSAGES.get(error["type"], f"{error['msg']}.")
