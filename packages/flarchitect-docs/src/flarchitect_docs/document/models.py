"""The JSON Schema of pydantic models as components, each model in one of its own.

A model may be read otherwise than it is written: with defaults, computed fields, and numbers as text. Where that makes
another schema, what is read is the component with `Input` behind its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flarchitect_core.model.json_types import JsonSchema
from flarchitect_docs.document.check import references_of
from flarchitect_docs.document.names import plain_name

if TYPE_CHECKING:
    from flarchitect_core.views.pydantic_schemas import PydanticSchema
    from flarchitect_docs.document.names import SchemaNames

__all__ = ["ModelSchemas"]

_PREFIX = "#/components/schemas/"
_TEMPLATE = _PREFIX + "{model}"
# A model among the definitions of others: none of them has an empty name.
_ITSELF = ""

Definitions = Mapping[str, JsonSchema]


class ModelSchemas:
    """Describes the pydantic models of one document.

    Args:
        schemas: The components of the document, by name.
    """

    def __init__(self, schemas: dict[str, JsonSchema], names: SchemaNames) -> None:
        self._schemas = schemas
        self._names = names

    def of(self, kind: type[PydanticSchema], *, is_body: bool, is_partial: bool) -> JsonSchema:
        """Give the reference to what a model takes or gives."""
        whole, taken = _definitions(kind.json_schema("validation", _TEMPLATE))
        _, shown = _definitions(kind.json_schema("serialization", _TEMPLATE))
        differing = _differing(taken, shown)
        described = {
            name: shown[name] if name not in taken or (name in differing and not is_body) else taken[name]
            for name in (taken if is_body else shown)
        }
        names: dict[str, str] = {}
        for name, schema in described.items():
            words = ("Input",) if is_body and name in differing else ()
            names[name] = self._name(kind, _ITSELF if name == whole else name, words, schema)
        for name, schema in described.items():
            self._schemas.setdefault(names[name], _renamed(schema, names))
        component = names[whole]
        if is_partial:
            changed = {word: value for word, value in described[whole].items() if word != "required"}
            component = self._name(kind, _ITSELF, ("Update",), changed)
            self._schemas.setdefault(component, _renamed(changed, names))
        return {"$ref": _PREFIX + component}

    def _name(self, kind: type[PydanticSchema], name: str, words: tuple[str, ...], schema: JsonSchema) -> str:
        """Name a component: by the model alone where no other one has this name."""
        own = plain_name(kind)
        owner = "_".join(kind.__module__.split(".")) if name == _ITSELF else own
        source = json.dumps(schema, sort_keys=True)
        return self._names.of_definition(own if name == _ITSELF else name, *words, owner=owner, source=source)


def _definitions(described: JsonSchema) -> tuple[str, Definitions]:
    """Give the name that the model itself has among the definitions, and the definitions with it."""
    definitions = {**described.pop("$defs", {})}
    if "$ref" in described:
        # It leads to itself.
        return described["$ref"].removeprefix(_PREFIX), definitions
    return _ITSELF, {_ITSELF: described, **definitions}


def _differing(taken: Definitions, shown: Definitions) -> set[str]:
    """List the definitions that are not the same where they are read and where they are written."""
    both = taken.keys() & shown.keys()
    differing = {name for name in both if _loose(taken[name]) != _loose(shown[name])}
    left = both - differing
    while changed := {name for name in left if differing & _named(taken[name])}:
        differing |= changed
        left -= changed
    return differing


def _named(schema: JsonSchema) -> set[str]:
    return {reference.removeprefix(_PREFIX) for reference in references_of(schema)}


def _loose(node: Any) -> Any:
    """Leave out what is required: a value that always comes may also be told as one that need not."""
    if isinstance(node, dict):
        return {
            name: _loose(value) for name, value in node.items() if not (name == "required" and isinstance(value, list))
        }
    return [_loose(item) for item in node] if isinstance(node, list) else node


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _renamed(value, names) for name, value in node.items()}
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if isinstance(node, str) and node.startswith(_PREFIX):
        return _PREFIX + names[node.removeprefix(_PREFIX)]
    return node
